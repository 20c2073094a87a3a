from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from napari_srcnn.io import OmeTiffWriter, read_stack
from napari_srcnn.io.napari_hooks import get_reader, read_layers, write_image

layers = pytest.importorskip("napari.layers", reason="needs napari")


def noise(*shape: int, dtype: str = "uint16") -> NDArray[Any]:
    return (np.random.default_rng(0).random(shape) * 200).astype(dtype)


def saved_and_opened(layer: Any, path: Path) -> Any:
    """Save a layer as napari does and open the file as napari does."""
    data, attributes, _ = layer.as_layer_data_tuple()
    assert write_image(str(path), data, attributes) == [str(path)]
    reader = get_reader(str(path))
    assert reader is not None
    ((data, attributes, kind),) = reader(str(path))
    assert kind == "image"
    return layers.Image(data, **attributes)


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
    again = saved_and_opened(layer, tmp_path / "kept.ome.tif")
    assert again.name == "kept"
    np.testing.assert_array_equal(np.asarray(again.data), layer.data)
    np.testing.assert_allclose(again.extent.world, layer.extent.world, rtol=1e-12)
    for name in ("scale", "translate", "shear", "contrast_limits", "gamma", "blending"):
        assert np.array_equal(getattr(again, name), getattr(layer, name)), name
    assert again.units == layer.units
    assert again.axis_labels == layer.axis_labels
    np.testing.assert_array_equal(again.affine.affine_matrix, layer.affine.affine_matrix)
    assert again.colormap.name == "viridis"
    assert again.metadata["napari_srcnn"] == {"model": "m", "range": 2.0}


@pytest.mark.parametrize(
    ("data", "options", "dtype"),
    [
        (noise(4, 5, 20, 30), {}, "uint16"),
        (noise(5, 20, 30, dtype="int64"), {}, "int32"),
        (noise(5, 20, 30, dtype="uint64"), {}, "int32"),
        (noise(20, 30) > 100, {}, "uint8"),
        (noise(20, 30, 3, dtype="uint8"), {"rgb": True}, "uint8"),
        (noise(5, 20, 30, 4, dtype="uint8"), {"rgb": True}, "uint8"),
        (noise(20, 30, 3), {"rgb": True}, "uint16"),
        (noise(20, 30, 3, dtype="float16") / 200, {"rgb": True}, "float32"),
        (noise(20, 30).astype(">f4"), {}, "float32"),
    ],
    ids=lambda value: f"{value.dtype}{value.shape}" if isinstance(value, np.ndarray) else None,
)
def test_layers_of_any_kind_come_back_with_their_values(
    tmp_path: Path, data: NDArray[Any], options: dict[str, Any], dtype: str
) -> None:
    layer = layers.Image(data, **options)
    again = saved_and_opened(layer, tmp_path / "a.ome.tif")
    np.testing.assert_array_equal(np.asarray(again.data), data)
    assert again.data.dtype == dtype
    assert again.rgb == layer.rgb
    assert again.axis_labels == layer.axis_labels
    assert again.units == layer.units


def test_a_multiscale_layer_is_saved_at_full_resolution(tmp_path: Path) -> None:
    image = noise(3, 40, 60)
    layer = layers.Image([image, image[:, ::2, ::2]], multiscale=True, scale=(2, 0.5, 0.5))
    again = saved_and_opened(layer, tmp_path / "a.ome.tif")
    np.testing.assert_array_equal(np.asarray(again.data), image)
    assert again.scale.tolist() == [2, 0.5, 0.5]


def test_a_layer_with_a_channel_axis_comes_back_as_one_layer(tmp_path: Path) -> None:
    layer = layers.Image(noise(2, 20, 30), axis_labels=("channel", "y", "x"))
    again = saved_and_opened(layer, tmp_path / "a.ome.tif")
    assert again.data.shape == (2, 20, 30)
    assert again.axis_labels == ("channel", "y", "x")
    with read_stack(tmp_path / "a.ome.tif") as stack:
        assert stack.axes == "CYX"


