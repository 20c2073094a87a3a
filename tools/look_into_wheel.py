"""Look into a built wheel: what has to be in it is, and nothing else.

    python tools/look_into_wheel.py dist/napari_srcnn-*.whl

The standard library is enough. Ends with 1 and a sentence for each thing that is wrong.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "napari_srcnn"


def wanted() -> set[str]:
    """Return the files that a wheel has, by their names in it, without its metadata."""
    source = {
        f"napari_srcnn/{path.relative_to(PACKAGE).as_posix()}"
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    weights = {f"napari_srcnn/weights/{path.name}" for path in (ROOT / "weights").iterdir()}
    return source | weights


def faults(wheel: Path) -> list[str]:
    """Say what a wheel lacks, and what it has too much."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    return [f"{wheel.name} lacks {name}." for name in sorted(wanted() - names)] + [
        f"{wheel.name} holds {name}, which does not belong there."
        for name in sorted(names - wanted())
    ]


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("Name a wheel: python tools/look_into_wheel.py dist/*.whl")
    found = [fault for name in sys.argv[1:] for fault in faults(Path(name))]
    print(*found or ["All that belongs in it is there, and nothing else."], sep="\n")
    sys.exit(bool(found))
