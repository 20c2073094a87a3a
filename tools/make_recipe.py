"""Write conda-recipe/recipe.yaml, conda-forge's recipe, from pyproject.toml.

    python tools/make_recipe.py [SHA256]

SHA256 is that of the source archive on the package index, known once a version is there; without it
the recipe builds from the repository that it lies in.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "conda-recipe" / "recipe.yaml"
# conda-forge's names where they are not the package index'.
CONDA = {"torch": "pytorch", "dask[array]": "dask-core"}


def requirement(line: str) -> str:
    """Spell a dependency as conda does: the name, a space, the bound."""
    name, bound = re.fullmatch(r"([\w.\[\]-]+)(.*)", line).groups()  # type: ignore[union-attr]
    return f"{CONDA.get(name, name)} {bound}".strip()


def recipe(sha256: str | None = None) -> str:
    """Make the text of the recipe."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    init = (ROOT / "src" / "napari_srcnn" / "__init__.py").read_text("utf-8")
    found = re.search(r'^__version__ = "(.+)"$', init, re.MULTILINE)
    version = found.group(1)  # type: ignore[union-attr]
    least = project["requires-python"].removeprefix(">=")
    source = (
        "  url: https://pypi.org/packages/source/n/napari-srcnn/"
        "napari_srcnn-${{ version }}.tar.gz\n"
        f"  sha256: {sha256}"
        if sha256
        else "  path: .."
    )
    needs = "\n".join(f"    - {line}" for line in sorted(map(requirement, project["dependencies"])))
    return f"""# Written by tools/make_recipe.py from pyproject.toml.
schema_version: 1

context:
  version: "{version}"
  python_min: "{least}"

package:
  name: napari-srcnn
  version: ${{{{ version }}}}

source:
{source}

build:
  number: 0
  noarch: python
  script: ${{{{ PYTHON }}}} -m pip install . -vv --no-deps --no-build-isolation
  python:
    entry_points:
      - napari-srcnn = {project["scripts"]["napari-srcnn"]}

requirements:
  host:
    - python ${{{{ python_min }}}}.*
    - pip
    - hatchling >=1.26
  run:
    - python >=${{{{ python_min }}}}
{needs}

tests:
  - python:
      imports: [napari_srcnn, napari_srcnn.cli]
      pip_check: true
      python_version: ${{{{ python_min }}}}.*
  - script:
      - napari-srcnn --help
      - napari-srcnn models

about:
  summary: {project["description"]!r}
  license: {project["license"]}
  license_file: LICENSE
  homepage: {project["urls"]["Homepage"]}
  repository: {project["urls"]["Source"]}
"""


if __name__ == "__main__":
    TARGET.write_text(recipe(*sys.argv[1:2]), "utf-8")