def test_channels_open_as_layers_with_their_names_and_colours(tmp_path: Path) -> None:
    image = noise(3, 2, 20, 30)
    path = tmp_path / "cells.ome.tif"
    tifffile.imwrite(
        path,
        image,
        photometric="minisblack",
        metadata={
            "axes": "ZCYX",
            "PhysicalSizeX": 0.1,
            "PhysicalSizeY": 0.1,
            "PhysicalSizeZ": 2.0,
            "Channel": {"Name": ["DAPI", "GFP"], "Color": [65535, 16711935]},
            "Plane": {"DeltaT": [float(n) for n in range(6)]},
        },
    )
    opened = [layers.Image(data, **options) for data, options, _ in read_layers(str(path))]
    assert [layer.name for layer in opened] == ["cells DAPI", "cells GFP"]
    for n, layer in enumerate(opened):
        np.testing.assert_array_equal(np.asarray(layer.data), image[:, n])
        assert layer.scale.tolist() == [2.0, 0.1, 0.1]
        assert layer.axis_labels == ("z", "y", "x")
        assert {str(unit) for unit in layer.units} == {"micrometer"}
        assert layer.metadata["delta_t"] == [0.0 + n, 2.0 + n, 4.0 + n]
    np.testing.assert_array_equal(opened[0].colormap.colors[-1], [0, 0, 1, 1])
    np.testing.assert_array_equal(opened[1].colormap.colors[-1], [0, 1, 0, 1])
    # One of them, saved alone, is that channel still.
    data, attributes, _ = opened[1].as_layer_data_tuple()
    write_image(tmp_path / "gfp.ome.tif", data, attributes)
    with read_stack(tmp_path / "gfp.ome.tif") as stack:
        assert stack.axes == "ZYX"
        assert stack.channel_names == ("GFP",)
        assert stack.channel_colors == ("#00ff00",)
        assert stack.metadata["delta_t"] == [1.0, 3.0, 5.0]


def test_the_imagej_composite_in_rgb_opens_as_channels(tmp_path: Path) -> None:
    # As ImageJ saves its sample image HeLa Cells: a composite whose pixels are RGB48.
    path = tmp_path / "hela_3ch_rgb48.tif"
    tifffile.imwrite(
        path,
        noise(40, 50, 3),
        photometric="rgb",
        resolution=(19.420064, 19.420064),
        resolutionunit="NONE",
        description="ImageJ=1.54f\nchannels=3\nmode=composite\nunit=\\u00B5m\nloop=false\n",
        metadata=None,
    )
    opened = [layers.Image(data, **options) for data, options, _ in read_layers(str(path))]
    assert [layer.colormap.name for layer in opened] == ["red", "green", "blue"]
    assert [layer.rgb for layer in opened] == [False] * 3
    np.testing.assert_array_equal(
        np.stack([np.asarray(layer.data) for layer in opened], -1), tifffile.imread(path)
    )
    assert all(layer.scale == pytest.approx(0.0515, rel=1e-3) for layer in opened)


def test_opening_reads_no_plane_before_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", noise(50, 20, 30), photometric="minisblack")
    read: list[int] = []
    plane = "napari_srcnn.io.tiff_array.TiffArray._region"
    original = read_stack(tmp_path / "a.tif").data.__class__._region
    monkeypatch.setattr(
        plane, lambda self, number, *box: read.append(number) or original(self, number, *box)
    )
    ((data, _, _),) = read_layers(str(tmp_path / "a.tif"))
    assert not read
    np.asarray(data[7])
    assert read == [7]


@pytest.mark.parametrize("path", ["a.png", "folder", ["a.tif", "b.tif"]], ids=str)
def test_what_is_not_one_image_file_is_left_to_other_readers(path: Any) -> None:
    assert get_reader(path) is None


