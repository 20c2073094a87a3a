"""Ranges: measured once on a part, undone exactly, cast within a dtype's limits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_srcnn.image.intensity import (
    SAMPLE_SIZE,
    IntensityRange,
    cast,
    dtype_range,
    measure_range,
    robust_range,
    sample,
)

DTYPES = [f"{kind}{bits}" for kind in ("uint", "int") for bits in (8, 16, 32, 64)]
DTYPES += ["float16", "float32", "float64"]


class CountingStack:
    """An array whose reader sees how many pixels were asked for; no file is behind it."""

    def __init__(self, shape: tuple[int, ...], *, channel_step: int = 0) -> None:
        self.shape, self.dtype, self.ndim = shape, np.dtype("uint16"), len(shape)
        self.read, self.slices = 0, set[Any]()
        self._channel_step = channel_step

    def __getitem__(self, key: Any) -> NDArray[np.uint16]:
        index = tuple(part for part in key if isinstance(part, int))
        rows = np.arange(self.shape[len(index)], dtype=np.uint16)[key[len(index)]]
        block = np.broadcast_to(rows[:, None], (len(rows), self.shape[-1]))
        self.read += block.size
        self.slices.add(index)
        return block + np.uint16(self._channel_step * (index[0] if index else 0))


@pytest.mark.parametrize("window", [(0.0, 1.0), (0.2, 0.6), (-1.0, 3.0)])
@pytest.mark.parametrize(("low", "high"), [(0, 255), (-1024, 3071), (1e-6, 2e-6), (1e9, 1e9 + 7)])
def test_restoring_undoes_normalizing(low: float, high: float, window: tuple[float, float]) -> None:
    intensity = IntensityRange(low, high, window)
    values = np.linspace(low - 3 * (high - low), high + 3 * (high - low), 1001)
    restored = intensity.restore(intensity.normalize(values))
    scale = max(abs(low), abs(high))
    assert np.abs(restored - values).max() <= 8 * np.finfo(float).eps * 4 * scale
    ends = intensity.normalize(np.array([low, high]))
    assert ends == pytest.approx(window, abs=1e-7)


def test_gain_and_offset_say_what_normalizing_does() -> None:
    intensity = IntensityRange(100, 4100, (0.2, 0.6))
    values = np.array([0.0, 100, 4100, 70000])
    assert values * intensity.gain + intensity.offset == pytest.approx(intensity.normalize(values))
    assert intensity.gain * intensity.inverse_gain == pytest.approx(1)


def test_values_outside_of_the_range_are_kept_not_clipped() -> None:
    intensity = IntensityRange(0, 10)
    assert intensity.normalize(np.array([-10, 30])) == pytest.approx([-1, 3])


def test_a_constant_image_has_no_detail_and_comes_back() -> None:
    intensity = IntensityRange(7, 7, (0.2, 0.6))
    assert intensity.gain == intensity.inverse_gain == 0
    assert intensity.offset == 0.2
    assert intensity.normalize(np.array([7, 9])) == pytest.approx([0.2, 0.2])
    assert intensity.restore(np.array([0.2, 0.9])) == pytest.approx([7, 7])


@pytest.mark.parametrize(("low", "high"), [(0.0, 5e-324), (-1.7e308, 1.7e308)])
def test_a_range_that_no_gain_can_map_is_taken_as_constant(low: float, high: float) -> None:
    intensity = IntensityRange(low, high, (0.2, 0.6))
    assert intensity.gain == intensity.inverse_gain == 0


@pytest.mark.parametrize(
    ("low", "high", "window"),
    [
        (1, 0, (0, 1)),
        (math.nan, 1, (0, 1)),
        (0, math.inf, (0, 1)),
        (0, 1, (1, 1)),
        (0, 1, (1, 0)),
        (0, 1, (math.nan, 1)),
        (0, 1, (0, 1, 2)),
    ],
)
def test_a_range_needs_finite_numbers_in_order(low: float, high: float, window: Any) -> None:
    with pytest.raises(ValueError, match="the lower one first"):
        IntensityRange(low, high, window)


# -- measuring -------------------------------------------------------------------------------------


def test_the_range_is_the_percentiles_of_all_of_a_small_stack() -> None:
    stack = np.random.default_rng(0).normal(1000, 100, (3, 40, 50))
    intensity = measure_range(stack, (3,), window=(0.2, 0.6))
    assert (intensity.low, intensity.high) == pytest.approx(np.percentile(stack, [0.1, 99.9]))
    assert intensity.window == (0.2, 0.6)


def test_a_few_hot_and_dead_pixels_do_not_move_the_range() -> None:
    stack = np.random.default_rng(1).integers(100, 1000, (100, 100), dtype=np.uint16)
    clean = measure_range(stack, ())
    stack.flat[:3], stack.flat[-3:] = 65535, 0
    spoiled = measure_range(stack, ())
    assert abs(spoiled.high - clean.high) < 5
    assert abs(spoiled.low - clean.low) < 5


def test_bright_spots_on_nothing_still_have_a_range() -> None:
    stack = np.zeros((200, 200), np.uint16)
    stack[7, 9] = 4095
    intensity = measure_range(stack, ())
    assert (intensity.low, intensity.high) == (0, 4095)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_constant_stack_of_any_dtype_has_a_range_of_one_value(dtype: str) -> None:
    intensity = measure_range(np.full((2, 5, 6), 7, dtype), (2,))
    assert (intensity.low, intensity.high) == (7, 7)


def test_values_that_are_not_finite_are_left_out() -> None:
    stack = np.linspace(-1, 1, 10_000, dtype=np.float32).reshape(100, 100)
    stack[0, :50], stack[1, 0], stack[1, 1] = np.nan, np.inf, -np.inf
    intensity = measure_range(stack, ())
    assert -1 <= intensity.low < -0.97
    assert 0.99 < intensity.high <= 1
    nothing = measure_range(np.full((4, 4), np.nan), ())
    assert (nothing.low, nothing.high) == (0, 0)


@pytest.mark.parametrize("dtype", [">u2", ">i2", ">f4"])
def test_other_byte_orders_measure_the_same(dtype: str) -> None:
    stack = np.arange(2000).reshape(40, 50)
    assert measure_range(stack.astype(dtype), ()) == measure_range(stack.astype(float), ())


def test_large_integers_do_not_overflow() -> None:
    stack = np.array([[0, 2**64 - 1]] * 4, np.uint64)
    assert measure_range(stack, ()).high == pytest.approx(2.0**64)
    small = np.array([[-(2**63), 2**63 - 1]] * 4)
    assert measure_range(small, ()).low == -(2.0**63)


@pytest.mark.parametrize("shape", [(4, 5000, 5000), (3000, 64, 64), (20_000, 20_000)])
def test_only_a_bounded_part_of_a_large_stack_is_read(shape: tuple[int, ...]) -> None:
    stack = CountingStack(shape)
    values = sample(stack, shape[:-2])
    assert values.size <= 4 * SAMPLE_SIZE
    assert stack.read < math.prod(shape) / 3
    if len(shape) == 3:
        # From the first to the last slice, not only at the beginning.
        assert {(0,), (shape[0] - 1,)} <= stack.slices
    assert np.array_equal(values, sample(CountingStack(shape), shape[:-2]))


def test_a_bounded_part_measures_nearly_what_the_whole_does() -> None:
    shape = (5000, 5000)
    intensity = measure_range(CountingStack(shape), ())
    assert intensity.low == pytest.approx(5, abs=5)
    assert intensity.high == pytest.approx(4994, abs=5)


def test_a_channel_is_measured_by_itself() -> None:
    shape = (3, 4, 50, 60)
    for channel in range(3):
        stack = CountingStack(shape, channel_step=1000)
        intensity = measure_range(stack, (3, 4), channel=(0, channel))
        assert intensity.low == pytest.approx(channel * 1000, abs=1)
        assert {index[0] for index in stack.slices} == {channel}


# -- casting ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DTYPES)
def test_casting_rounds_clips_and_counts_at_every_dtypes_limits(name: str) -> None:
    dtype = np.dtype(name)
    if dtype.kind == "f":
        values = np.array([-1e300, -1.25, 0, 2.5, 1e300])
        if name == "float64":
            expected, clipped = values, 0
        else:
            limit = float(np.finfo(dtype).max)
            expected, clipped = np.array([-limit, -1.25, 0, 2.5, limit]), 2
    else:
        info = np.iinfo(dtype)
        values = np.array([-1e300, info.min, 0.5, 1.5, 2.4999, 100, 1e300])
        # The largest float that is no more than the limit, which is the limit itself up to 32 bits.
        top = int(info.max) if info.bits < 64 else int(np.nextafter(float(info.max), 0))
        expected, clipped = np.array([info.min, info.min, 0, 2, 2, 100, top], dtype), 2
    result, counted = cast(values, dtype)
    assert result.dtype == dtype
    assert np.array_equal(result, expected.astype(dtype))
    assert counted == clipped


def test_casting_keeps_nan_in_floats_and_counts_it_nowhere() -> None:
    values, clipped = cast(np.array([np.nan, 1e39, -1.0]), np.dtype("float32"))
    assert np.isnan(values[0])
    assert clipped == 1


def test_the_range_of_a_dtype_is_its_limits_or_0_to_1() -> None:
    assert dtype_range(np.dtype("uint8")) == (0, 255)
    assert dtype_range(np.dtype(">i2")) == (-32768, 32767)
    assert dtype_range(np.dtype("float32")) == (0, 1)


# -- what is no part of the image ------------------------------------------------------------------


@pytest.mark.parametrize("fill", [np.nan, np.inf, -3.4028235e38, 3.4028235e38])
def test_what_is_not_known_is_no_part_of_the_range(fill: float) -> None:
    image = np.random.default_rng(0).uniform(10, 20, (200, 200)).astype(np.float32)
    image[:50] = fill
    found = measure_range(image, ())
    assert (found.low, found.high) == pytest.approx((10, 20), abs=0.1)


def test_a_range_is_that_of_what_a_mask_leaves() -> None:
    image = np.zeros((1000, 1000))
    image[480:520, 480:520] = np.random.default_rng(0).uniform(500, 1000, (40, 40))
    found = measure_range(image, ())
    assert (found.low, found.high) == pytest.approx((0, 1000), abs=2)


def test_a_stack_of_which_most_planes_are_empty_has_the_range_of_the_others() -> None:
    stack = np.zeros((200, 50, 60), np.uint16)
    stack[3:9] = np.random.default_rng(0).integers(100, 4000, (6, 50, 60))
    found = measure_range(stack, (200,))
    assert (found.low, found.high) == pytest.approx((0, 4000), abs=20)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", ">u2"])
@pytest.mark.parametrize("kind", ["even", "few", "mostly one", "one"])
def test_counted_values_have_the_range_of_values_that_are_sorted(dtype: str, kind: str) -> None:
    rng = np.random.default_rng(3)
    limits = np.iinfo(dtype)
    for size in (1, 2, 7, 1000, 1999):
        values = rng.integers(limits.min, limits.max, size, endpoint=True)
        if kind == "few":
            values = rng.integers(3, 6, size)
        elif kind != "even":
            values = np.where(rng.random(size) < (0.95 if kind == "mostly one" else 1), 7, values)
        stack = values.astype(dtype).reshape(1, 1, size)
        measured = measure_range(stack, (1,))
        assert (measured.low, measured.high) == robust_range(values.astype(np.float64))
