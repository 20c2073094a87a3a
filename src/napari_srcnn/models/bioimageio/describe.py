"""What a package says of its model: the description of the spec, and the text for its reader.

References
----------
.. [1] https://github.com/bioimage-io/spec-bioimage-io, model description 0.5
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from napari_srcnn.image.resize import BICUBIC_REACH, MEAN_REACH
from napari_srcnn.models.card import ModelInfo, card_lines, plain
from napari_srcnn.network.checkpoint import KEY
from napari_srcnn.network.config import SRCNNConfig

#: Files of a package, by what they are.
DESCRIPTION, README, COVER = "rdf.yaml", "README.md", "cover.png"
STATE, ARCHITECTURE, TORCHSCRIPT, ONNX = "weights.pt", "srcnn.py", "weights-ts.pt", "weights.onnx"
# The first version whose fields these are; what reads it reads those after it as well.
SPEC = "0.5.3"
LOW_RES, SIGMA, HIGH_RES = "low_res", "sigma", "high_res"
_ABOUT_SIGMA = (
    "`sigma` tells the network the noise: its standard deviation at each pixel of the low-res "
    "image, in the same units; zeros tell of none. Of a camera it is √(gain · (value − offset) + "
    "read²)."
)
_PROGRAM = "https://github.com/napari-srcnn/napari-srcnn"
# Those that models come under, of the SPDX names that the spec knows.
_LICENCES = (
    *("BSD-2-Clause", "BSD-3-Clause", "MIT", "ISC", "Apache-2.0", "MPL-2.0", "Unlicense"),
    *("CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0", "CC-BY-NC-SA-4.0"),
    *("GPL-2.0-only", "GPL-3.0-only", "GPL-3.0-or-later", "LGPL-3.0-only", "AGPL-3.0-only"),
)
_CITE = (
    {
        "text": "C. Dong, C. C. Loy, K. He, X. Tang, Image Super-Resolution Using Deep "
        "Convolutional Networks, IEEE TPAMI 38(2), 2016",
        "doi": "10.1109/TPAMI.2015.2439281",
    },
    {"text": "napari-srcnn developers, napari-srcnn", "url": _PROGRAM},
)


def window_of(info: ModelInfo) -> tuple[float, float]:
    """Return what the network sees of an image's range 0..1 in a package.

    Packages are for microscopes' images; RGB ones are taken for photographs.
    """
    return info.window("photograph" if info.config.channels == 3 else "microscope")


def halo_of(config: SRCNNConfig) -> int:
    """Return how many low-res pixels around it a result needs, for tiles that fit together."""
    before = [config.halo + BICUBIC_REACH * config.scale]
    if config.noise:
        before.append(config.halo - config.kernels[0] // 2 + MEAN_REACH * config.scale)
    return -(-max(before) // config.scale)


def least_side(config: SRCNNConfig) -> int:
    """Return the smallest side of an image that a package takes: more than the halo of both."""
    return max(16, 2 * halo_of(config) + 4)


def name_of(info: ModelInfo) -> str:
    """Return a model's name in the characters that the spec allows, of which five are the least."""
    name = re.sub(r"[^A-Za-z0-9_+\-() ]+", "-", info.name)
    return name if len(name) >= 5 else f"SRCNN {name}"


def description(
    info: ModelInfo,
    header: dict[str, Any],
    files: Mapping[str, bytes],
    settings: dict[str, Any],
    torch: str,
) -> dict[str, Any]:
    """Return the package's description, as YAML takes it.

    Parameters
    ----------
    info : ModelInfo
    header : dict
        What the model's file says of itself; by it the package is taken back.
    files : mapping of str to bytes
        All others of the package, by name.
    settings : dict
        What the architecture is made with.
    torch : str
        The version that the weights were written with.
    """
    card = info.card
    told: dict[str, Any] = {
        "format_version": SPEC,
        "type": "model",
        "name": name_of(info),
        "description": info.description or f"SRCNN, enlarges images ×{info.config.scale}",
    }
    if info.bundled:
        told["authors"] = [{"name": "napari-srcnn developers"}]
    if card.license in _LICENCES:
        told["license"] = card.license
    told |= {
        "cite": [dict(one) for one in _CITE],
        "git_repo": _PROGRAM,
        "tags": _tags(info),
        "documentation": README,
        "covers": [COVER],
        "inputs": _inputs(info),
        "outputs": [_output(info)],
        "weights": _weights(files, settings, torch),
    }
    if data := plain(card.data):
        told["training_data"] = {
            "format_version": "0.3.0",
            "type": "dataset",
            "name": f"Training data of {name_of(info)}"[:128],
            "description": data,
        }
    told["config"] = {KEY: header}
    return told


def _tags(info: ModelInfo) -> list[str]:
    tags = ["super-resolution", "upscaling", "srcnn", "2d", "restoration", "napari-srcnn"]
    return [*tags, "rgb"] if info.config.channels == 3 else [*tags, "microscopy"]


