from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import zarr
from numpy.typing import NDArray

from napari_srcnn.io import Stack, read_stack, write_zarr
from napari_srcnn.io.napari_hooks import get_reader, read_layers, write_zarr_image

layers = pytest.importorskip("napari.layers", reason="needs napari")


def noise(*shape: int, dtype: str = "uint16") -> NDArray[Any]:
    return (np.random.default_rng(0).random(shape) * 200).astype(dtype)


def saved_and_opened(layer: Any, path: Path) -> Any:
    """Save a layer as napari does and open the folder as napari does."""
    data, attributes, _ = layer.as_layer_data_tuple()
    assert write_zarr_image(str(path), data, attributes) == [str(path)]
    reader = get_reader(str(path))
    assert reader is not None
    ((data, attributes, kind),) = reader(str(path))
    assert kind == "image"
    return layers.Image(data, **attributes)


def full(layer: Any) -> NDArray[Any]:
    return np.asarray(layer.data[0] if layer.multiscale else layer.data)


def test_a_layer_comes_back_where_it_was_and_as_it_looked(tmp_path: Path) -> None:
    layer = layers.Image(
        noise(3, 2, 20, 30),
        scale=(1.5, -2, 0.1, 0.2),
        units=("s", "um", "nm", "nm"),
        axis_labels=("t", "z", "y", "x"),
        translate=(1, 2, 3, 4),
        shear=[0, 0, 0, 0, 0, 0.2],
        affine=np.diag([1.0, 1, 2, 2, 1]),
        name="hä",
        colormap="viridis",
        contrast_limits=(3, 150),
        gamma=0.7,
        blending="additive",
        metadata={"napari_srcnn": {"model": "m", "range": np.float32(2)}},
    )
    again = saved_and_opened(layer, tmp_path / "kept.ome.zarr")
    assert again.name == "kept"
    np.testing.assert_array_equal(full(again), layer.data)
    np.testing.assert_allclose(again.extent.world, layer.extent.world, rtol=1e-12)
    for name in ("scale", "translate", "shear", "contrast_limits", "gamma", "blending"):
        assert np.array_equal(getattr(again, name), getattr(layer, name)), name
    assert again.units == layer.units
    assert again.axis_labels == layer.axis_labels
    np.testing.assert_array_equal(again.affine.affine_matrix, layer.affine.affine_matrix)
    assert again.colormap.name == "viridis"
    assert again.metadata["napari_srcnn"] == {"model": "m", "range": 2.0}


@pytest.mark.parametrize(
    ("data", "options"),
    [
        (noise(4, 5, 20, 30), {}),
        (noise(5, 20, 30, dtype="int64"), {}),
        (noise(20, 30) > 100, {}),
        (noise(20, 30, 3, dtype="uint8"), {"rgb": True}),
        (noise(5, 20, 30, 4, dtype="uint8"), {"rgb": True}),
        (noise(20, 30, 3), {"rgb": True}),
        (noise(20, 30).astype(">f4"), {}),
        (da.from_array(noise(5, 20, 30), chunks=(1, 20, 30)), {}),
    ],
    ids=lambda value: f"{value.dtype}{value.shape}" if hasattr(value, "dtype") else None,
)
def test_layers_of_any_kind_come_back_with_their_values(
    tmp_path: Path, data: Any, options: dict[str, Any]
) -> None:
    layer = layers.Image(data, **options)
    again = saved_and_opened(layer, tmp_path / "a.ome.zarr")
    np.testing.assert_array_equal(full(again), np.asarray(data))
    assert again.data.dtype == data.dtype.newbyteorder("=")
    assert again.rgb == layer.rgb
    assert again.axis_labels == layer.axis_labels
    assert again.units == layer.units


def test_a_pyramid_opens_as_one_multiscale_layer_in_the_chunks_of_the_file(tmp_path: Path) -> None:
    image = noise(3, 1100, 600)
    stack = Stack(data=image, axes="ZYX", pixel_size=(2, 0.5, 0.5), units=("micrometer",) * 3)
    path = write_zarr(tmp_path / "cells.ome.zarr", stack)
    ((levels, arguments, kind),) = read_layers(str(path))
    assert kind == "image"
    assert arguments["multiscale"]
    assert [level.shape for level in levels] == [(3, 1100, 600), (3, 550, 300), (3, 275, 150)]
    assert levels[0].chunksize == (1, 512, 512)
    layer = layers.Image(levels, **arguments)
    assert layer.name == "cells"
    assert layer.scale.tolist() == [2, 0.5, 0.5]
    assert {str(unit) for unit in layer.units} == {"micrometer"}
    assert layer.axis_labels == ("z", "y", "x")
    # Saved again, the full resolution is what is saved.
    again = saved_and_opened(layer, tmp_path / "again.ome.zarr")
    np.testing.assert_array_equal(full(again), image)


