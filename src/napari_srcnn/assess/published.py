"""Published figures of networks and of what came before them."""

from __future__ import annotations

from pathlib import PurePath
from typing import Literal

Protocol = Literal["y", "rgb"]

# PSNR and SSIM of x2, x3, x4 on Y as the papers print them (None: not printed): [1]_, [2]_; and on
# RGB of x4 as mmagic's model zoo does (srcnn_x4k915_g1_1000k_div2k).
#
# .. [1] C. Dong et al., IEEE TPAMI 38(2), 2016.
# .. [2] R. Timofte et al., "A+", ACCV 2014.
Figures = tuple[tuple[float, float] | None, ...]
PUBLISHED: dict[tuple[str, Protocol], dict[str, Figures]] = {
    ("Set5", "y"): {
        "SRCNN 9-5-5, the paper's best": ((36.66, 0.9542), (32.75, 0.9090), (30.49, 0.8628)),
        "A+": ((36.54, 0.9544), (32.59, 0.9088), (30.28, 0.8603)),
    },
    ("Set14", "y"): {
        "SRCNN 9-5-5, the paper's best": ((32.45, 0.9067), (29.30, 0.8215), (27.50, 0.7513)),
        "A+": ((32.28, 0.9056), (29.13, 0.8188), (27.32, 0.7491)),
    },
    ("Set5", "rgb"): {"mmagic's SRCNN 9-1-5": (None, None, (28.4316, 0.8099))},
    ("Set14", "rgb"): {"mmagic's SRCNN 9-1-5": (None, None, (25.6486, 0.7014))},
}


def published_figures(
    folder: str, protocol: Protocol, scale: int
) -> dict[str, tuple[float, float]]:
    """Return PSNR and SSIM as they are published for a set of images, by method.

    Parameters
    ----------
    folder : str
        The set's name, or the path of a folder of that name.
    protocol : {"y", "rgb"}
    scale : {2, 3, 4}
    """
    methods = PUBLISHED.get((PurePath(folder).name, protocol), {})
    printed = {method: figures[scale - 2] for method, figures in methods.items()}
    return {method: figure for method, figure in printed.items() if figure is not None}