def _inputs(info: ModelInfo) -> list[dict[str, Any]]:
    config = info.config
    low, high = window_of(info)
    colours = ["red", "green", "blue"] if config.channels == 3 else ["intensity"]
    sizes: list[Any] = [{"min": least_side(config), "step": 1} for _ in "yx"]
    found = [
        _tensor(
            LOW_RES,
            "The low-res image; its black is 0, its white 1",
            _axes(colours, sizes, config.scale),
            preprocessing=_affine(high - low, low),
        )
    ]
    if config.noise:
        sizes = [{"tensor_id": LOW_RES, "axis_id": axis} for axis in "yx"]
        found.append(
            _tensor(
                SIGMA,
                "The noise's standard deviation at each pixel, in the image's units; 0 for none",
                _axes(["sigma"], sizes, config.scale),
                preprocessing=_affine(high - low, 0),
            )
        )
    return found


def _output(info: ModelInfo) -> dict[str, Any]:
    config = info.config
    low, high = window_of(info)
    colours = ["red", "green", "blue"] if config.channels == 3 else ["intensity"]
    sizes = [{"tensor_id": LOW_RES, "axis_id": axis} for axis in "yx"]
    axes = _axes(colours, sizes, 1)
    for axis in axes[2:]:
        axis["halo"] = halo_of(config) * config.scale
    return _tensor(
        HIGH_RES,
        f"The image, enlarged ×{config.scale}, in the units of the low-res one",
        axes,
        postprocessing=_affine(1 / (high - low), -low / (high - low)),
    )


def _tensor(name: str, text: str, axes: list[dict[str, Any]], **processing: Any) -> dict[str, Any]:
    given = {kind: steps for kind, steps in processing.items() if steps}
    return {
        "id": name,
        "description": text,
        "axes": axes,
        "test_tensor": {"source": f"{name}.npy"},
        "data": {"type": "float32"},
        **given,
    }


def _axes(channels: list[str], sizes: list[Any], pixel: int) -> list[dict[str, Any]]:
    """Return the axes of a tensor (B, C, Y, X); `pixel` is its pixels' size in high-res ones."""
    planes = [
        {"type": "space", "id": axis, "size": size, "scale": float(pixel)}
        for axis, size in zip("yx", sizes, strict=True)
    ]
    return [{"type": "batch"}, {"type": "channel", "channel_names": channels}, *planes]


def _affine(gain: float, offset: float) -> list[dict[str, Any]]:
    """Return the step that maps values linearly; none where it would change nothing."""
    if gain == 1 and offset == 0:
        return []
    kwargs = {"gain": float(gain), "offset": float(offset)}
    return [{"id": "scale_linear", "kwargs": kwargs}]


def _weights(files: Mapping[str, bytes], settings: dict[str, Any], torch: str) -> dict[str, Any]:
    def entry(name: str) -> dict[str, Any]:
        return {"source": name, "sha256": sha256(files[name]).hexdigest()}

    architecture = {**entry(ARCHITECTURE), "callable": "UpscalingSRCNN", "kwargs": settings}
    converted = {"parent": "pytorch_state_dict"}
    return {
        "pytorch_state_dict": {
            **entry(STATE),
            "architecture": architecture,
            "pytorch_version": torch,
        },
        "torchscript": {**entry(TORCHSCRIPT), **converted, "pytorch_version": torch},
        "onnx": {**entry(ONNX), **converted, "opset_version": 18},
    }


def documentation(info: ModelInfo) -> str:
    """Return the package's README."""
    config, (low, high) = info.config, window_of(info)
    licence = plain(info.card.license) or "the model states none"
    sections = {
        f"# {name_of(info)}": [
            f"An SRCNN: bicubic enlargement ×{config.scale}, then three convolutions. It takes the "
            "low-res image; bicubic is part of it. Written by napari-srcnn, which takes it back by "
            "`napari-srcnn models --import FILE`."
        ],
        "## Input and output": [
            "`low_res` holds values of 0..1: map your image's range (its percentiles 0.1 and 99.9, "
            "measured once a stack) to 0..1 before, and the result back after. Values beyond it "
            f"are kept. The network itself sees them as {low:g}..{high:g}.",
            *([_ABOUT_SIGMA] if config.noise else []),
            f"Tiles overlap by {halo_of(config)} low-res pixels, so that their borders show "
            "nowhere. What a program puts around the image itself may differ from napari-srcnn, "
            "which mirrors it there; the result then differs as far from the border.",
        ],
        "## The model": ["\n".join(f"- {line}" for line in card_lines(info))],
        "## Validation": [
            f"Make images that the model has not seen {config.scale} times smaller, enlarge them "
            "with the model and with bicubic, and compare both with the originals by PSNR and SSIM "
            "(`napari-srcnn benchmark`, `napari-srcnn assess`). A network adds what is likely, not "
            "what was measured: do not count, measure or diagnose on its result what cannot be "
            "seen in the low-res image."
        ],
        "## Licence": [licence],
        "## How to cite": ["\n".join(f"- {one['text']}: {_address(one)}" for one in _CITE)],
    }
    return "\n\n".join("\n\n".join([title, *texts]) for title, texts in sections.items()) + "\n"


def _address(cited: Mapping[str, str]) -> str:
    return cited.get("url") or f"https://doi.org/{cited['doi']}"