@pytest.mark.parametrize("path", ["a.tif", "A.TIFF", "a.ome.tif", "a.OME.TIF", "a.btf"])
def test_tiffs_are_read_whatever_their_case(path: str) -> None:
    assert get_reader(path) is read_layers


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (noise(1, 1, 2, 2, 3, 4), "split the stack along one of them"),
        (np.full((3, 4), 2**40), "do not fit 32 bits"),
        (noise(3, 4).astype(complex), "no pixels of type complex128"),
    ],
    ids=["six axes", "large integers", "complex"],
)
def test_layers_that_do_not_fit_are_refused(
    tmp_path: Path, data: NDArray[Any], message: str
) -> None:
    with pytest.raises(OSError, match=message):
        write_image(tmp_path / "a.ome.tif", data, {})
    assert not list(tmp_path.iterdir())


def ground(layer: Any) -> NDArray[Any]:
    height, width = layer.data.shape[-2:]
    corners = ((-0.5, -0.5), (height - 0.5, width - 0.5))
    return np.array([layer.data_to_world((*[0] * (layer.ndim - 2), *at)) for at in corners])


def enlarged_file(source: Path, target: Path, scale: int) -> None:
    """Write what `napari-srcnn upscale` writes, with pixels that are repeated."""
    with read_stack(source) as stack:
        leading = len(stack.axes.removesuffix("S")) - 2
        grow = np.ones((scale, scale, *[1] * stack.axes.endswith("S")), stack.dtype)
        shape = list(stack.shape)
        shape[leading] *= scale
        shape[leading + 1] *= scale
        with OmeTiffWriter(target, shape, stack.dtype, **stack.upscaled(scale)) as writer:
            for index in np.ndindex(*shape[:leading]):
                writer[index] = np.kron(stack[index], grow)


@pytest.mark.parametrize("scale", [(0.5, 0.5), (-0.5, 0.5), (0.5, -0.5)], ids=str)
@pytest.mark.parametrize("turn", [{}, {"rotate": 30}, {"shear": [0.3]}], ids=str)
def test_the_enlarged_file_of_a_mirrored_layer_covers_the_same_ground(
    tmp_path: Path, scale: tuple[float, float], turn: dict[str, Any]
) -> None:
    layer = layers.Image(noise(40, 48), scale=scale, translate=(2, 3), units=("um", "um"), **turn)
    data, attributes, _ = layer.as_layer_data_tuple()
    write_image(tmp_path / "x.ome.tif", data, attributes)
    enlarged_file(tmp_path / "x.ome.tif", tmp_path / "x2.ome.tif", 2)
    ((data, attributes, _),) = read_layers(str(tmp_path / "x2.ome.tif"))
    np.testing.assert_allclose(ground(layers.Image(np.asarray(data), **attributes)), ground(layer))


