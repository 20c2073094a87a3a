"""A package for bioimage.io as a model: ours as it was, others' if their weights are an SRCNN's.

Of a package only its description, its state_dict and its test tensors are read. Its code, its
TorchScript and its ONNX file are never run.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from napari_srcnn.models.bioimageio.package import Package, at
from napari_srcnn.models.bioimageio.zoo import Zoo
from napari_srcnn.network.checkpoint import KEY, CheckpointError, model_bytes

# What a state_dict of ours holds beside the network's own weights.
_BEFORE = ("bicubic.weight", "mean.weight")


def package_model(path: Path) -> bytes:
    """Return a package's model as a model file of ours.

    Parameters
    ----------
    path : Path
        ``.bioimage.io.zip``.

    Returns
    -------
    bytes
        A ``.safetensors`` file; :func:`~napari_srcnn.network.checkpoint.read_header` checks it.

    Raises
    ------
    CheckpointError
        If it is damaged, by a newer spec, holds code in its weights, or is no SRCNN.
    """
    package = Package(path)
    weights = at(package.description, "weights", "pytorch_state_dict")
    source = at(weights, "source")
    if not isinstance(source, str):
        given = at(package.description, "weights")
        others = ", ".join(map(str, given)) if isinstance(given, dict) and given else "none"
        raise CheckpointError(
            f"{path.name} holds no pytorch_state_dict (its weights: {others}), and only such "
            "weights are read."
        )
    if "://" in source:
        raise CheckpointError(
            f"{path.name} holds no weights but their address; download the package with all files."
        )
    data = package.read(source, at(weights, "sha256"))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"weights{Path(source).suffix.lower()}"
        file.write_bytes(data)
        try:
            header = at(package.description, "config", KEY)
            return _ours(file, header) if isinstance(header, dict) else Zoo(package).model(file)
        except CheckpointError as error:
            raise CheckpointError(f"{path.name}: {error}") from error


def _ours(file: Path, header: dict[str, Any]) -> bytes:
    import torch

    from napari_srcnn.network.weights_only import load_weights_only

    state = load_weights_only(file)
    if not isinstance(state, dict) or not all(
        isinstance(one, torch.Tensor) and one.dtype == torch.float32 for one in state.values()
    ):
        raise CheckpointError("its weights are no 32-bit floats by name; get it again.")
    tensors = {
        str(name): tensor.detach().numpy() for name, tensor in state.items() if name not in _BEFORE
    }
    try:
        return model_bytes(tensors, json.dumps(header, sort_keys=True))
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"its description is damaged ({error}); get it again.") from error
