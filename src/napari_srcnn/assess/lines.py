"""An assessment as a line that runs: of the command line, and of Python."""

from __future__ import annotations

from collections.abc import Sequence

from napari_srcnn.microscope.degradation import Degradation
from napari_srcnn.upscaling.lines import PROGRAM, Origin, commented, to_save
from napari_srcnn.upscaling.noise_option import Told
from napari_srcnn.upscaling.spelling import number_word
from napari_srcnn.words import shell_line

#: What stands for images that are in no file.
PLACEHOLDERS = (
    "PUT-THE-RESULT-HERE.ome.tif",
    "PUT-THE-SOURCE-HERE.ome.tif",
    "PUT-THE-REFERENCE-HERE.ome.tif",
)
_USUAL = Degradation()


def command_of(
    origins: Sequence[Origin],
    degradation: Degradation = _USUAL,
    noise: Told = "auto",
    data_range: float | None = None,
    *,
    align: bool = False,
) -> str:
    """Return the command that assesses so, and writes a report.

    Where an image is in no file, a comment before it says so.

    Parameters
    ----------
    origins : sequence of Origin
        Of the result, its source, and the reference, if there is one.
    degradation, noise, data_range, align
        As of `assess`; a noise that is given is one standard deviation.
    """
    paths = [_path(*pair) for pair in zip(origins, PLACEHOLDERS, strict=False)]
    words = [PROGRAM, "assess", paths[0], "--source", paths[1]]
    words += ["--reference", paths[2]] if len(paths) > 2 else []
    words += ["--align"] * align
    if origins[1].image not in (None, 1):
        words += ["--image", str(origins[1].image)]
    if degradation.sigma != _USUAL.sigma:
        words += ["--blur", number_word(degradation.sigma)]
    if degradation.sampling != _USUAL.sampling:
        words += ["--sampling", degradation.sampling]
    if noise != "auto":
        words += ["--noise", "none" if noise is None else number_word(_sigma(noise))]
    if data_range is not None:
        words += ["--range", number_word(data_range)]
    if origins[1].axes is not None:
        words += ["--axes", origins[1].axes]
    report = paths[0].removesuffix(".ome.tif").removesuffix(".tif") + "-assessed.html"
    return "\n".join((*_cautions(origins), shell_line([*words, "--report", report])))


def python_of(
    origins: Sequence[Origin],
    degradation: Degradation = _USUAL,
    noise: Told = "auto",
    data_range: float | None = None,
    *,
    align: bool = False,
) -> str:
    """Return the Python that does the same as :func:`command_of`, and prints the figures."""
    stacks = []
    for name, origin, placeholder in zip(
        ("result", "source", "reference"), origins, PLACEHOLDERS, strict=False
    ):
        which = "" if origin.image is None or name != "source" else f", series={origin.image - 1}"
        axes = origins[1].axes
        named = "" if axes is None else f".with_axes({axes!r})"
        stacks.append(f"{name} = read_stack({_path(origin, placeholder)!r}{which}){named}")
    asked = ["result", "source"] + ["reference"] * (len(origins) > 2)
    if degradation != _USUAL:
        asked.append(
            f"degradation=Degradation(sigma={degradation.sigma!r}, "
            f"sampling={degradation.sampling!r})"
        )
    asked += [] if noise == "auto" else [f"noise={None if noise is None else _sigma(noise)!r}"]
    asked += [] if data_range is None else [f"data_range={data_range!r}"]
    asked += ["align=True"] * align
    lines = [
        "from napari_srcnn.assess.assessment import Assessment, assess",
        "from napari_srcnn.assess.tables import listing",
        "from napari_srcnn.io import read_stack",
        "from napari_srcnn.microscope.degradation import Degradation",
        "",
        *stacks,
        f"for message in assess({', '.join(asked)}):",
        "    if isinstance(message, Assessment):",
        "        print(listing(message))",
    ]
    return "\n".join((*_cautions(origins), *lines))


def _path(origin: Origin, placeholder: str) -> str:
    """Return a path by which the whole image is read; what stands for it where there is none."""
    is_result = placeholder != PLACEHOLDERS[1]
    is_found = not origin.is_part and (not is_result or origin.image in (None, 1))
    return origin.path if origin.path and is_found else placeholder


def _cautions(origins: Sequence[Origin]) -> list[str]:
    pairs = zip(origins, PLACEHOLDERS, strict=False)
    return commented([to_save(*pair) for pair in pairs if _path(*pair) == pair[1]])


def _sigma(noise: Told) -> float:
    if isinstance(noise, int | float):
        return float(noise)
    raise ValueError("Of noise, a line takes one standard deviation, none, or what is measured.")
