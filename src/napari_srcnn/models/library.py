"""Model names: which files they stand for, bundled or the user's own. Loads torch only to load.

The user's own can be renamed, deleted, exported and imported; the bundled ones only exported.
"""

from __future__ import annotations

import difflib
import hashlib
import logging
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from napari_srcnn.models.card import Card, ModelInfo
from napari_srcnn.models.foreign import SUFFIXES as FOREIGN
from napari_srcnn.models.foreign import as_model_file, stem_of
from napari_srcnn.models.paths import user_model_dir
from napari_srcnn.network.checkpoint import SUFFIX, CheckpointError, load_checkpoint, read_header
from napari_srcnn.network.config import SCALES
from napari_srcnn.network.published import read_published

if TYPE_CHECKING:
    from napari_srcnn.network.model import SRCNN


_logger = logging.getLogger(__name__)
_NAME = re.compile(r"[A-Za-z0-9._-]+")
PUBLISHED = (".pt", ".pth", ".ckpt", ".mat", ".bin")
_FILE_SUFFIXES = (SUFFIX, *FOREIGN, *PUBLISHED)
# Best first: what a user gets who names no model.
_PREFERRED_KERNELS = ("9-5-5", "9-3-5", "9-1-5")
# How bundled models' names end; those of photographs' brightness end in nothing. The last are
# microscopes' and told the noise.
RGB, NOISE = "-rgb", "-noise"


def bundled_dir() -> Path:
    """Return the folder of the bundled weights: in the package, or beside its source."""
    package = Path(__file__).parents[1] / "weights"
    return package if package.is_dir() else Path(__file__).parents[3] / "weights"


def _files(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        return {}
    # Files that begin with a dot are leftovers: of macOS ("._name"), or of a write that was killed.
    found = sorted(folder.glob(f"*{SUFFIX}"), key=lambda path: path.stem)
    paths = (path for path in found if path.name[0] != ".")
    return {path.stem: path for path in paths}


def list_models() -> list[str]:
    """Return the names of all models, the bundled ones first."""
    bundled = _files(bundled_dir())
    own = (name for name in _files(user_model_dir()) if name not in bundled)
    return [*bundled, *(name for name in own if _NAME.fullmatch(name))]


def own_models() -> list[str]:
    """Return the names of the user's own models, those that are damaged too."""
    bundled = _files(bundled_dir())
    return [name for name in list_models() if name not in bundled]


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
        If no model has that name; the message says which names are like it.
    """
    if is_path(name):
        path = Path(name).expanduser()
        if not path.is_file():
            raise CheckpointError(f"There is no model file {path}; check its name.")
        return path
    for folder in (bundled_dir(), user_model_dir()):
        if path := _files(folder).get(str(name)):  # type: ignore[assignment]
            return path
    known = list_models()
    # Not all of them: a list of twenty names is no help to who has mistyped one.
    near = " or ".join(difflib.get_close_matches(str(name), known, cutoff=0.4))
    meant = f"did you mean {near}? " if near else ""
    raise CheckpointError(
        f"There is no model named {str(name)!r}; {meant}"
        f"'napari-srcnn models' lists all {len(known)}."
    )


@lru_cache(maxsize=256)
def _info(path: Path, modified_ns: int, size: int) -> ModelInfo:
    """Read a header once for each version of a file."""
    if path.suffix.lower() in (SUFFIX, *FOREIGN):
        with as_model_file(path) as file:
            config, card = read_header(file)
    else:
        published = read_published(path)
        config, card = published.config, published.card(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    bundled = path.parent == bundled_dir()
    return ModelInfo(
        name=stem_of(path),
        path=path,
        config=config,
        card=Card.from_dict(card),
        sha256=digest,
        bundled=bundled,
    )


def model_info(name: str | Path) -> ModelInfo:
    """Return what is known of a model, by its name or path, without loading torch.

    Raises
    ------
    CheckpointError
        If there is no such model or its file cannot be used.
    """
    path = find_model(name)
    try:
        stat = path.stat()
        return _info(path, stat.st_mtime_ns, stat.st_size)
    except OSError as error:
        raise CheckpointError(f"{path.name} cannot be read: {error.strerror}.") from error


def usable_models() -> list[ModelInfo]:
    """Return all models that can be used; a damaged file of the user's own is left out, and said.

    Any list to choose from is made of these: :func:`list_models` knows names alone.
    """
    found = []
    for name in list_models():
        try:
            found.append(model_info(name))
        except CheckpointError as error:
            _logger.warning("The model %s is left out: %s", name, error)
    return found


def load_model(name: str | Path) -> SRCNN:
    """Load a model by its name or path.

    Parameters
    ----------
    name : str or Path
        One of :func:`list_models`, or a file; a published one (``.mat``, ``.pth`` …) as well,
        where its name says the scale, a package for bioimage.io, or an ONNX file of ours.

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
    if info.path.suffix.lower() in (SUFFIX, *FOREIGN):
        with as_model_file(info.path) as file:
            model, _ = load_checkpoint(file)
    else:
        model = read_published(info.path).model()
    model.info = info  # type: ignore[assignment]  # nn.Module types attributes as tensors
    return model


def bundled_name(scale: int, suffix: str = "") -> str | None:
    """Return the bundled model with the best kernels for a scale, of those named ``…-suffix``."""
    for kernels in _PREFERRED_KERNELS:
        name = f"srcnn-{kernels}-x{scale}{suffix}"
        if name in _files(bundled_dir()):
            return name
    return None


def microscopes_model(scale: int) -> str | None:
    """Return the bundled model of microscopes and scanners for a scale, which is told the noise.

    It is what a lab's stack is enlarged by and what its fine-tuning starts from.
    """
    return bundled_name(scale, NOISE)


def default_model(scale: int, channels: int = 1) -> str:
    """Return the name of the bundled model of photographs for a scale.

    Raises
    ------
    CheckpointError
        If none is bundled for it.
    """
    name = bundled_name(scale, RGB if channels == 3 else "")
    if name is not None:
        return name
    *first, last = map(str, SCALES)
    listed = f"{', '.join(first)} and {last}"
    raise CheckpointError(
        f"No bundled model enlarges ×{scale} with {channels} channel(s); "
        f"scales of {listed} are bundled."
    )
