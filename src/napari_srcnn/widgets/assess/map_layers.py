"""The maps of an assessment as layers over the source."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from napari_srcnn.widgets.shared.display import DIVERGING, kept_selection
from napari_srcnn.widgets.shared.layers import METADATA_KEY

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_srcnn.assess.maps import Kind
    from napari_srcnn.image.transform import Transform
    from napari_srcnn.widgets.assess.tasks import Found

#: What `preview_kind` says of these layers.
MAP = "map"
# Of each kind of map its name behind the result's, and whether it has a sign.
_KINDS: dict[Kind, tuple[str, bool]] = {
    "error": ("error map", False),
    "difference": ("difference", True),
    "sigmas": ("difference (σ)", True),
}


class MapLayers:
    """The maps of the last assessment; one is seen, the others are hidden under it.

    They are dask arrays, of which napari computes the plane that is looked at: a stack's maps take
    no more memory than a plane's.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self.layers: list[Image] = []

    def show(self, found: Found, place: Transform) -> None:
        """Show the maps at the source's place, instead of those of the last assessment.

        Parameters
        ----------
        found : Found
        place : Transform
            Where the whole source lies.
        """
        self.remove()
        compared = found.assessment.compared
        origin = compared.origin[: len(found.maps.shape)]
        kinds = [kind for kind in _KINDS if kind != "sigmas" or found.maps.has_sigmas]
        with kept_selection(self._viewer):
            for kind in kinds:
                name, is_signed = _KINDS[kind]
                limit = found.limits[kind]
                looks: dict[str, Any] = {
                    "colormap": DIVERGING if is_signed else "magma",
                    "contrast_limits": (-limit if is_signed else 0.0, limit),
                    "visible": kind == kinds[-1],
                }
                self.layers.append(
                    self._viewer.add_image(
                        _lazily(found.maps.of(kind)),
                        name=f"{found.request.result_name} {name}",
                        multiscale=False,
                        metadata={METADATA_KEY: {"preview": MAP, "scale": compared.scale}},
                        **place.enlarged(1, origin).as_arguments(),
                        **looks,
                    )
                )

    def remove(self) -> None:
        """Take the maps away."""
        for layer in self.layers:
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
        self.layers = []


def _lazily(data: Any) -> Any:
    """Return an array as dask's, each plane a chunk: napari and other plugins know those."""
    import dask.array as da  # what takes a while to load, napari has loaded by then

    chunks = (*[1] * (data.ndim - 2), *data.shape[-2:])
    # A name of its own: what was computed of an earlier assessment is not this one's.
    return da.from_array(  # type: ignore[no-untyped-call]  # dask has no types for it
        data, chunks=chunks, name=f"napari-srcnn-map-{uuid.uuid4().hex}"
    )
