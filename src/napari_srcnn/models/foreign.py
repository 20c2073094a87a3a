"""Model files of other kinds, read as model files of ours: packages for bioimage.io, and ONNX."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from napari_srcnn.network.checkpoint import CheckpointError

PACKAGE, ONNX = ".bioimage.io.zip", ".onnx"
#: How the names of such files end; a package may have been renamed.
SUFFIXES = (".zip", ONNX)


def stem_of(path: Path) -> str:
    """Return a file's name without the ending that says its kind."""
    name = path.name
    if name.lower().endswith(PACKAGE) and len(name) > len(PACKAGE):
        return name[: -len(PACKAGE)]
    return path.stem


@contextlib.contextmanager
def as_model_file(path: Path) -> Iterator[Path]:
    """Give a model file that holds a file's network; for the time of the ``with`` block only.

    Parameters
    ----------
    path : Path
        A package for bioimage.io or an ONNX file; or a model file, which is given as it is.

    Yields
    ------
    Path
        With the same name, since messages say it.

    Raises
    ------
    CheckpointError
        If it is damaged or holds no SRCNN, or if a package of the extra ``export`` is missing.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        yield path
        return
    if not path.is_file():
        raise CheckpointError(f"There is no model file {path}; check its name.")
    if suffix == ONNX:
        from napari_srcnn.network.onnx_graph import onnx_model

        data = onnx_model(path)
    else:
        from napari_srcnn.models.bioimageio.read import package_model

        data = package_model(path)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / path.name
        file.write_bytes(data)
        yield file
