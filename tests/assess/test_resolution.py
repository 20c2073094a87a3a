"""How fine an image is: of simulated images, whose cut-off is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from napari_srcnn.assess.resolution import (
    decorrelation,
    frc,
    power_spectrum,
    ring_correlation,
)

SIZE = 256


def structure(cut: float, seed: int = 0) -> np.ndarray:
    """Points whose frequencies fall linearly to nothing at `cut`, in parts of Nyquist's."""
    rng = np.random.default_rng(seed)
    y, x = np.meshgrid(np.fft.fftfreq(SIZE), np.fft.fftfreq(SIZE), indexing="ij")
    transfer = np.clip(1 - 2 * np.hypot(y, x) / cut, 0, None)
    image = np.fft.ifft2(np.fft.fft2(rng.random((SIZE, SIZE)) < 0.02) * transfer).real
    return image / image.std()


def recorded(image: np.ndarray, seed: int, noise: float = 0.05) -> np.ndarray:
    return image + np.random.default_rng(seed).normal(0, noise, image.shape)


@pytest.mark.parametrize("cut", [0.25, 0.4, 0.55, 0.7, 0.85])
def test_a_known_cut_off_is_found(cut: float) -> None:
    image = structure(cut)
    one, other = recorded(image, 1), recorded(image, 2)
    assert 2 / frc(one, other).pixels == pytest.approx(cut, rel=0.06)
    # Near the cut-off there is next to nothing left of a linear fall.
    assert 2 / decorrelation(one).pixels == pytest.approx(cut, rel=0.09)


def test_a_sharp_cut_off_is_found_by_decorrelation() -> None:
    rng = np.random.default_rng(0)
    points = np.fft.fft2(rng.random((SIZE, SIZE)) < 0.02)
    radius = 2 * np.hypot(*np.meshgrid(np.fft.fftfreq(SIZE), np.fft.fftfreq(SIZE)))
    for cut in np.linspace(0.2, 0.9, 20):
        image = np.fft.ifft2(points * (radius < cut)).real
        assert 2 / decorrelation(recorded(image / image.std(), 1)).pixels == pytest.approx(
            cut, rel=0.03
        )


def test_an_image_with_itself_is_all_correlated_and_noise_is_not() -> None:
    image = structure(0.5)
    np.testing.assert_allclose(ring_correlation(image, image).value[1:], 1)
    noise = [np.random.default_rng(n).normal(size=(SIZE, SIZE)) for n in (1, 2)]
    rings = ring_correlation(*noise)
    # A ring of n pixels, half of them independent, is off by 1 / √(n / 2).
    assert abs(rings.value[20:].mean()) < 0.03
    assert math.isnan(frc(*noise).pixels)


def test_the_formula_of_a_ring() -> None:
    one, other = (np.random.default_rng(n).random((32, 32)) for n in (1, 2))
    found = ring_correlation(one, other, window=False)
    f, g = np.fft.fft2(one), np.fft.fft2(other)
    y, x = np.meshgrid(np.fft.fftfreq(32, 1 / 32), np.fft.fftfreq(32, 1 / 32), indexing="ij")
    # Each frequency counts to the two rings next to it, by how near they are.
    share = (1 - abs(np.hypot(y, x) - 5)).clip(0)
    expected = (share * f * g.conj()).sum().real / math.sqrt(
        (share * abs(f) ** 2).sum() * (share * abs(g) ** 2).sum()
    )
    assert found.value[5] == pytest.approx(expected)
    assert found.frequency[5] == 5 / 16


@pytest.mark.parametrize("cut", [0.2, 0.3])
def test_one_image_alone_gives_about_the_same(cut: float) -> None:
    image = structure(cut)
    alone, pair = frc(recorded(image, 1)), frc(recorded(image, 1), recorded(image, 2))
    assert alone.pixels == pytest.approx(pair.pixels, rel=0.15)
    assert alone.length(0.1) == pytest.approx(alone.pixels * 0.1)


def test_what_is_too_fine_for_one_image_alone_is_not_told() -> None:
    assert math.isnan(frc(recorded(structure(0.8), 1)).pixels)


def test_power_lies_where_the_wave_is() -> None:
    wave = np.sin(2 * np.pi * np.arange(128) * 16 / 128)[None, :] * np.ones((128, 1))
    found = power_spectrum(wave)
    assert found.frequency[int(np.argmax(found.value))] == pytest.approx(16 / 64)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (np.ones((64, 64)), "is constant"),
        (np.full((64, 64), np.nan), "not finite"),
        (np.eye(8), "too small to tell its resolution"),
    ],
)
def test_what_has_no_resolution_says_so(image: np.ndarray, said: str) -> None:
    for measure in (frc, decorrelation, power_spectrum):
        with pytest.raises(ValueError, match=said):
            measure(image)
    with pytest.raises(ValueError, match="must agree"):
        ring_correlation(np.eye(32), np.eye(33))
