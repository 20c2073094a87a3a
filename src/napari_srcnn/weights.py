"""Model names: which files they stand for, bundled or the user's own. Loads torch only to load."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_srcnn.checkpoint import SUFFIX, CheckpointError, load_checkpoint, read_header
from napari_srcnn.config import SRCNNConfig
from napari_srcnn.layouts import read_published
from napari_srcnn.paths import user_model_dir

if TYPE_CHECKING:
    from napari_srcnn.model import SRCNN

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_FILE_SUFFIXES = (SUFFIX, ".pt", ".pth", ".ckpt", ".mat", ".bin")
# Best first: what a user gets who names no model.
_PREFERRED_KERNELS = ("9-5-5", "9-3-5", "9-1-5")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """What is known of a model without loading its weights."""

    name: str
    path: Path
    config: SRCNNConfig
    card: dict[str, Any]
    sha256: str
    bundled: bool

    @property
    def description(self) -> str:
        """One line for a menu."""
        return str(self.card.get("description", ""))

    def window(self, kind: str) -> tuple[float, float]:
        """Return the window for ``"photograph"`` or ``"microscope"`` images (0..1 by default)."""
        low, high = self.card.get("windows", {}).get(kind, (0.0, 1.0))
        return float(low), float(high)


def bundled_dir() -> Path:
    """Return the folder of the bundled weights: in the package, or beside its source."""
    package = Path(__file__).parent / "weights"
    return package if package.is_dir() else Path(__file__).parents[2] / "weights"


def _files(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        return {}
    # Files that begin with a dot are leftovers: of macOS ("._name"), or of a write that was killed.
    paths = (path for path in sorted(folder.glob(f"*{SUFFIX}")) if path.name[0] != ".")
    return {path.stem: path for path in paths}


def list_models() -> list[str]:
    """Return the names of all models, the bundled ones first."""
    bundled = _files(bundled_dir())
    own = (name for name in _files(user_model_dir()) if name not in bundled)
    return [*bundled, *(name for name in own if _NAME.fullmatch(name))]


def is_path(name: str | Path) -> bool:
    """Tell whether `name` is a path: it has a separator or a model file's suffix."""
    text = str(name)
    return (
        isinstance(name, Path)
        or "/" in text
        or "\\" in text
        or text.lower().endswith(_FILE_SUFFIXES)
    )


def find_model(name: str | Path) -> Path:
    """Return the file that a model name or a path stands for.

    Raises
    ------
    CheckpointError
        If no model has that name; the message lists those that are there.
    """
    if is_path(name):
        path = Path(name).expanduser()
        if not path.is_file():
            raise CheckpointError(f"There is no model file {path}; check its name.")
        return path
    for folder in (bundled_dir(), user_model_dir()):
        if path := _files(folder).get(str(name)):  # type: ignore[assignment]
            return path
    known = ", ".join(list_models()) or "none"
    raise CheckpointError(f"There is no model named {str(name)!r}; there are: {known}.")


def check_name(name: str) -> str:
    """Return `name` if a user's model may have it.

    Raises
    ------
    CheckpointError
        If it has other characters than letters, digits, ``.``, ``_`` and ``-``, looks like a path,
        or is a bundled model's.
    """
    if not _NAME.fullmatch(name) or is_path(name) or name.startswith("."):
        raise CheckpointError(
            f"{name!r} cannot be a model's name; use letters, digits, '.', '_' and '-' "
            "and no file suffix."
        )
    if name in _files(bundled_dir()):
        raise CheckpointError(f"{name!r} is a bundled model's name; choose another one.")
    return name


@lru_cache(maxsize=256)
def _info(path: Path, modified_ns: int, size: int) -> ModelInfo:
    """Read a header once for each version of a file."""
    if path.suffix.lower() == SUFFIX:
        config, card = read_header(path)
    else:
        published = read_published(path)
        config, card = published.config, published.card(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    bundled = path.parent == bundled_dir()
    return ModelInfo(
        name=path.stem, path=path, config=config, card=card, sha256=digest, bundled=bundled
    )


def model_info(name: str | Path) -> ModelInfo:
    """Return what is known of a model, by its name or path, without loading torch.

    Raises
    ------
    CheckpointError
        If there is no such model or its file cannot be used.
    """
    path = find_model(name)
    stat = path.stat()
    return _info(path, stat.st_mtime_ns, stat.st_size)


def load_model(name: str | Path) -> SRCNN:
    """Load a model by its name or path.

    Parameters
    ----------
    name : str or Path
        One of :func:`list_models`, or a file; a published one (``.mat``, ``.pth`` …) as well,
        where its name says the scale.

    Returns
    -------
    SRCNN
        On the CPU, in evaluation mode; its ``info`` attribute is its :class:`ModelInfo`.

    Raises
    ------
    CheckpointError
        If there is no such model or its file cannot be used.
    """
    info = model_info(name)
    if info.path.suffix.lower() == SUFFIX:
        model, _ = load_checkpoint(info.path)
    else:
        model = read_published(info.path).model()
    model.info = info  # type: ignore[assignment]  # nn.Module types attributes as tensors
    return model


def default_model(scale: int, channels: int = 1) -> str:
    """Return the name of the bundled model for a scale.

    Raises
    ------
    CheckpointError
        If none is bundled for it.
    """
    for kernels in _PREFERRED_KERNELS:
        name = f"srcnn-{kernels}-x{scale}" + ("-rgb" if channels == 3 else "")
        if name in _files(bundled_dir()):
            return name
    raise CheckpointError(
        f"No bundled model enlarges ×{scale} with {channels} channel(s); "
        "scales of 2, 3 and 4 are bundled."
    )
