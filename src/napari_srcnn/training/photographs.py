"""Training pairs: enlarged low-res crops and the high-res truth in their middle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_srcnn.image.metrics import rgb_to_y
from napari_srcnn.image.resize import imresize
from napari_srcnn.network.config import SRCNNConfig

IMAGE_SUFFIXES = (".bmp", ".png", ".tif", ".tiff")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One image twice, on the high-res grid.

    Attributes
    ----------
    enlarged : ndarray of float32, shape (C, Y, X) or (C + 1, Y, X)
        The low-res image, enlarged by bicubic: the network's input. The last plane is the noise's,
        where the network takes one.
    truth : ndarray of float32, shape (C, Y, X)
        The high-res image.
    added : ndarray of float32 of the truth's shape, or None
        Noise that the truth was given beside its own; no error of a network.
    """

    enlarged: NDArray[np.float32]
    truth: NDArray[np.float32]
    added: NDArray[np.float32] | None = None

    @property
    def shown(self) -> NDArray[np.float32]:
        """The high-res image as it was recorded."""
        return self.truth if self.added is None else self.truth - self.added


def crop_to_multiple(image: NDArray[Any], scale: int) -> NDArray[Any]:
    """Cut an image of shape (Y, X) or (Y, X, S) to a multiple of `scale` pixels a side."""
    height, width = (n - n % scale for n in image.shape[:2])
    return image[:height, :width]


def make_pair(high_res: NDArray[Any], scale: int, *, a: float = -0.5) -> Pair:
    """Make a pair the way the literature does: MATLAB's bicubic down and up, in floating point.

    Parameters
    ----------
    high_res : ndarray, shape (Y, X) or (Y, X, S)
        Values of about 0..1.
    scale : int
    a : float
        The free parameter of the enlarging cubic.
    """
    truth = crop_to_multiple(high_res, scale)
    enlarged = imresize(imresize(truth, scale=1 / scale), scale=scale, a=a)
    return Pair(enlarged=_channels_first(enlarged), truth=_channels_first(truth))


def _channels_first(image: NDArray[Any]) -> NDArray[np.float32]:
    image = image[None] if image.ndim == 2 else np.moveaxis(image, 2, 0)
    return np.ascontiguousarray(image, dtype=np.float32)


def find_images(folder: Path) -> list[Path]:
    """Return a folder's images in the order of their names.

    Raises
    ------
    ValueError
        If there are none, or no such folder.
    """
    if not folder.is_dir():
        raise ValueError(f"There is no folder {folder}; check its name.")
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise ValueError(
            f"There are no images in {folder}; files that end in "
            f"{', '.join(IMAGE_SUFFIXES)} are needed."
        )
    return paths


def read_luma(path: Path) -> NDArray[np.float64]:
    """Read a photograph's Y in 0..1 (BT.601 studio range; a gray image is taken as it is)."""
    image = _read_photograph(path)
    if image.ndim == 3:
        image = rgb_to_y(image)
    return np.asarray(image, dtype=np.float64) / 255


def read_rgb(path: Path) -> NDArray[np.float64]:
    """Read a photograph's R, G and B in 0..1, shape (Y, X, 3); a gray one has three alike."""
    image = _read_photograph(path)
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=-1)
    return np.asarray(image, dtype=np.float64) / 255


def _read_photograph(path: Path) -> NDArray[Any]:
    """Read 8-bit gray (Y, X) or RGB (Y, X, 3), without an alpha channel.

    Raises
    ------
    ValueError
        If the file is damaged or is no such image.
    """
    from skimage.io import imread

    try:
        image = imread(path)
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise ValueError(f"{path} cannot be read as an image; it is damaged, or none.") from error
    if image.dtype != np.uint8 or image.ndim not in (2, 3):
        raise ValueError(
            f"{path} has type {image.dtype} and {image.ndim} axes; photographs of 8 bits, gray or "
            "RGB, are needed."
        )
    if image.ndim == 3:
        # Gray with alpha is gray.
        image = image[..., :3] if image.shape[-1] >= 3 else image[..., 0]
    return np.asarray(image)


def rescaled(image: NDArray[np.float64], factors: Sequence[float]) -> Iterator[NDArray[np.float64]]:
    """Yield an image at several sizes: a small network sees more kinds of edges that way."""
    for factor in factors:
        yield image if factor == 1 else imresize(image, scale=factor)


# The sizes at which each image is seen, for a small network to see more kinds of edges.
FACTORS = (1.0, 0.9, 0.8, 0.7, 0.6)


