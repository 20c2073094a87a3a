"""A result that is computed where it is looked at, in a real viewer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
from napari.layers._layer_actions import _duplicate_layer
from napari.settings import get_plugin_settings

import napari_srcnn
from napari_srcnn.image.rect import Tile
from napari_srcnn.upscaling.lazy import LazyResult
from napari_srcnn.widgets.shared import runner
from napari_srcnn.widgets.upscale.lazy_level import LazyLevel


def workers() -> list[threading.Thread]:
    """The threads that compute lazy results."""
    return [one for one in threading.enumerate() if one.name == "napari-srcnn work"]


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., Any]) -> Iterator[Any]:
    made = make_napari_viewer(show=True)  # napari chooses the level as it draws
    yield made
    made.layers.clear()  # as when its window is closed
    assert runner.wait(20), "a thread was left behind"


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Any:
    yield
    for thread in workers():
        thread.join(20)
    assert not workers()


@pytest.fixture
def everything_is_large(viewer: Any) -> None:
    get_plugin_settings("napari-srcnn").upscale.lazy_above = 0


class Long:
    """A stack of so many planes that its result never fits; a plane is made when it is read."""

    def __init__(self, data: np.ndarray, count: int) -> None:
        self._data, self.dtype = data, data.dtype
        self.shape = (count, *data.shape[1:])
        self.ndim, self.size = 3, count * data[0].size
        self.refuses = ""

    def __getitem__(self, key: Any) -> np.ndarray:
        if self.refuses:
            raise OSError(self.refuses)
        number, *rest = key if isinstance(key, tuple) else (key,)
        if isinstance(number, slice):
            number = np.array(range(self.shape[0])[number])
        return self._data[(number % len(self._data), *rest)]


def tiled(data: np.ndarray, count: int, side: int) -> da.Array:
    """A dask stack of large planes, each covered with one of `data`, brighter by its number."""

    def plane(block_info: Any = None) -> np.ndarray:
        number = block_info[None]["array-location"][0][0]
        copies = -(-side // data.shape[1])
        one = np.tile(data[number % len(data)], (copies, copies))[:side, :side]
        return np.asarray(one + data.dtype.type(number % 100))[None]

    chunks = ((1,) * count, (side,), (side,))
    return da.map_blocks(plane, chunks=chunks, dtype=data.dtype, meta=np.empty(0, data.dtype))


def shown(layer: Any) -> np.ndarray:
    """What napari draws of a layer."""
    return np.asarray(layer._slice.image.raw)


def is_seen(qtbot: Any, layer: Any, index: int, twin: LazyResult) -> None:
    """Wait until a slice is drawn as another result of the same image has it."""

    def is_there() -> bool:
        (y0, x0), (y1, x1) = layer.corner_pixels[:, -2:]
        area = Tile(y0=y0, y1=y1 + 1, x0=x0, x1=x1 + 1)
        return np.array_equal(shown(layer), twin.read(layer.data_level, (index,), area))

    qtbot.waitUntil(is_there, timeout=60_000)
    assert shown(layer).any()


def twin_of(layer: Any, data: Any) -> LazyResult:
    """A result that is like a layer's, and shares nothing with it."""
    return LazyResult(layer.data[0].lazy.request, [data])


def test_a_result_of_a_hundred_gigabytes_is_there_and_follows_the_slider(
    viewer: Any, dock: Callable[[], Any], qtbot: Any, pollen: np.ndarray
) -> None:
    stack = tiled(pollen, 2000, 2560)
    assert 4 * stack.nbytes > 100e9
    source = viewer.add_image(stack, contrast_limits=(0, 3000), scale=(3, 2, 2), name="long")
    widget = dock()
    widget.form.model.value = "srcnn-9-1-5-x2"  # which is told no noise: nothing is measured of it
    widget.form.intensity.value = "dtype"
    viewer.dims.set_current_step(0, 700)
    widget.upscale()
    result = viewer.layers[-1]
    assert "; computed as you look." in widget.summary.text()
    assert widget.message.text().startswith("Computed as you look")
    assert not widget.runner.job
    assert result.name == "long ×2"
    assert result.data[0].shape == (2000, 5120, 5120)
    np.testing.assert_allclose(result.scale, (3, 1, 1))
    np.testing.assert_allclose(result.translate, (0, -0.5, -0.5))
    assert result.contrast_limits == source.contrast_limits
    assert result.visible
    assert not source.visible
    viewer.scene.camera.center, viewer.scene.camera.zoom = (1000, 1000), 4
    qtbot.waitUntil(lambda: result.data_level == 0, timeout=20_000)
    twin = twin_of(result, stack)
    for index in (700, 1999, 3):
        viewer.dims.set_current_step(0, index)
        is_seen(qtbot, result, index, twin)
    viewer.layers.remove(result)
    assert source.visible


