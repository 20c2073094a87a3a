"""Export every bundled model, and let bioimageio.core test the packages, offline.

Run it with each version of bioimageio.core that packages are made for:

    python -m venv zoo
    zoo/bin/pip install -e ".[export]" onnxruntime "bioimageio.core==0.11.0" "pydantic<2.14"
    zoo/bin/python tools/check_packages.py

It ends with 1 if one does not pass or is larger than a megabyte.
"""

from __future__ import annotations

import argparse
import socket
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

from napari_srcnn.models.library import list_models
from napari_srcnn.models.manage import export_model

LARGEST = 1_000_000


def offline(*arguments: Any) -> None:
    """Refuse to reach another machine."""
    raise OSError("This check is to reach nothing.")


def main() -> int:
    """Check the models that are named, by default all; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", help="Default: all bundled ones.")
    names = parser.parse_args().models or list_models()
    warnings.simplefilter("ignore")
    socket.socket.connect = offline  # type: ignore[method-assign]
    import bioimageio.core as core
    import bioimageio.spec as spec

    print(f"bioimageio.core {core.__version__}, bioimageio.spec {spec.__version__}")
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            file = export_model(name, Path(folder) / f"{name}.bioimage.io.zip")
            summary, size = core.test_description(file), file.stat().st_size
            print(f"{name:32} {summary.status:8} {size / 1000:6.0f} kB", flush=True)
            if summary.status != "passed":
                print(summary.format())
            failed += summary.status != "passed" or size > LARGEST
    print(f"{len(names) - failed} of {len(names)} pass and are at most 1 MB.")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
