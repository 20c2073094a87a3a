"""MATLAB's imresize: its own results, the literature's figures, and windows of a whole."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from real_data import bundled_photographs, with_data
from scipy.io import loadmat
from skimage.io import imread

from napari_srcnn.image.metrics import psnr, rgb_to_y, shave
from napari_srcnn.image.resize import axis_weights, canonical_window, cubic, imresize, window_matrix
from napari_srcnn.training.photographs import crop_to_multiple


def ramp(side: int) -> NDArray[np.float64]:
    return np.arange(side * side, dtype=np.float64).reshape(side, side)


def corners(side: int, *, bottom_right: bool) -> NDArray[np.float64]:
    """The impulses of SOURCES.md, near one corner."""
    image = np.zeros((side, side))
    image[0, 0], image[1, 0], image[0, 1], image[0, -1] = 100, 10, 1, 100
    return image[::-1, ::-1] if bottom_right else image


# -- MATLAB's results, by arithmetic --------------------------------------------------------------


def kernel(x: Fraction) -> Fraction:
    """Keys' cubic with a = -1/2, as MATLAB's documentation gives it."""
    x = abs(x)
    if x <= 1:
        return Fraction(3, 2) * x**3 - Fraction(5, 2) * x**2 + 1
    if x <= 2:
        return Fraction(-1, 2) * x**3 + Fraction(5, 2) * x**2 - 4 * x + 2
    return Fraction(0)


def exact_weights(length: int, wanted: int, *, antialias: bool = True) -> list[list[Fraction]]:
    """What each of the samples that are wanted takes of each that there are: no roundings."""
    step = Fraction(length, wanted)
    widened = max(step, Fraction(1)) if antialias else Fraction(1)
    rows = []
    for place in range(wanted):
        centre = (place + Fraction(1, 2)) * step - Fraction(1, 2)
        taps = range(math.floor(centre - 2 * widened), math.ceil(centre + 2 * widened) + 1)
        values = [kernel((centre - tap) / widened) for tap in taps]
        row = [Fraction(0)] * length
        for tap, value in zip(taps, values, strict=True):
            mirrored = tap % (2 * length)
            row[min(mirrored, 2 * length - 1 - mirrored)] += value / sum(values)
        rows.append(row)
    return rows


def exactly_resized(
    image: NDArray[Any], shape: tuple[int, ...], *, antialias: bool = True
) -> NDArray[np.float64]:
    rows, columns = (
        np.array(exact_weights(length, wanted, antialias=antialias), np.float64)
        for length, wanted in zip(image.shape, shape, strict=False)
    )
    return np.einsum("yi,xj,ij...->yx...", rows, columns, image, optimize=True)


# MATLAB R2019b, imresize(ramp or corners, ...) of sanghyun-son/bicubic_pytorch's test_answer: the
# side of the image, and the shape that was asked for.
REFERENCES: dict[str, tuple[int, tuple[int, int]]] = {
    "down_down_aa": (8, (3, 4)),
    "down_down_noaa": (8, (3, 4)),
    "down_down_irregular_aa": (8, (5, 7)),
    "down_down_irregular_noaa": (8, (5, 7)),
    "down_down_small_aa": (4, (3, 3)),
    "down_down_small_noaa": (4, (3, 3)),
    "down_down_x2_aa": (8, (4, 4)),
    "down_down_x3_aa": (15, (5, 5)),
    "down_down_x4_aa": (8, (2, 2)),
    "down_down_x5_aa": (15, (3, 3)),
    "up_up_irregular_aa": (8, (11, 13)),
    "up_up_irregular_noaa": (8, (11, 13)),
    "up_up_topleft_noaa": (4, (5, 5)),
    "up_up_bottomright_noaa": (4, (5, 5)),
}


def reference(name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """An image, and what MATLAB makes of it."""
    side, shape = REFERENCES[name]
    image = ramp(side)
    if "topleft" in name or "bottomright" in name:
        image = corners(side, bottom_right="bottomright" in name)
    return image, exactly_resized(image, shape, antialias=not name.endswith("noaa"))


def answers(shared_data: Path) -> Path:
    return shared_data / "natural/eval/matlab_imresize_refs/sanghyun-son_bicubic_pytorch"


def test_the_arithmetic_gives_matlabs_own_answers(shared_data: Path) -> None:
    for name in REFERENCES:
        matlabs = loadmat(answers(shared_data) / "test_answer" / f"{name}.mat")[name]
        assert np.abs(reference(name)[1] - matlabs).max() < 1e-12, name


def test_the_arithmetic_gives_what_matlab_printed() -> None:
    # The impulses of the upper left corner, 4 x 4, enlarged to 5 x 5; in 128ths.
    _, enlarged = reference("up_up_topleft_noaa")
    assert enlarged * 128 == pytest.approx(
        np.array(
            [
                [13911.7088, 3545.22848, -1593.16, 3441.17664, 13977.92],
                [4540.33472, 1148.260992, -459.464, 849.591936, 3451.008],
                [-83.24, -27.164, 50.5, -205.812, -836],
                [-98.3136, -24.27264, 5.88, 0, 0],
                [0, 0, 0, 0, 0],
            ]
        )
    )


@pytest.mark.parametrize("name", REFERENCES)
def test_ramps_and_impulses_are_resized_as_matlab_does(name: str) -> None:
    image, expected = reference(name)
    result = imresize(image, shape=expected.shape, antialias=not name.endswith("noaa"))
    assert np.abs(result - expected).max() < 1e-12


@pytest.mark.parametrize("divisor", [2, 3, 4, 5])
def test_a_scale_gives_what_its_shape_gives(divisor: int) -> None:
    image, expected = reference(f"down_down_x{divisor}_aa")
    assert np.abs(imresize(image, scale=1 / divisor) - expected).max() < 1e-12


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("name", bundled_photographs())
def test_a_photograph_is_resized_by_the_arithmetic(name: str, antialias: bool) -> None:
    image = bundled_photographs()[name][:96, :120] / 255
    result = imresize(image, shape=(61, 47), antialias=antialias)
    expected = exactly_resized(image, (61, 47), antialias=antialias)
    assert np.abs(result - expected).max() < 1e-12


@pytest.mark.parametrize("divisor", [2, 3, 4])
def test_no_sample_of_8_bits_is_rounded_another_way_than_exactly(divisor: int) -> None:
    image = bundled_photographs()["astronaut"]
    # The lines first, then the columns, each rounded half up: in integers, where a half is one.
    expected = image.astype(np.int64)
    for axis in (0, 1):
        weights = exact_weights(image.shape[axis], image.shape[axis] // divisor)
        whole = math.lcm(*(weight.denominator for row in weights for weight in row))
        matrix = np.array([[int(weight * whole) for weight in row] for row in weights])
        sums = np.moveaxis(np.tensordot(matrix, expected, axes=(1, axis)), 0, axis)
        expected = ((2 * sums + whole) // (2 * whole)).clip(0, 255)
    assert np.array_equal(imresize(image, scale=1 / divisor), expected)


# -- MATLAB's own files ----------------------------------------------------------------------------


def test_a_colour_photograph_is_resized_as_matlab_does(shared_data: Path) -> None:
    image = imread(answers(shared_data) / "example/butterfly.png") / 255
    for kind in ("aa", "noaa"):
        name = f"down_down_butterfly_irregular_{kind}"
        expected = loadmat(answers(shared_data) / "test_answer" / f"{name}.mat")[name]
        result = imresize(image, shape=expected.shape[:2], antialias=kind == "aa")
        assert np.abs(result - expected).max() < 1e-12, kind


def test_a_photograph_of_8_bits_and_in_double_is_resized_as_matlab_does(shared_data: Path) -> None:
    folder = shared_data / "natural/eval/matlab_imresize_refs/fatheral_matlab_imresize"
    image = imread(folder / "lena_512x512.png")
    expected = imread(folder / "lena_123x234_uint8.png")
    assert np.array_equal(imresize(image, shape=(123, 234)), expected)
    double = imresize(image / 255, shape=(123, 234)).clip(0, 1)
    expected = imread(folder / "lena_123x234_double.png")
    assert np.array_equal(np.floor(double * 255 + 0.5), expected)


def test_no_sample_of_matlabs_low_res_images_differs(shared_data: Path) -> None:
    folder = shared_data / "natural/eval/matlab_LR"
    cases = []
    for high in sorted((folder / "SelfExSR").rglob("*_HR.png")):
        scale = int(high.stem.split("_")[3])
        cases.append((high, high.with_name(high.name.replace("_HR", "_LR")), scale, "edge"))
    for low in sorted((folder / "SwinIR/Set5/LR_bicubic").rglob("*.png")):
        name, _, scale = low.stem.rpartition("x")
        high = folder / "SwinIR/Set5/HR" / f"{name}.png"
        cases.append((high, low, int(scale), "symmetric"))
    samples = {"edge": 0, "symmetric": 0}
    for high, low, scale, boundary in cases:
        image, expected = crop_to_multiple(imread(high), scale), imread(low)
        result = imresize(image, scale=1 / scale, boundary=boundary)
        assert np.array_equal(result, expected), f"{low.name} differs"
        samples[boundary] += expected.size
    # So many there are: not a file fewer was compared.
    assert samples == {"edge": 1_731_010, "symmetric": 719_952}


# MATLAB's figures in the SRCNN paper (TPAMI 2016), tables 2 and 4.
@pytest.mark.parametrize(
    ("images", "scale", "expected"),
    with_data(
        [
            ("Set5", 2, 33.66),
            ("Set5", 3, 30.39),
            ("Set5", 4, 28.42),
            ("Set14", 2, 30.23),
            ("Set14", 3, 27.54),
            ("Set14", 4, 26.00),
        ]
    ),
)
def test_bicubic_has_the_literatures_psnr(
    images: str, scale: int, expected: float, shared_data: Path
) -> None:
    scores = []
    for path in sorted((shared_data / "natural/eval" / images).glob("*.bmp")):
        image = crop_to_multiple(imread(path), scale)
        truth = rgb_to_y(image) if image.ndim == 3 else image
        y = truth.astype(np.float64) / 255
        result = imresize(imresize(y, scale=1 / scale), scale=scale)
        result = np.floor(result.clip(0, 1) * 255 + 0.5)
        scores.append(psnr(shave(truth, scale), shave(result, scale), data_range=255))
    assert np.mean(scores) == pytest.approx(expected, abs=0.01)


# -- what holds without any file -----------------------------------------------------------------


def test_enlarging_a_step_by_two_gives_keys_weights() -> None:
    # Keys' kernel with a = -1/2 at distances of 1/4, 3/4, 5/4 and 7/4, in 128ths.
    assert cubic(np.array([0.25, 0.75, 1.25, 1.75])) * 128 == pytest.approx([111, 29, -9, -3])
    step = np.repeat([[0.0, 1.0]], 6, axis=1).reshape(1, -1)
    row = imresize(step, scale=2)[0]
    assert row[8:16] * 128 == pytest.approx([0, -3, -9, 26, 102, 137, 131, 128])


def test_averages_are_kept_and_lines_stay_straight() -> None:
    image = np.random.default_rng(0).random((12, 18))
    assert imresize(image, scale=1 / 3).mean() == pytest.approx(image.mean())
    assert imresize(np.full((5, 7), 3.5), scale=3) == pytest.approx(3.5)
    line = imresize(np.arange(16.0)[None], scale=4)[0]
    assert line[8:-8] == pytest.approx((np.arange(64)[8:-8] + 0.5) / 4 - 0.5)


def test_8_bits_are_rounded_after_each_pass_and_clipped() -> None:
    image = np.random.default_rng(1).integers(0, 2, (9, 9), dtype=np.uint8) * 255
    result = imresize(image, scale=2)
    assert result.dtype == np.uint8
    rows = np.floor(imresize(image.astype(float), shape=(18, 9)).clip(0, 255) + 0.5)
    both = np.floor(imresize(rows, shape=(18, 18)).clip(0, 255) + 0.5)
    assert np.array_equal(result, both)


def test_colour_samples_are_resized_one_by_one() -> None:
    image = np.random.default_rng(2).random((7, 9, 4))
    result = imresize(image, scale=2)
    assert result.shape == (14, 18, 4)
    for sample in range(4):
        assert result[..., sample] == pytest.approx(imresize(image[..., sample], scale=2))


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("a", [-0.5, -0.75])
@pytest.mark.parametrize("length", [1, 2, 3, 17, 40])
def test_a_window_is_a_crop_of_the_whole(scale: int, a: float, length: int) -> None:
    rng = np.random.default_rng(length)
    source = rng.random((length, 1))
    whole = imresize(source, shape=(length * scale, 1), a=a)
    for _ in range(20):
        start, stop = np.sort(rng.choice(length * scale + 1, 2, replace=False))
        low, high, matrix = window_matrix(length, scale, int(start), int(stop), a)
        assert 0 <= low < high <= length
        assert matrix.shape == (stop - start, high - low)
        assert np.abs(matrix @ source[low:high] - whole[start:stop]).max() < 1e-14


def test_a_windows_matrix_is_shared_and_so_cannot_be_changed() -> None:
    _, _, matrix = window_matrix(10, 2, 0, 20)
    with pytest.raises(ValueError, match="read-only"):
        matrix[0, 0] = 1


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_windows_away_from_the_border_are_one_window_moved(scale: int) -> None:
    length, size = 200, 35
    kinds = set()
    for start in range(0, length * scale - size, 7):
        moved, window = canonical_window(length, scale, start, start + size)
        kinds.add(window)
        low, high, matrix = window_matrix(length, scale, start, start + size)
        canonical_low, canonical_high, canonical = window_matrix(*window)
        assert (low, high) == (moved + canonical_low, moved + canonical_high)
        assert np.abs(matrix - canonical).max() < 1e-12
    # One for each phase and, besides, those near the borders.
    assert len(kinds) < 20


@pytest.mark.parametrize("boundary", ["symmetric", "edge"])
def test_every_output_sample_is_made_of_weights_that_sum_to_one(boundary: str) -> None:
    for length, scale in ((1, 2.0), (7, 3.0), (31, 1 / 4), (5, 1.7)):
        stop = int(np.ceil(length * scale))
        weights = axis_weights(length, scale, 0, stop, boundary=boundary)  # type: ignore[arg-type]
        assert weights.weights.sum(axis=1) == pytest.approx(1)
        assert weights.indices.min() >= 0
        assert weights.indices.max() < length


def test_a_scale_that_is_not_exact_in_binary_gives_the_exact_shape() -> None:
    assert imresize(np.zeros((30, 70)), scale=0.1).shape == (3, 7)
    assert imresize(np.zeros((33, 9)), scale=1 / 3).shape == (11, 3)
    assert imresize(np.zeros((10, 11)), scale=1 / 3).shape == (4, 4)


@pytest.mark.parametrize(
    ("image", "options", "sentence"),
    [
        (np.zeros((4, 4)), {}, "either scale or shape"),
        (np.zeros((4, 4)), {"scale": 2, "shape": (8, 8)}, "either scale or shape"),
        (np.zeros((0, 4)), {"scale": 2}, "with pixels"),
        (np.zeros(4), {"scale": 2}, "with pixels"),
    ],
)
def test_what_cannot_be_resized_is_refused(
    image: NDArray[np.float64], options: dict[str, float], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        imresize(image, **options)  # type: ignore[arg-type]