def test_it_equals_what_is_computed_at_once_and_is_saved_whole(
    viewer: Any,
    dock: Callable[[], Any],
    finish: Callable[[Any], None],
    brain: np.ndarray,
    tmp_path: Path,
    everything_is_large: None,
) -> None:
    whole = napari_srcnn.upscale(brain, 2, tile=64, device="cpu")
    viewer.add_image(brain, units=("um", "um", "um"), scale=(2, 0.5, 0.5), name="brain")
    widget = dock()
    widget.form.tile.setValue(64)
    widget.upscale()
    result = viewer.layers[-1]
    assert isinstance(result.data[0], LazyLevel)
    np.testing.assert_array_equal(np.asarray(result.data[0]), whole)
    np.testing.assert_array_equal(result.data[0][1:3, ..., 5:9], whole[1:3, :, 5:9])
    widget.save(tmp_path / "brain.ome.tif")
    finish(widget)
    assert widget.message.text().startswith("Saved brain.ome.tif")
    with napari_srcnn.read_stack(tmp_path / "brain.ome.tif") as saved:
        np.testing.assert_array_equal(saved[:], whole)
        assert saved.pixel_size == (2, 0.25, 0.25)
        made = saved.metadata["napari_srcnn"]
    assert made["model"] == widget.form.model.value
    assert len(made["intensity_ranges"]) == 1


def test_a_save_that_is_stopped_leaves_no_file(
    viewer: Any,
    dock: Callable[[], Any],
    finish: Callable[[Any], None],
    qtbot: Any,
    brain: np.ndarray,
    tmp_path: Path,
) -> None:
    viewer.add_image(Long(brain, 1_000_000), contrast_limits=(0, 900))
    widget = dock()
    widget.upscale()
    widget.save(tmp_path / "much.ome.tif")
    qtbot.waitUntil(lambda: " left" in widget.left.text(), timeout=60_000)
    widget.cancel()
    finish(widget)
    assert not list(tmp_path.iterdir())


def test_a_save_as_ome_zarr_that_is_stopped_is_gone_on_with(
    viewer: Any,
    dock: Callable[[], Any],
    finish: Callable[[Any], None],
    qtbot: Any,
    brain: np.ndarray,
    tmp_path: Path,
    everything_is_large: None,
) -> None:
    many = np.concatenate([brain] * 40)  # four shards of 64 planes at most
    viewer.add_image(many, units=("um",) * 3, scale=(2, 0.5, 0.5), name="brain")
    widget = dock()
    widget.form.tile.setValue(64)
    widget.upscale()
    target = tmp_path / "brain.ome.zarr"
    widget.save(target)
    qtbot.waitUntil(lambda: " left" in widget.left.text(), timeout=60_000)
    widget.cancel()
    finish(widget)
    assert "brain.ome.zarr keeps what is done" in widget.message.text()
    with pytest.raises(ValueError, match="brain"):
        napari_srcnn.read_stack(target)
    begun = {path: path.stat().st_mtime_ns for path in target.rglob("c/*/*/*")}
    assert begun
    widget.save(target)
    finish(widget)
    assert widget.message.text().startswith("Saved brain.ome.zarr")
    assert all(path.stat().st_mtime_ns == when for path, when in begun.items())
    with napari_srcnn.read_stack(target) as saved:
        whole = napari_srcnn.upscale(many, 2, tile=64, device="cpu")
        np.testing.assert_array_equal(saved[:], whole)
        assert saved.pixel_size == (2, 0.25, 0.25)


def test_a_finished_result_is_saved_as_ome_zarr_too(
    viewer: Any,
    dock: Callable[[], Any],
    finish: Callable[[Any], None],
    brain: np.ndarray,
    tmp_path: Path,
) -> None:
    viewer.add_image(brain, name="brain", scale=(2, 0.5, 0.5))
    widget = dock()
    widget.upscale()
    finish(widget)
    widget.save(tmp_path / "brain.ome.zarr")
    finish(widget)
    assert widget.message.text().startswith("Saved brain.ome.zarr")
    with napari_srcnn.read_stack(tmp_path / "brain.ome.zarr") as saved:
        np.testing.assert_array_equal(saved[:], np.asarray(viewer.layers[-1].data))


