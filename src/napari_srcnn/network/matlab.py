"""How much a MATLAB file becomes, found out before it is read."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from napari_srcnn.network.checkpoint import CheckpointError
from napari_srcnn.words import format_bytes

# The authors' files take 0.1 MB; no network that can be computed with takes so much.
_MOST = 128 * 2**20
_HEADER, _PIECE = 128, 2**16
_COMPRESSED = 15


def check_size(path: Path) -> None:
    """Raise CheckpointError where a MATLAB file is, or becomes, larger than networks are.

    Its compressed variables are unpacked piece by piece, and nothing of them is kept.
    """
    try:
        left = _MOST - path.stat().st_size
        with path.open("rb") as file:
            header = file.read(_HEADER)
            order = ">" if header[126:128] == b"MI" else "<"
            # Version 4 has no such header, and compresses nothing.
            while left >= 0 and header[126:128] in (b"MI", b"IM"):
                tag = file.read(8)
                if len(tag) < 8:
                    break
                kind, size = struct.unpack(order + "II", tag)
                if kind != _COMPRESSED:
                    file.seek(size, 1)
                    continue
                left -= _unpacked(file.read(min(size, _MOST)), left)
    except (OSError, zlib.error) as error:
        raise CheckpointError(f"{path.name} cannot be read as a MATLAB file: {error}.") from error
    if left < 0:
        raise CheckpointError(
            f"{path.name} holds more than {format_bytes(_MOST)}, which is no SRCNN of the authors'."
        )


def _unpacked(packed: bytes, most: int) -> int:
    """Return how many bytes packed ones become, counted no further than beyond `most`."""
    total, unpacker = 0, zlib.decompressobj()
    while packed and total <= most and not unpacker.eof:
        total += len(unpacker.decompress(packed, _PIECE))
        packed = unpacker.unconsumed_tail
    return total
