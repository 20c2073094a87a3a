r"""Make the bundled samples from the openly licensed packages that carry them.

Usage, with nibabel installed::

    pip download --no-deps --only-binary=:all: -d wheels \
        nibabel==5.4.2 stardist==0.9.2 sdeconv==1.0.4
    python tools/make_samples.py wheels src/napari_srcnn/sample_data

The pixels are the packages' own; only the order of the axes changes, and only where it says so.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import zipfile
from pathlib import Path

import nibabel
import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_srcnn.io import Stack, write_stack

# The member of each package's wheel and its sha256.
_BRAIN = (
    "nibabel-*.whl",
    "nibabel/tests/data/example4d.nii.gz",
    "42097dfbab9d2a036b41ae5c97a359591cf2cf5c3f8dc6ca6455c0b8a7f22696",
)
_POLLEN = (
    "sdeconv-*.whl",
    "sdeconv/data/pollen.tif",
    "bf448de9a5cd15275b685abb8486b142588980f1569775b016314dbfea3aca37",
)
_NUCLEI = (
    "stardist-*.whl",
    "stardist/data/images/img2d.tif",
    "f9ccc1571b92c861ff87e28463068b43f61bd47357ed0503f711e5cd1eb97750",
)


def main() -> None:
    """Write the three samples and say how large they are."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheels", type=Path, help="folder of the downloaded wheels")
    parser.add_argument("out", type=Path, help="folder to write to")
    arguments = parser.parse_args()
    samples = {
        "brain": brain(_member(arguments.wheels, *_BRAIN)),
        "pollen": pollen(_member(arguments.wheels, *_POLLEN)),
        "nuclei": nuclei(_member(arguments.wheels, *_NUCLEI)),
    }
    for name, stack in samples.items():
        path = arguments.out / f"{name}.ome.tif"
        write_stack(path, stack, compression="zlib", overwrite=True)
        print(f"{path}: {stack.axes} {stack.shape} {stack.dtype}, {path.stat().st_size} bytes")


def brain(data: bytes) -> Stack:
    """Return the first of the two volumes with anterior up and inferior first: (Z, Y, X) int16.

    The file's axes run to the left, to the front and up; on the screen Y runs down, so it is
    turned, and the patient's left comes to lie on the right, as radiologists look at it. The voxel
    size, kept as float32 in the file, is rounded to what was meant: 2 × 2 × 2.2 mm.
    """
    image = nibabel.Nifti1Image.from_bytes(gzip.decompress(data))
    if nibabel.aff2axcodes(image.affine) != ("L", "A", "S"):
        raise ValueError(f"axes to L, A, S were expected, not {nibabel.aff2axcodes(image.affine)}")
    stored: NDArray[np.int16] = np.asarray(image.dataobj.get_unscaled())
    x, y, z = (round(float(size), 4) for size in image.header.get_zooms()[:3])
    return Stack(
        data=np.ascontiguousarray(stored[..., 0].T[:, ::-1]),
        axes="ZYX",
        pixel_size=(z, y, x),
        units=("millimeter",) * 3,
    )


def pollen(data: bytes) -> Stack:
    """Return the stack as it is: (Z, Y, X) uint16, pixel size unknown."""
    return Stack(data=tifffile.imread(io.BytesIO(data)), axes="ZYX")


def nuclei(data: bytes) -> Stack:
    """Return the image as it is: (Y, X) uint16, pixel size unknown."""
    return Stack(data=tifffile.imread(io.BytesIO(data)), axes="YX")


def _member(wheels: Path, pattern: str, name: str, sha256: str) -> bytes:
    """Return a file out of a wheel, if it is the one that the samples were made from."""
    found = sorted(wheels.glob(pattern))
    if not found:
        raise SystemExit(f"there is no {pattern} in {wheels}; see the top of this file")
    with zipfile.ZipFile(found[-1]) as wheel:
        data = wheel.read(name)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise SystemExit(f"{name} in {found[-1].name} is not the file that the samples come from")
    return data


if __name__ == "__main__":
    main()
