"""The figures of an assessment as text: for reading, for a spreadsheet, for a program."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import TYPE_CHECKING, Any

from napari_srcnn.image.units import PIXEL, ome_symbol

if TYPE_CHECKING:
    from napari_srcnn.assess.assessment import Assessment

# What a reader is shown, and how it is called.
COLUMNS = {
    "rse": "RSE",
    "rsp": "RSP",
    "beyond_3_sigma": "beyond 3 σ",
    "largest": "largest difference",
    "total": "total intensity",
    "psnr": "PSNR (dB)",
    "si_psnr": "PSNR, fitted (dB)",
    "ssim": "SSIM",
    "ms_ssim": "MS-SSIM",
    "nrmse": "NRMSE",
    "decorrelation_pixels": "decorrelation (pixels)",
    "decorrelation_length": "decorrelation",
    "frc_pixels": "shared with reference (pixels)",
    "frc_length": "shared with reference",
}
_SHARES = {"beyond_3_sigma", "total"}


def said_of(assessment: Assessment) -> list[tuple[str, list[str]]]:
    """Return what a reader is shown: of each figure that is known its name and its values."""
    return [
        (title, [say(name, getattr(row, name), assessment.unit) for row in assessment.rows])
        for name, title in COLUMNS.items()
        if any(getattr(row, name) is not None for row in assessment.rows)
    ]


def say(name: str, value: Any, unit: str = "") -> str:
    """Return a figure for reading."""
    if value is None:
        return "–"
    if name in _SHARES:
        # Of what is next to nothing, the sign says nothing either.
        return f"{round(value, 4) + 0.0:+.2%}" if name == "total" else f"{value:.2%}"
    if name.endswith("_length"):
        return f"{value:.3g} {ome_symbol(unit) or unit}"
    return f"{value:.4g}"


def listing(assessment: Assessment) -> str:
    """Return the figures as lines, a column each for the result and bicubic."""
    lines = [f"{'':32}" + "".join(f"{row.what:>14}" for row in assessment.rows)]
    for name, figures in said_of(assessment):
        lines.append(f"{name:32}" + "".join(f"{figure:>14}" for figure in figures))
    return "\n".join([*lines, *remarks(assessment)])


def remarks(assessment: Assessment) -> list[str]:
    """Return what figures are for, a range and a noise, and how fine the source is."""
    found = []
    if assessment.rows[0].data_range is not None:
        found.append(f"PSNR and SSIM are for a range of {assessment.rows[0].data_range:g}.")
    if assessment.noise_text:
        found.append(f"Noise of the source: {assessment.noise_text}.")
    periods = assessment.source_frc_pixels
    if periods is not None and math.isfinite(periods):
        source = assessment.compared.source
        y = source.axes.index("Y")
        unit = source.units[y]
        length = f", {periods * source.pixel_size[y]:.3g} {ome_symbol(unit) or unit}"
        found.append(
            f"Resolution of the source by Fourier ring correlation: {periods:.3g} of its pixels"
            f"{length if unit != PIXEL else ''}."
        )
    return found


def as_cells(assessment: Assessment) -> str:
    """Return the figures as they are pasted into a spreadsheet: columns with tabs between."""
    lines = ["\t".join(["", *(row.what for row in assessment.rows)])]
    for name, title in COLUMNS.items():
        values = [getattr(row, name) for row in assessment.rows]
        if any(value is not None for value in values):
            lines.append("\t".join([title, *("" if v is None else f"{v:.8g}" for v in values)]))
    return "\n".join(lines) + "\n"


def as_csv(assessment: Assessment) -> str:
    """Return the figures of each plane as CSV."""
    buffer = io.StringIO()
    rows = [
        {"what": what, "plane": number, **figures}
        for what, planes in assessment.curves.items()
        for number, figures in enumerate(planes, start=1)
    ]
    writer = csv.DictWriter(buffer, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def as_json(assessment: Assessment, *, result: str, source: str) -> str:
    """Return all figures as JSON, with the names of the images."""
    return json.dumps({"result": result, "source": source, **assessment.to_dict()})