def photograph_pairs(
    folders: Sequence[Path], network: SRCNNConfig, *, plain: bool = False
) -> tuple[list[list[Pair]], list[Pair], str]:
    """Make training pairs of folders of photographs, and hold every tenth image apart.

    Parameters
    ----------
    folders : sequence of Path
        Each is a group.
    network : SRCNNConfig
        Says the scale, Y or RGB, and the bicubic in front.
    plain : bool
        Leave the smaller sizes of each image out.

    Returns
    -------
    groups : list of lists of Pair
    holdout : list of Pair
    summary : str
        How many images there are, and which were left out.

    Raises
    ------
    ValueError
        If a folder is missing or too few images can be used; the message says why.
    """
    smallest = 2 * max(network.halo, network.scale) + 1 + network.scale
    groups, held, left_out, texts = [], [], [], []
    for folder in folders:
        images = []
        for path in find_images(folder):
            try:
                image = read_luma(path) if network.channels == 1 else read_rgb(path)
            except ValueError as error:
                left_out.append(str(error))
                continue
            if min(image.shape[:2]) < smallest:
                left_out.append(f"{path} is smaller than {smallest} pixels a side.")
                continue
            images.append(image)
        if len(images) < 2:
            reason = left_out[0] if left_out else "they hold fewer"
            raise ValueError(
                f"{folder}: at least two images are needed that can be used ({reason})"
            )
        apart = images[9::10] or images[-1:]
        rest = [image for image in images if not any(image is other for other in apart)]
        factors = (1.0,) if plain else FACTORS
        groups.append(
            [
                make_pair(smaller, network.scale, a=network.a)
                for image in rest
                for smaller in rescaled(image, factors)
            ]
        )
        held += [make_pair(image, network.scale, a=network.a) for image in apart]
        texts.append(f"{folder.name}: {len(rest)} images, {len(apart)} held out")
    summary = "; ".join(texts) + "."
    if left_out:
        summary += f" Left out: {len(left_out)}. {left_out[0]}"
    return groups, held, summary


def varied(
    rng: np.random.Generator,
    enlarged: NDArray[Any],
    truth: NDArray[Any],
    *,
    gain: tuple[float, float] | None,
    turn: bool = True,
    noise: bool = False,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Turn and mirror a crop and its truth alike, and change 70 % of them in gain and offset.

    Parameters
    ----------
    rng : numpy.random.Generator
    enlarged, truth : ndarray, shapes (..., Y, X)
    gain : tuple of two floats or None
        Range of the gain; the offset keeps values of 0..1 within.
    turn : bool
        Whether they are turned and mirrored.
    noise : bool
        Whether the last plane of `enlarged`, shape (P, Y, X), is the noise's: it takes no offset.
    """
    if turn:
        turns, flip = int(rng.integers(4)), bool(rng.integers(2))
        enlarged, truth = (np.rot90(i, turns, (-2, -1)) for i in (enlarged, truth))
        if flip:
            enlarged, truth = enlarged[..., ::-1], truth[..., ::-1]
    if gain is not None and rng.random() < 0.7:
        factor = np.float32(rng.uniform(*gain))
        room = 1 - float(factor)
        offset = np.float32(rng.uniform(min(0.0, room), max(0.0, room)))
        enlarged, truth = enlarged * factor, truth * factor + offset
        image = enlarged[:-1] if noise else enlarged
        image += offset
    return enlarged, truth


class CropSampler:
    """Draw batches of random crops, flipped, rotated and changed in gain and offset.

    Parameters
    ----------
    groups : sequence of sequences of Pair
        Groups are drawn equally, pairs within a group by their area.
    crop : int
        Pixels a side of the truth.
    halo : int
        Context around it that the network reads: no pixel is trained on padding.
    gain : tuple of two floats, optional
        Range of a random gain, for 70 % of the crops; an offset keeps them within 0..1. It makes
        the network safe on any intensity range.
    stride : int, optional
        Draw from a grid of this stride, nothing turned or mirrored: the paper's sub-images.
    """

    def __init__(
        self,
        groups: Sequence[Sequence[Pair]],
        *,
        crop: int,
        halo: int,
        gain: tuple[float, float] | None = (0.25, 1.1),
        stride: int | None = None,
    ) -> None:
        self.stride = stride
        self.crop, self.halo, self.gain = crop, halo, gain
        side = crop + 2 * halo
        self._groups: list[list[Pair]] = []
        self._weights: list[NDArray[np.float64]] = []
        for group in groups:
            fitting = [p for p in group if min(p.truth.shape[1:]) >= side]
            if not fitting:
                raise ValueError(
                    f"No training image has {side} pixels a side, which a patch of {crop} needs; "
                    "choose a smaller patch or larger images."
                )
            areas = np.array([p.truth[0].size for p in fitting], dtype=np.float64)
            self._groups.append(fitting)
            self._weights.append(areas / areas.sum())

    def batch(
        self, rng: np.random.Generator, size: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return inputs (B, C, crop + 2 halo, same) and truths (B, C, crop, crop)."""
        crops = [self._crop(rng) for _ in range(size)]
        enlarged, truth = zip(*crops, strict=True)
        return np.stack(enlarged), np.stack(truth)

    def _crop(self, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        group = int(rng.integers(len(self._groups)))
        pair = self._groups[group][rng.choice(len(self._groups[group]), p=self._weights[group])]
        side = self.crop + 2 * self.halo
        step = self.stride or 1
        y, x = (step * int(rng.integers((n - side) // step + 1)) for n in pair.truth.shape[1:])
        enlarged = pair.enlarged[:, y : y + side, x : x + side]
        inner = slice(self.halo, self.halo + self.crop)
        truth = pair.truth[:, y : y + side, x : x + side][:, inner, inner]
        if self.stride is not None:
            return enlarged, truth
        return varied(rng, enlarged, truth, gain=self.gain)