def test_channels_open_as_layers_with_names_colours_and_windows(tmp_path: Path) -> None:
    image = noise(3, 2, 20, 30)
    stack = Stack(
        data=image,
        axes="ZCYX",
        channel_names=("DAPI", "GFP"),
        channel_colors=("#0000ff", "#00ff00"),
        metadata={"windows": [[10, 90], None], "layer": {"translate": [1, 0, 2, 3]}},
    )
    path = write_zarr(tmp_path / "cells.ome.zarr", stack)
    opened = [layers.Image(data, **options) for data, options, _ in read_layers(str(path))]
    assert [layer.name for layer in opened] == ["cells DAPI", "cells GFP"]
    for n, layer in enumerate(opened):
        np.testing.assert_array_equal(full(layer), image[:, n])
        assert layer.translate.tolist() == [1, 2, 3]
        assert layer.axis_labels == ("z", "y", "x")
    np.testing.assert_array_equal(opened[1].colormap.colors[-1], [0, 1, 0, 1])
    assert opened[0].contrast_limits == [10, 90]
    # One of them, saved alone, is that channel still.
    again = saved_and_opened(opened[0], tmp_path / "dapi.ome.zarr")
    assert again.contrast_limits == [10, 90]
    with read_stack(tmp_path / "dapi.ome.zarr") as alone:
        assert alone.axes == "ZYX"
        assert alone.channel_colors == ("#0000ff",)


def test_zip_files_open_and_other_folders_are_left_to_others(tmp_path: Path) -> None:
    path = write_zarr(tmp_path / "a.ome.zarr", Stack(data=noise(20, 30), axes="YX"))
    with zipfile.ZipFile(tmp_path / "b.zarr.zip", "w") as file:
        for part in path.rglob("*"):
            if part.is_file():
                file.write(part, part.relative_to(path).as_posix())
    ((data, _, _),) = read_layers(str(tmp_path / "b.zarr.zip"))
    np.testing.assert_array_equal(np.asarray(data), noise(20, 30))
    assert get_reader(str(tmp_path)) is None
    # Whatever it is called.
    shutil.move(path, tmp_path / "scan")
    assert get_reader(str(tmp_path / "scan")) is not None


def test_the_manifest_sends_folders_here_and_saves_there(tmp_path: Path) -> None:
    import npe2

    import napari_srcnn

    manifest = npe2.PluginManifest.from_file(Path(napari_srcnn.__file__).with_name("napari.yaml"))
    plugins = npe2.PluginManager()
    plugins.register(manifest)
    path = write_zarr(tmp_path / "a.ome.zarr", Stack(data=noise(20, 30), axes="YX"))
    found = {reader.command for reader in plugins.iter_compatible_readers([str(path)])}
    assert found == {"napari-srcnn.get_reader"}
    for name, command in (
        ("b.ome.zarr", "napari-srcnn.write_zarr_image"),
        ("b.ome.tif", "napari-srcnn.write_image"),
        ("b", "napari-srcnn.write_image"),
    ):
        writer, _ = plugins.get_writer(str(tmp_path / name), ["image"])
        assert writer is not None
        assert writer.command == command


def test_of_very_many_images_the_first_are_opened_and_it_is_said(tmp_path: Path) -> None:
    path = tmp_path / "plate.zarr"
    group = zarr.create_group(path, attributes={"ome": {"bioformats2raw.layout": 3}})
    image = {
        "axes": [{"name": name, "type": "space"} for name in "yx"],
        "datasets": [
            {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1.0, 1.0]}]}
        ],
    }
    for n in range(40):
        one = group.create_group(str(n), attributes={"ome": {"multiscales": [image]}})
        one.create_array("0", shape=(4, 5), dtype="u1", chunks=(4, 5))
    with pytest.warns(UserWarning, match="of its 40 images the first 32 are open"):
        opened = read_layers(str(path))
    assert len(opened) == 32


def test_layers_that_do_not_fit_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    layer = layers.Image(noise(1, 1, 1, 1, 20, 30))
    data, attributes, _ = layer.as_layer_data_tuple()
    with pytest.raises(OSError, match="at most 5 axes"):
        write_zarr_image(tmp_path / "a.ome.zarr", data, attributes)
    assert list(tmp_path.iterdir()) == []
