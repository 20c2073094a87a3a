"""A model as a package for bioimage.io: all that its description names, in one zip file."""

from __future__ import annotations

import inspect
import io
import json
import zipfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_srcnn.models.bioimageio import describe
from napari_srcnn.models.bioimageio.specimen import cover, specimen
from napari_srcnn.models.card import ModelInfo
from napari_srcnn.models.library import load_model
from napari_srcnn.network.checkpoint import header_text, read_header
from napari_srcnn.network.extra import needed

# Of what its cover shows, in low-res pixels (Y, X).
_SHOWN = (64, 64)
# What the networks that are told the noise are told of the specimen, which has none.
_SIGMA = 0.01
_LONG_AGO = (1980, 1, 1, 0, 0, 0)


def package_bytes(info: ModelInfo) -> bytes:
    """Return a model as a package for bioimage.io.

    Parameters
    ----------
    info : ModelInfo

    Returns
    -------
    bytes
        A zip file: its description by spec 0.5, weights as state_dict with the architecture's file,
        as TorchScript and as ONNX, test tensors, a cover, and a README.

    Raises
    ------
    CheckpointError
        If the model cannot be read, or a package of the extra ``export`` is missing.
    """
    import torch

    from napari_srcnn.network import standalone as architecture
    from napari_srcnn.network.onnx_graph import onnx_bytes
    from napari_srcnn.network.phases import settings, standalone
    from napari_srcnn.network.torchscript import torchscript_bytes

    yaml = needed("yaml")
    alone = standalone(load_model(info.path))
    header = header_text(*read_header(info.path))
    state = io.BytesIO()
    torch.save(alone.state_dict(), state)

    def run(low_res: NDArray[np.float32], sigma: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the result, in the image's units, as the package's readers are to get it."""
        low, high = describe.window_of(info)
        seen = torch.from_numpy(low_res) * (high - low) + low
        told = [torch.from_numpy(sigma) * (high - low)] if info.config.noise else []
        with torch.inference_mode():
            result: NDArray[np.float32] = ((alone(seen, *told) - low) / (high - low)).numpy()
        return result

    def drawn(shape: tuple[int, int]) -> list[NDArray[np.float32]]:
        low_res = specimen(*shape, info.config.channels)[None]
        sigma = np.full((1, 1, *shape), _SIGMA, np.float32)
        return [low_res, sigma, run(low_res, sigma)]

    least = describe.least_side(info.config)
    tested, shown = drawn((least, least + 4)), drawn(_SHOWN)
    files = {
        describe.README: describe.documentation(info).encode(),
        describe.COVER: cover(shown[0][0], shown[2][0]),
        describe.ARCHITECTURE: inspect.getsource(architecture).encode(),
        describe.STATE: state.getvalue(),
        describe.TORCHSCRIPT: torchscript_bytes(alone),
        describe.ONNX: onnx_bytes(alone, header),
    }
    names = (describe.LOW_RES, describe.SIGMA, describe.HIGH_RES)
    for name, array in zip(names, tested, strict=True):
        if name != describe.SIGMA or info.config.noise:
            files[f"{name}.npy"] = _npy(array)
    version = torch.__version__.partition("+")[0]
    told = describe.description(info, json.loads(header), files, settings(info.config), version)
    text = yaml.safe_dump(told, sort_keys=False, allow_unicode=True, width=100)
    return _zip({describe.DESCRIPTION: text.encode(), **files})


def _npy(array: NDArray[Any]) -> bytes:
    written = io.BytesIO()
    np.save(written, array)
    return written.getvalue()


def _zip(files: dict[str, bytes]) -> bytes:
    """Return files as a zip file, the same for the same files."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as store:
        for name, data in files.items():
            member = zipfile.ZipInfo(name, _LONG_AGO)
            member.external_attr = 0o644 << 16
            store.writestr(member, data, zipfile.ZIP_DEFLATED, 9)
    return written.getvalue()
