"""Model files: safetensors whose header holds the network's configuration and its card.

The header is JSON in front of the tensors, so that names, sizes and figures can be read without
torch and without loading a weight; and a file can hold no code.
"""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_srcnn.network.config import SRCNNConfig
from napari_srcnn.words import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from napari_srcnn.network.model import SRCNN

KEY = "napari_srcnn"
FORMAT = 1
SUFFIX = ".safetensors"
# Of ours; the format's own is 100 MB, whose JSON can take gigabytes of memory.
_HEADER_LIMIT = 8 * 2**20


class CheckpointError(ValueError):
    """A model file that cannot be used; the message is one sentence for its user.

    Of what the file says of itself it holds no more than fits on a line.
    """

    def __init__(self, text: str = "") -> None:
        super().__init__(one_line(text))


def read_header(path: str | Path) -> tuple[SRCNNConfig, dict[str, Any]]:
    """Read a model file's configuration and card, without its weights and without torch.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    config : SRCNNConfig
    card : dict
        Description, licence, data, recipe, figures, windows.

    Raises
    ------
    CheckpointError
        If the file is missing, cut short, of another kind, or from a newer version.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            prefix = file.read(8)
            length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else 0
            if not 2 <= length <= min(_HEADER_LIMIT, size - 8):
                raise CheckpointError(
                    f"{path.name} is not a model file or is cut short; "
                    f"a {SUFFIX} file written by napari-srcnn is needed."
                )
            header = json.loads(file.read(length))
    except FileNotFoundError:
        raise CheckpointError(f"There is no model file {path}; check its name.") from None
    except OSError as error:
        raise CheckpointError(f"{path.name} cannot be read: {error.strerror}.") from error
    # A number of thousands of digits is a ValueError.
    except (ValueError, RecursionError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(
            f"{path.name} is not a model file; a {SUFFIX} file written by napari-srcnn is needed."
        ) from error
    config, card = _parse(path, header)
    _check_tensors(path, header, config)
    # Known before torch, which takes seconds to load, finds it out.
    if path.stat().st_size != 8 + length + 4 * config.parameters:
        raise CheckpointError(f"{path.name} is damaged or cut short; get it again.")
    return config, card


def _parse(path: Path, header: Any) -> tuple[SRCNNConfig, dict[str, Any]]:
    metadata = header.get("__metadata__") if isinstance(header, dict) else None
    if not isinstance(metadata, dict) or KEY not in metadata:
        raise CheckpointError(
            f"{path.name} holds tensors but no napari-srcnn model; "
            "a file written by napari-srcnn is needed."
        )
    try:
        value = json.loads(metadata[KEY])
        if value["format"] > FORMAT:
            raise CheckpointError(
                f"{path.name} was written by a newer napari-srcnn (format {value['format']}); "
                "update napari-srcnn to use it."
            )
        config = SRCNNConfig.from_dict(value["config"])
        card = dict(value["card"])
        windows = card.get("windows", {})
        for low, high in windows.values():
            if not (math.isfinite(low) and math.isfinite(high) and low < high):
                raise ValueError(f"its card has windows of {windows}.")
    except CheckpointError:
        raise
    except (
        AttributeError,
        KeyError,
        OverflowError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise CheckpointError(f"{path.name} describes no usable model: {error}") from error
    return config, card


def _check_tensors(path: Path, header: dict[str, Any], config: SRCNNConfig) -> None:
    """Compare the types and shapes in the header with the configuration.

    A small file could otherwise ask for a network that fills the memory before its weights are
    found missing.
    """
    found = {
        name: tuple(entry.get("shape", ())) if isinstance(entry, dict) else ()
        for name, entry in header.items()
        if name != "__metadata__"
    }
    wanted: dict[str, tuple[int, ...]] = {}
    for number, (n_in, n_out, k) in enumerate(config.layers, start=1):
        wanted[f"conv{number}.weight"] = (n_out, n_in, k, k)
        wanted[f"conv{number}.bias"] = (n_out,)
    if config.noise:
        wanted["noise.weight"] = (config.widths[0], 1, 1, 1)
    if found != wanted:
        raise CheckpointError(
            f"{path.name} holds weights of other shapes than its header says; "
            "it is damaged, get it again."
        )
    kinds = {str(header[name].get("dtype")) for name in wanted}
    if kinds != {"F32"}:
        raise CheckpointError(
            f"{path.name} holds weights that are no 32-bit floats; "
            "a file written by napari-srcnn is needed."
        )


def load_checkpoint(path: str | Path) -> tuple[SRCNN, dict[str, Any]]:
    """Load a network and its card.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    model : SRCNN
        On the CPU, in float32, in evaluation mode.
    card : dict

    Raises
    ------
    CheckpointError
        If the file cannot be used; nothing in it is ever executed.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from napari_srcnn.network.model import SRCNN

    path = Path(path)
    config, card = read_header(path)
    try:
        tensors = load_file(path)
        model = SRCNN(config)
        model.load_state_dict(tensors)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path.name} is damaged or cut short: {error}.") from error
    except RuntimeError as error:
        raise CheckpointError(
            f"{path.name} holds weights of other shapes than its header says; "
            "it is damaged, get it again."
        ) from error
    if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
        raise CheckpointError(f"{path.name} holds weights that are not finite; get it again.")
    return model.eval(), card


def save_model(path: str | Path, model: SRCNN, card: dict[str, Any]) -> Path:
    """Write a model file atomically: beside its place first, then renamed.

    Parameters
    ----------
    path : path-like
        Ends in ``.safetensors``.
    model : SRCNN
    card : dict
        Whatever JSON takes.

    Returns
    -------
    Path

    Raises
    ------
    CheckpointError
        If the file cannot be written; what was there before stays.
    """
    path = Path(path)
    tensors = {name: t.detach().cpu().numpy() for name, t in model.state_dict().items()}
    write_atomically(path, model_bytes(tensors, header_text(model.config, card)))
    return path


def header_text(config: SRCNNConfig, card: Mapping[str, Any]) -> str:
    """Return what a model file's header, or another file's metadata, says of a model: JSON."""
    value = {"format": FORMAT, "config": config.to_dict(), "card": dict(card)}
    return json.dumps(value, sort_keys=True)


def model_bytes(tensors: Mapping[str, NDArray[np.float32]], header: str) -> bytes:
    """Return a model file.

    Parameters
    ----------
    tensors : mapping of str to ndarray
        By the names of :class:`~napari_srcnn.network.model.SRCNN`.
    header : str
        See :func:`header_text`.
    """
    import numpy as np
    from safetensors.numpy import save

    stored = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    return save(stored, metadata={KEY: header})


def write_atomically(path: Path, data: bytes) -> None:
    """Write bytes beside `path` and rename them into place.

    Raises
    ------
    CheckpointError
        If there is no space or no permission; what was there before stays.
    """
    from napari_srcnn.io.atomic import write_bytes  # with tifffile: not for reading a header

    try:
        write_bytes(path, data)
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be written: {error.strerror or error}; "
            "choose another place or make room."
        ) from error