@pytest.mark.parametrize(
    ("shape", "axes"), [((20, 30), "YX"), ((3, 20, 30), "ZYX"), ((2, 3, 20, 30), "CZYX")]
)
def test_the_enlarged_file_of_a_file_at_the_origin_covers_the_same_ground(
    tmp_path: Path, shape: tuple[int, ...], axes: str
) -> None:
    tifffile.imwrite(
        tmp_path / "x.ome.tif",
        noise(*shape),
        photometric="minisblack",
        metadata={"axes": axes, "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.25},
    )
    enlarged_file(tmp_path / "x.ome.tif", tmp_path / "x2.ome.tif", 2)
    opened = [
        [layers.Image(np.asarray(data), **options) for data, options, _ in read_layers(str(path))]
        for path in (tmp_path / "x.ome.tif", tmp_path / "x2.ome.tif")
    ]
    assert len(opened[0]) == len(opened[1])
    for before, after in zip(*opened, strict=True):
        np.testing.assert_allclose(ground(after), ground(before))


def test_two_stains_in_colour_open_as_two_colour_layers(tmp_path: Path) -> None:
    pixels = noise(2, 40, 48, 3, dtype="uint8")
    tifffile.imwrite(
        tmp_path / "stains.ome.tif",
        pixels,
        photometric="rgb",
        metadata={"axes": "CYXS", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5},
    )
    opened = read_layers(str(tmp_path / "stains.ome.tif"))
    for (data, options, _), own in zip(opened, pixels, strict=True):
        layer = layers.Image(data, **options)
        assert layer.rgb
        assert layer.scale.tolist() == [0.5, 0.5]
        np.testing.assert_array_equal(np.asarray(layer.data), own)


def test_a_layer_whose_axis_is_labelled_channels_is_saved_with_channels(tmp_path: Path) -> None:
    layer = layers.Image(noise(2, 20, 30), axis_labels=("channels", "y", "x"))
    data, attributes, _ = layer.as_layer_data_tuple()
    write_image(tmp_path / "a.ome.tif", data, attributes)
    with read_stack(tmp_path / "a.ome.tif") as stack:
        assert stack.axes == "CYX"


def test_each_image_of_a_file_opens_as_a_layer_of_its_name(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "in.ome.tif", ome=True) as tif:
        for n in range(3):
            tif.write(noise(2, 24, 32) + n, metadata={"axes": "ZYX", "Name": f"pos{n}"})
    opened = read_layers(str(tmp_path / "in.ome.tif"))
    assert [options["name"] for _, options, _ in opened] == ["in pos0", "in pos1", "in pos2"]
    for n, (data, _, _) in enumerate(opened):
        np.testing.assert_array_equal(np.asarray(data), noise(2, 24, 32) + n)


def test_what_of_a_file_is_in_no_layer_is_said(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "in.tif") as tif:
        for size, kind in ((8, 1), (24, 0)):
            tif.write(noise(size, size), subfiletype=kind, metadata=None, contiguous=False)
    with pytest.warns(UserWarning, match=r"in.tif: 1 smaller image beside .* is left out"):
        assert len(read_layers(str(tmp_path / "in.tif"))) == 1


def test_an_image_whose_smallest_value_is_white_is_shown_so(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "in.tif", noise(24, 32), photometric="miniswhite")
    ((data, options, _),) = read_layers(str(tmp_path / "in.tif"))
    assert options["colormap"] == "gray_r"
    write_image(tmp_path / "again.ome.tif", data, options)
    ((data, options, _),) = read_layers(str(tmp_path / "again.ome.tif"))
    assert options["colormap"] == "gray_r"
    with tifffile.TiffFile(tmp_path / "again.ome.tif") as tif:
        assert tif.pages.first.photometric == tifffile.PHOTOMETRIC.MINISWHITE


def test_a_layer_comes_back_cut_and_drawn_as_it_was(tmp_path: Path) -> None:
    layer = layers.Image(
        noise(6, 20, 30),
        depiction="plane",
        plane={"position": (3, 10, 12), "normal": (0, 1, 0), "thickness": 2},
        experimental_clipping_planes=[{"position": (1, 4, 8), "normal": (0, 0, 1)}],
        rendering="attenuated_mip",
        attenuation=0.2,
        interpolation2d="cubic",
        projection_mode="max",
        visible=False,
    )
    again = saved_and_opened(layer, tmp_path / "cut.ome.tif")
    for name in (
        *("depiction", "rendering", "attenuation", "interpolation2d", "visible"),
        *("plane", "experimental_clipping_planes", "projection_mode"),
    ):
        assert getattr(again, name) == getattr(layer, name), name
    enlarged_file(tmp_path / "cut.ome.tif", tmp_path / "cut2.ome.tif", 2)
    ((data, attributes, _),) = read_layers(str(tmp_path / "cut2.ome.tif"))
    larger = layers.Image(data, **attributes)
    assert larger.depiction == "plane"
    assert larger.plane.position == (3, 20.5, 24.5)
    (clipping,) = larger.experimental_clipping_planes
    assert clipping.position == (1, 8.5, 16.5)
    assert clipping.normal == (0, 0, 1)
    # The same point of the world.
    np.testing.assert_allclose(
        larger.data_to_world(larger.plane.position), layer.data_to_world(layer.plane.position)
    )
