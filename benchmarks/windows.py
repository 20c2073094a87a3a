"""Which window of the network's range suits which image: photographs and microscopes.

    python benchmarks/windows.py [--models NAME ...]

For each window: dB over bicubic, mean and worst over one plane of every stack in ``micro`` (range
of the 0.1 and 99.9 percentiles, low-res by MATLAB's bicubic or by averaging a camera's pixels), and
the PSNR on Set5 (range 0..1). What ``intensity="auto"`` takes is decided by this table. The data
folder is the variable NAPARI_SRCNN_DATA, else ``../shared/data``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from quality import data_folder
from skimage.transform import downscale_local_mean

import napari_srcnn
from napari_srcnn.assess.reference import to_8_bits
from napari_srcnn.image.intensity import measure_range
from napari_srcnn.image.metrics import psnr, shave
from napari_srcnn.image.resize import imresize
from napari_srcnn.models.library import list_models
from napari_srcnn.training.photographs import crop_to_multiple, find_images, read_luma

WINDOWS = ((0.0, 1.0), (0.1, 0.9), (0.2, 0.8), (0.2, 0.6), (0.25, 0.75), (0.35, 0.65))
SIDE = 384


def middle_plane(path: Path) -> np.ndarray:
    """Return the central part of a stack's middle plane, (Y, X), in float64."""
    stack = napari_srcnn.read_stack(path)
    plane = np.asarray(stack.data[tuple(n // 2 for n in stack.data.shape[: stack.axes.index("Y")])])
    plane = plane[..., 0] if stack.axes.endswith("S") else plane
    top, left = (max((n - SIDE) // 2, 0) for n in plane.shape)
    return plane[top : top + SIDE, left : left + SIDE].astype(np.float64)


def gain_over_bicubic(
    truth: np.ndarray, low_res: np.ndarray, model: str, scale: int, window: tuple[float, float]
) -> float:
    """Return dB over bicubic on one plane."""
    measured = measure_range(low_res, ())
    pair = (measured.low, measured.high)
    peak = measured.high - measured.low
    ours = napari_srcnn.upscale(low_res, model=model, intensity=pair, window=window)
    reference = shave(truth, scale)
    scores = [
        psnr(reference, shave(image, scale), data_range=peak)
        for image in (ours, imresize(low_res, scale=scale))
    ]
    return scores[0] - scores[1]


def set5(model: str, scale: int, window: tuple[float, float], folder: Path) -> float:
    """Return the mean PSNR on Set5's Y with the range 0..1 in a window."""
    scores = []
    for path in find_images(folder):
        truth = crop_to_multiple(read_luma(path), scale)
        low_res = imresize(truth, scale=1 / scale)
        ours = napari_srcnn.upscale(low_res, model=model, intensity=(0, 1), window=window)
        pair = (shave(to_8_bits(i), scale) for i in (truth, ours))
        scores.append(psnr(*pair, data_range=255))
    return float(np.mean(scores))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="*")
    models = parser.parse_args().models or list_models()
    data = data_folder()
    stacks = sorted(
        p for f in ("fluo", "em_xray", "medical") for p in data.glob(f"micro/{f}/*.tif")
    )
    if not stacks:
        parser.error(f"there are no stacks in {data}/micro; set NAPARI_SRCNN_DATA")
    planes = {path.name: middle_plane(path) for path in stacks}
    for model in models:
        scale = napari_srcnn.model_info(model).config.scale
        print(f"\n{model}: dB over bicubic on {len(planes)} stacks, mean and worst; Set5 in dB")
        print(f"{'window':>14s} {'bicubic low-res':>17s} {'camera low-res':>17s} {'Set5':>8s}")
        for window in WINDOWS:
            cells = []
            for camera in (False, True):
                gains = []
                for plane in planes.values():
                    truth = crop_to_multiple(plane, scale)
                    low_res = (
                        downscale_local_mean(truth, (scale, scale))
                        if camera
                        else imresize(truth, scale=1 / scale)
                    )
                    gains.append(gain_over_bicubic(truth, low_res, model, scale, window))
                cells.append(f"{np.mean(gains):+8.2f} {np.min(gains):+8.2f}")
            quality = set5(model, scale, window, data / "natural/eval/Set5")
            print(
                f"{window[0]:6.2f}..{window[1]:5.2f} {cells[0]} {cells[1]} {quality:8.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
