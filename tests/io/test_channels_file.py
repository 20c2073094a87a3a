"""Several layers saved at once, as napari saves them: one file of channels, or a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import napari_srcnn
from napari_srcnn.io import StackError, read_stack
from napari_srcnn.io.channels_file import write_images
from napari_srcnn.io.napari_hooks import read_layers

npe2 = pytest.importorskip("npe2", reason="needs napari")
layers = pytest.importorskip("napari.layers", reason="needs napari")
components = pytest.importorskip("napari.components", reason="needs napari")


@pytest.fixture(autouse=True)
def plugin(npe2pm: Any) -> Iterator[None]:
    manifest = Path(napari_srcnn.__file__).with_name("napari.yaml")
    with npe2pm.tmp_plugin(manifest=npe2.PluginManifest.from_file(manifest)):
        yield


def noise(*shape: int, dtype: str = "uint16", seed: int = 0) -> NDArray[Any]:
    return (np.random.default_rng(seed).random(shape) * 200).astype(dtype)


def two(**options: Any) -> tuple[Any, Any]:
    """Two channels (3, 20, 30) of one place; what is given is the second's."""
    place: dict[str, Any] = {
        "scale": (2.0, 0.5, 0.5),
        "translate": (4.0, 1.0, 2.0),
        "units": ("um", "um", "um"),
        "axis_labels": ("z", "y", "x"),
    }
    first = layers.Image(
        noise(3, 20, 30),
        name="cells DAPI",
        colormap="blue",
        contrast_limits=(3, 150),
        gamma=0.7,
        metadata={"napari_srcnn": {"model": "m"}},
        **place,
    )
    data = options.pop("data", noise(3, 20, 30, seed=1))
    second = layers.Image(
        data,
        **{"name": "cells GFP", "colormap": "viridis", "blending": "additive", **place, **options},
    )
    return first, second


def saved(chosen: Any, path: Path) -> list[str]:
    """Save layers as File > Save Selected Layers does."""
    found = components.LayerList(list(chosen))
    written: list[str] = found.save(str(path), plugin="napari-srcnn")
    return written


def opened(path: Path) -> list[Any]:
    return [layers.Image(data, **options) for data, options, _ in read_layers(str(path))]


@pytest.mark.parametrize("name", ["all.ome.tif", "all.ome.zarr"])
def test_layers_of_one_place_become_channels_and_come_back_as_they_were(
    tmp_path: Path, name: str
) -> None:
    chosen = two()
    assert saved(chosen, tmp_path / name) == [str(tmp_path / name)]
    with read_stack(tmp_path / name) as stack:
        assert stack.axes == "CZYX"
        assert stack.shape == (2, 3, 20, 30)
        assert stack.channel_names == ("DAPI", "GFP")
        assert stack.pixel_size[1:] == (2.0, 0.5, 0.5)
    again = opened(tmp_path / name)
    assert [layer.name for layer in again] == ["all DAPI", "all GFP"]
    for old, new in zip(chosen, again, strict=True):
        whole = new.data[0] if new.multiscale else new.data
        np.testing.assert_array_equal(np.asarray(whole), old.data)
        np.testing.assert_allclose(new.extent.world, old.extent.world)
        for what in ("units", "axis_labels", "contrast_limits", "gamma", "blending"):
            assert getattr(new, what) == getattr(old, what), what
        assert new.colormap.name == old.colormap.name
    assert again[0].metadata["napari_srcnn"] == {"model": "m"}
    assert "napari_srcnn" not in again[1].metadata


def test_a_file_opened_as_channels_is_saved_as_that_file_whatever_their_order(
    tmp_path: Path,
) -> None:
    saved(two(), tmp_path / "a.ome.tif")
    saved(opened(tmp_path / "a.ome.tif")[::-1], tmp_path / "b.ome.tif")
    with read_stack(tmp_path / "a.ome.tif") as old, read_stack(tmp_path / "b.ome.tif") as new:
        np.testing.assert_array_equal(new[:], old[:])
        assert new.channel_names == old.channel_names
        assert new.channel_colors == old.channel_colors