def test_a_multiscale_image_gives_a_multiscale_result(
    viewer: Any, dock: Callable[[], Any], qtbot: Any, brain: np.ndarray
) -> None:
    levels = [brain, brain[:, ::2, ::2], brain[:, ::4, ::4]]
    layer = viewer.add_image(levels, multiscale=True, contrast_limits=(0, 900))
    widget = dock()
    widget.form.tile.setValue(64)
    widget.upscale()
    result = viewer.layers[-1]
    assert result.multiscale
    assert [level.shape for level in result.data] == [(5, 80, 112), *(x.shape for x in levels)]
    whole = napari_srcnn.upscale(brain, scale=2, tile=64, device="cpu")
    at = viewer.dims.current_step[0]
    viewer.reset_view()  # all of it is on screen
    qtbot.waitUntil(lambda: np.array_equal(shown(result), whole[at]), timeout=60_000)
    np.testing.assert_allclose(
        result._extent_world_augmented, layer._extent_world_augmented, atol=1e-9
    )


def test_a_plane_without_slices_gets_its_picture_and_its_thumbnail(
    viewer: Any, dock: Callable[[], Any], qtbot: Any, brain: np.ndarray, everything_is_large: None
) -> None:
    viewer.add_image(brain[2], contrast_limits=(0, 900))
    widget = dock()
    widget.form.tile.setValue(64)
    widget.upscale()
    result = viewer.layers[-1]
    whole = napari_srcnn.upscale(brain[2], scale=2, tile=64, device="cpu")
    viewer.reset_view()
    qtbot.waitUntil(lambda: np.array_equal(shown(result), whole), timeout=60_000)
    qtbot.waitUntil(lambda: result.thumbnail[..., :3].any(), timeout=20_000)


def test_colours_transposed_axes_and_volumes_are_drawn(
    viewer: Any, dock: Callable[[], Any], qtbot: Any, brain: np.ndarray, everything_is_large: None
) -> None:
    viewer.add_image(brain, contrast_limits=(0, 900), name="brain")
    widget = dock()
    widget.form.tile.setValue(64)
    widget.upscale()
    result = viewer.layers[-1]
    whole = napari_srcnn.upscale(brain, scale=2, tile=64, device="cpu")
    viewer.dims.order = (1, 0, 2)
    viewer.dims.set_current_step(1, 31)
    qtbot.waitUntil(lambda: np.array_equal(shown(result), whole[:, 31]), timeout=60_000)
    viewer.dims.order = (0, 1, 2)
    viewer.dims.ndisplay = 3
    qtbot.waitUntil(lambda: np.array_equal(shown(result), brain), timeout=60_000)
    viewer.dims.ndisplay = 2
    qtbot.waitUntil(lambda: shown(result).shape == (80, 112), timeout=60_000)


COLOURS = {"rgb": True, "multiscale": True, "contrast_limits": (0, 255)}
KINDS = [
    ([(3, 40, 60, 3), (3, 20, 30, 3)], np.uint8, COLOURS),
    ([(8, 40, 60), (4, 20, 30)], np.uint16, {"multiscale": True, "contrast_limits": (0, 255)}),
    ([(2, 2, 3, 30, 40)], np.float32, {"axis_labels": "tczyx", "contrast_limits": (0, 255)}),
]


@pytest.mark.parametrize(("shapes", "dtype", "looks"), KINDS)
def test_colours_pyramids_and_channels_are_as_in_a_whole_result(
    shapes: list[tuple[int, ...]],
    dtype: Any,
    looks: dict[str, Any],
    viewer: Any,
    dock: Callable[[], Any],
    qtbot: Any,
    everything_is_large: None,
) -> None:
    random = np.random.default_rng(0)
    levels = [random.integers(0, 255, shape).astype(dtype) for shape in shapes]
    viewer.add_image(levels if len(levels) > 1 else levels[0], **looks)
    widget = dock()
    widget.form.tile.setValue(64)
    widget.upscale()
    result = viewer.layers[-1]
    viewer.reset_view()
    request = result.data[0].lazy.request
    whole = napari_srcnn.upscale(
        levels[0], axes=request.axes.replace("Q", "Z"), model=request.model_name, tile=64
    )
    at = viewer.dims.current_step[:-2]
    qtbot.waitUntil(lambda: np.array_equal(shown(result), whole[at]), timeout=60_000)


