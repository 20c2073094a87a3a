"""Which kinds of files models are exported as, by how a file's name ends."""

from __future__ import annotations

from pathlib import Path

from napari_srcnn.models.card import ModelInfo
from napari_srcnn.models.foreign import ONNX, PACKAGE
from napari_srcnn.network.checkpoint import SUFFIX

#: How the names of exported files end.
KINDS = (SUFFIX, ONNX, PACKAGE)


def kind_of(file: str | Path) -> str | None:
    """Return the kind that a file's name ends in; None where it is none of :data:`KINDS`."""
    name = Path(file).name.lower()
    return next((kind for kind in KINDS if name.endswith(kind)), None)


def export_bytes(info: ModelInfo, kind: str | None) -> bytes:
    """Return a model as a file for other programs.

    Parameters
    ----------
    info : ModelInfo
    kind : str
        ``.onnx`` or ``.bioimage.io.zip``.

    Raises
    ------
    CheckpointError
        If the model is damaged, or a package of the extra ``export`` is missing.
    """
    if kind == PACKAGE:
        from napari_srcnn.models.bioimageio.write import package_bytes

        return package_bytes(info)
    from napari_srcnn.models.library import load_model
    from napari_srcnn.network.checkpoint import header_text, read_header
    from napari_srcnn.network.onnx_graph import onnx_bytes
    from napari_srcnn.network.phases import standalone

    header = header_text(*read_header(info.path))
    return onnx_bytes(standalone(load_model(info.path)), header)
