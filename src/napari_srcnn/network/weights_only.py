"""Files of PyTorch, read as tensors and nothing else: no code of theirs runs, none is a bomb.

torch's own ``weights_only`` calls functions for a file, some of which take as much memory as they
are asked for. Here a file is looked through first, and names only what saving tensors needs.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch

from napari_srcnn.network.checkpoint import CheckpointError

_KNOWN = re.compile(
    r"collections OrderedDict|torch (Size|device|[A-Za-z]\w*Storage|float(16|32|64)|bfloat16|int64)"
    r"|torch\._utils (_rebuild_tensor(_v2)?|_rebuild_parameter(_with_state)?)"
)
# Of the format before zip files: a magic number, a version, sizes of types, the object, its keys.
_PICKLES = 5


def load_weights_only(path: Path, device: torch.device | str = "cpu") -> Any:
    """Return what was saved with ``torch.save``: tensors in dictionaries, lists and plain values.

    Parameters
    ----------
    path : Path
    device : torch.device or str
        Where its tensors go.

    Raises
    ------
    CheckpointError
        If it is damaged, names anything but tensors, or would take more memory than its bytes.
    """
    try:
        size = path.stat().st_size
        for code in _pickles(path, size):
            _check_names(path, code)
        with warnings.catch_warnings():
            # Of other pickle protocols; what cannot be read is refused below.
            warnings.simplefilter("ignore", UserWarning)
            content = torch.load(path, map_location=device, weights_only=True)
        if sum(tensor.numel() for tensor in _tensors(content)) > size:
            raise CheckpointError(
                f"{path.name} holds larger tensors than its bytes can be; it is damaged, get it "
                "again."
            )
    except CheckpointError:
        raise
    except pickle.UnpicklingError as error:
        raise _more_than_weights(path) from error
    # Of damaged files torch and zipfile raise errors of any class.
    except Exception as error:
        raise CheckpointError(f"{path.name} is no PyTorch file or is damaged.") from error
    return content


def _pickles(path: Path, size: int) -> Iterator[BinaryIO]:
    """Yield the pickles of a file, each with its beginning next."""
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            for _ in range(_PICKLES):
                yield file
        return
    with zipfile.ZipFile(path) as store:
        if sum(member.file_size for member in store.infolist()) > size:
            raise CheckpointError(
                f"{path.name} is compressed, which PyTorch's files never are; get it again."
            )
        for member in store.infolist():
            if member.filename.endswith(".pkl"):
                yield io.BytesIO(store.read(member))


def _check_names(path: Path, code: BinaryIO) -> None:
    """Refuse a pickle that names what is not needed for tensors; nothing of it is done."""
    try:
        for operation, argument, _ in pickletools.genops(code):
            if operation.name == "GLOBAL" and not _KNOWN.fullmatch(str(argument)):
                raise _more_than_weights(path)
            if operation.name in ("STACK_GLOBAL", "INST", "EXT1", "EXT2", "EXT4"):
                raise _more_than_weights(path)
    except CheckpointError:
        raise
    except Exception:
        # No pickle, or no more of them: torch says so as well.
        return


def _more_than_weights(path: Path) -> CheckpointError:
    return CheckpointError(
        f"{path.name} holds more than weights (Python objects, whose loading can run code) and "
        "is refused; have its author save model.state_dict()."
    )


def _tensors(content: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors in what was saved, however deep they lie."""
    left, seen = [content], set()
    while left:
        value = left.pop()
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, (Mapping, list, tuple)) and id(value) not in seen:
            seen.add(id(value))
            left += value.values() if isinstance(value, Mapping) else value