def test_a_volume_that_is_too_large_is_not_drawn_and_that_is_said(
    viewer: Any, dock: Callable[[], Any], qtbot: Any, notes: list[str], brain: np.ndarray
) -> None:
    viewer.add_image(Long(brain, 1_000_000), contrast_limits=(0, 900), name="long")
    widget = dock()
    widget.upscale()
    result = viewer.layers[-1]
    viewer.dims.ndisplay = 3
    assert shown(result).shape == (1, 1, 1)
    assert "long ×2 is too large to be shown in 3-D; go back to 2-D." in notes
    viewer.dims.ndisplay = 2
    viewer.reset_view()
    qtbot.waitUntil(lambda: shown(result).shape == (80, 112), timeout=20_000)


def test_a_source_that_cannot_be_read_is_said_once(
    viewer: Any, dock: Callable[[], Any], qtbot: Any, notes: list[str], brain: np.ndarray
) -> None:
    stack = Long(brain, 1_000_000)
    viewer.add_image(stack, contrast_limits=(0, 900), name="far")
    widget = dock()
    stack.refuses = "the drive is gone"
    widget.upscale()
    said = "far ×2: The image cannot be read on: the drive is gone"
    qtbot.waitUntil(lambda: said in notes, timeout=60_000)
    for index in (5, 6, 7):
        viewer.dims.set_current_step(0, index)
        qtbot.wait(100)
    assert notes.count(said) == 1
    stack.refuses = ""


def test_many_moves_of_the_slider_and_a_deleted_layer_leave_nothing_at_work(
    viewer: Any, dock: Callable[[], Any], qtbot: Any, pollen: np.ndarray
) -> None:
    viewer.add_image(Long(pollen, 1_400_000), contrast_limits=(0, 3000), name="long")
    widget = dock()
    widget.upscale()
    result = viewer.layers[-1]
    moves = np.random.default_rng(0).integers(0, 1_400_000, 30)
    for index in moves:
        viewer.dims.set_current_step(0, int(index))
        qtbot.wait(5)
    assert len(workers()) == 1
    viewer.layers.remove(result)
    qtbot.waitUntil(lambda: not workers(), timeout=20_000)
    assert not widget.results.layers or result not in viewer.layers


def test_a_copy_of_the_layer_shows_the_same_pixels_and_outlives_it(
    viewer: Any, dock: Callable[[], Any], qtbot: Any, brain: np.ndarray, everything_is_large: None
) -> None:
    viewer.add_image(brain, contrast_limits=(0, 900), name="brain")
    dock().upscale()
    result = viewer.layers[-1]
    viewer.layers.selection = {result}
    _duplicate_layer(viewer.layers)
    copy = next(layer for layer in viewer.layers if "copy" in layer.name)
    assert copy.data[0].shape == (5, 80, 112)
    np.testing.assert_array_equal(copy.data[0][2], result.data[0][2])
    viewer.layers.remove(result)
    viewer.dims.set_current_step(0, 4)
    copy.visible = True
    is_seen(qtbot, copy, 4, twin_of(copy, brain))


def test_more_than_the_memory_holds_is_refused_with_a_sentence(
    viewer: Any, dock: Callable[[], Any], brain: np.ndarray
) -> None:
    viewer.add_image(Long(brain, 90_000_000), contrast_limits=(0, 900))
    dock().upscale()
    with pytest.raises(ValueError, match=r"^These pixels have .* take fewer slices"):
        np.asarray(viewer.layers[-1].data[0])


def test_the_layer_goes_on_when_its_window_is_closed(
    viewer: Any, dock: Callable[[], Any], qtbot: Any, brain: np.ndarray, everything_is_large: None
) -> None:
    viewer.add_image(brain, contrast_limits=(0, 900), name="brain")
    widget = dock()
    widget.form.tile.setValue(64)
    widget.upscale()
    result = viewer.layers[-1]
    viewer.window.remove_dock_widget(widget)
    viewer.dims.set_current_step(0, 4)
    is_seen(qtbot, result, 4, twin_of(result, brain))


def test_napari_slices_it_beside_the_window_where_that_is_chosen(
    viewer: Any, dock: Callable[[], Any], qtbot: Any, brain: np.ndarray, everything_is_large: None
) -> None:
    viewer._layer_slicer._force_sync = False  # as by Preferences > Experimental
    viewer.add_image(brain, contrast_limits=(0, 900), name="brain")
    widget = dock()
    widget.form.tile.setValue(64)
    widget.upscale()
    result = viewer.layers[-1]
    viewer.dims.set_current_step(0, 1)
    viewer.dims.set_current_step(0, 3)
    is_seen(qtbot, result, 3, twin_of(result, brain))
