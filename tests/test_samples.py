from __future__ import annotations

import hashlib

import numpy as np
import pytest

from napari_srcnn import samples
from napari_srcnn.io import StackError

EXPECTED = {
    "brain": ("ZYX", (24, 96, 128), "int16", (0, 1162), (2.2, 2.0, 2.0), "millimeter"),
    "pollen": ("ZYX", (32, 256, 256), "uint16", (0, 65535), (1.0, 1.0, 1.0), "pixel"),
    "nuclei": ("YX", (512, 512), "uint16", (0, 235), (1.0, 1.0), "pixel"),
}


@pytest.mark.parametrize("name", samples.SAMPLES)
def test_a_sample_is_what_its_credits_say(name: str) -> None:
    axes, shape, dtype, limits, pixel_size, unit = EXPECTED[name]
    with samples.load_sample(name) as stack:
        assert (stack.axes, stack.shape, stack.dtype) == (axes, shape, dtype)
        assert (stack[...].min(), stack[...].max()) == limits
        assert stack.pixel_size == pixel_size
        assert set(stack.units) == {unit}


@pytest.mark.parametrize("name", samples.SAMPLES)
def test_every_sample_has_a_function_for_napari(name: str) -> None:
    ((data, attributes, kind),) = getattr(samples, name)()
    assert kind == "image"
    assert data.shape == EXPECTED[name][1]
    assert attributes["name"] == name
    assert attributes["scale"] == EXPECTED[name][4]


def test_the_samples_are_credited_and_small() -> None:
    folder = samples.sample_path("brain").parent
    credited = (folder / "CREDITS.md").read_text(encoding="utf-8")
    files = list(folder.glob("*.tif"))
    assert {path.name for path in files} == {f"{name}.ome.tif" for name in samples.SAMPLES}
    assert all(path.name in credited for path in files)
    assert sum(path.stat().st_size for path in files) < 3_000_000
    assert all(sample.license in credited for sample in samples.SAMPLES.values())


# SHA-256 of the pixels, little-endian, as the packages that CREDITS.md names hold them: the brain
# turned as OME-TIFF has it, anterior up.
ORIGINALS = {
    "brain": "e217a93744038ca72ed96b6e5eef388110efa2327a9e7d040d1fdc27815e0afc",
    "pollen": "fb11d591bf6201e28b33c51cf5875a616e546b4d1833a671c3461e684122d423",
}


@pytest.mark.parametrize("name", ORIGINALS)
def test_a_sample_has_every_pixel_of_the_data_it_was_taken_from(name: str) -> None:
    with samples.load_sample(name) as stack:
        pixels = np.asarray(stack[...])
    content = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<")).tobytes()
    assert hashlib.sha256(content).hexdigest() == ORIGINALS[name]


def test_an_unknown_sample_is_refused() -> None:
    with pytest.raises(StackError, match="no sample 'brian'; choose one of brain, pollen, nuclei"):
        samples.sample_path("brian")