def test_time_stands_before_the_channels(tmp_path: Path) -> None:
    series = [
        layers.Image(noise(4, 2, 20, 30, seed=n), axis_labels=("t", "z", "y", "x"), name=f"c{n}")
        for n in range(3)
    ]
    saved(series, tmp_path / "a.ome.tif")
    with read_stack(tmp_path / "a.ome.tif") as stack:
        assert stack.axes == "TCZYX"
        np.testing.assert_array_equal(stack[2, 1], series[1].data[2])


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"data": noise(3, 21, 30)}, "is 3 × 21 × 30 pixels and cells DAPI 3 × 20 × 30"),
        ({"data": noise(3, 20, 30, dtype="uint8")}, "of type uint8 and cells DAPI of type uint16"),
        ({"scale": (2, 0.25, 0.25)}, "pixels of another size"),
        ({"translate": (4, 1, 3)}, "lies elsewhere than cells DAPI"),
        ({"units": ("nm", "nm", "nm")}, "is measured in nanometer and cells DAPI in micrometer"),
        ({"axis_labels": ("t", "y", "x")}, "has the axes TYX and cells DAPI ZYX"),
        ({"axis_labels": ("c", "y", "x")}, "has channels of its own"),
        ({"rotate": 30}, "is turned or sheared"),
        ({"data": noise(3, 20, 30, 3, dtype="uint8"), "rgb": True}, "is a colour image"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_layers_that_are_no_channels_of_one_image_are_refused_and_leave_nothing(
    tmp_path: Path, options: dict[str, Any], why: str
) -> None:
    with pytest.raises(OSError, match=f"cells GFP .*{why}.*: save each on its own"):
        saved(two(**options), tmp_path / "a.ome.tif")
    assert not list(tmp_path.iterdir())


def test_layers_of_any_kind_become_files_of_a_new_folder(tmp_path: Path) -> None:
    first, second = two(
        data=noise(7, 9),
        name="a/b",
        **dict.fromkeys(("scale", "translate", "units", "axis_labels")),
    )
    third = layers.Image(noise(8, 8), name="A b")
    written = saved((first, second, third), tmp_path / "results")
    names = ["cells_DAPI.ome.tif", "a_b.ome.tif", "A_b_2.ome.tif"]
    assert written == [str(tmp_path / "results" / name) for name in names]
    for path, layer in zip(written, (first, second, third), strict=True):
        with read_stack(path) as stack:
            np.testing.assert_array_equal(stack[:], layer.data)
    # What is there is never taken away for it.
    with pytest.raises(OSError, match="is there already and is not empty"):
        saved((first, second), tmp_path / "results")
    assert len(list((tmp_path / "results").iterdir())) == 3


def test_a_folder_is_not_there_if_one_layer_does_not_fit(tmp_path: Path) -> None:
    six = layers.Image(noise(1, 1, 1, 1, 4, 5))
    with pytest.raises(OSError, match="split the stack"):
        saved((two()[0], six), tmp_path / "results")
    assert not list(tmp_path.iterdir())


def test_the_dialog_offers_every_kind_once() -> None:
    from napari.plugins._npe2 import file_extensions_string_for_layers

    one, _ = file_extensions_string_for_layers(two()[:1])
    many, _ = file_extensions_string_for_layers(two())
    ours = [[kind for kind in str(text).split(";;") if "SRCNN" in kind] for text in (one, many)]
    assert ours == [
        ["SRCNN OME-TIFF (*.ome.tif *.ome.tiff)", "SRCNN OME-Zarr (*.ome.zarr *.zarr)"],
        [
            "SRCNN OME-TIFF, a channel for each layer (*.ome.tif *.ome.tiff)",
            "SRCNN OME-Zarr, a channel for each layer (*.ome.zarr *.zarr)",
            "SRCNN Folder, an OME-TIFF for each layer (*.*)",
        ],
    ]


def test_a_name_without_its_ending_gets_it_and_replaces_nothing_unasked(tmp_path: Path) -> None:
    data = [layer.as_layer_data_tuple() for layer in two()]
    assert write_images(tmp_path / "cells", data) == [str(tmp_path / "cells.ome.tif")]
    with pytest.raises(StackError, match=r"cells\.ome\.tif is there already"):
        write_images(tmp_path / "cells", data)
