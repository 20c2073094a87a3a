"""A network as TorchScript: its code and its weights, for programs that hold no Python."""

from __future__ import annotations

import io
import warnings
import zipfile

import torch

from napari_srcnn.network.checkpoint import CheckpointError
from napari_srcnn.network.standalone import UpscalingSRCNN

# Where each line of the code comes from: folders of who made the file, and of no use to others.
_NOT_KEPT = ".debug_pkl"


def torchscript_bytes(model: UpscalingSRCNN) -> bytes:
    """Return a network as a TorchScript file.

    Parameters
    ----------
    model : UpscalingSRCNN
        In evaluation mode.

    Raises
    ------
    CheckpointError
        If this torch cannot make one, which it does not promise from Python 3.14 on.
    """
    written = io.BytesIO()
    try:
        with warnings.catch_warnings():
            # PyTorch goes on to load what it discourages; other programs load nothing else.
            warnings.simplefilter("ignore", DeprecationWarning)
            torch.jit.save(torch.jit.script(model), written)
    except (RuntimeError, TypeError, ValueError, OSError) as error:
        raise CheckpointError(
            f"TorchScript cannot be made here ({error}); export the model as .onnx, or with "
            "Python 3.13 or before."
        ) from error
    kept = io.BytesIO()
    with zipfile.ZipFile(written) as source, zipfile.ZipFile(kept, "w") as target:
        for member in source.infolist():
            if not member.filename.endswith(_NOT_KEPT):
                target.writestr(member, source.read(member))
    return kept.getvalue()
