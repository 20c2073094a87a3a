"""One page about a result: pictures, figures, how it was made, and text for a paper."""

from __future__ import annotations

import base64
import html
import io
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_srcnn.assess.assessment import Assessed, Assessment
from napari_srcnn.assess.spectra import spectra_of
from napari_srcnn.assess.tables import remarks, said_of
from napari_srcnn.image.stack import Stack

# Pixels of a picture's longer side.
_SIDE = 420
COLORS = {"source": "#777777", "bicubic": "#c77700", "result": "#0060b0", "reference": "#00803c"}
REFERENCES = (
    "C. Dong, C. C. Loy, K. He, X. Tang. Image Super-Resolution Using Deep Convolutional Networks. "
    "IEEE TPAMI 38, 295-307 (2016).",
    "S. Culley et al. Quantitative mapping and minimization of super-resolution optical imaging "
    "artifacts. Nature Methods 15, 263-266 (2018).",
    "A. Descloux, K. S. Grußmayer, A. Radenovic. Parameter-free image resolution estimation based "
    "on decorrelation analysis. Nature Methods 16, 918-924 (2019).",
    "Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli. Image quality assessment: from error "
    "visibility to structural similarity. IEEE TIP 13, 600-612 (2004).",
    "S. Koho et al. Fourier ring correlation simplifies image restoration in fluorescence "
    "microscopy. Nature Communications 10, 3103 (2019).",
)
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:58rem;margin:2rem auto;padding:0 1rem;color:#222}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}
table{border-collapse:collapse}td,th{padding:.25rem .8rem;border-bottom:1px solid #ddd;
text-align:right;font-variant-numeric:tabular-nums}td:first-child,th:first-child{text-align:left}
figure{display:inline-block;margin:0 .6rem .6rem 0;vertical-align:top}
figcaption{font-size:.85rem;color:#555}img{image-rendering:pixelated;max-width:100%}
.note{background:#fff6e0;padding:.6rem .9rem;border-left:4px solid #e0a000}
pre{background:#f5f5f5;padding:.8rem;overflow:auto;font-size:.8rem}
"""


def page(
    title: str,
    assessment: Assessment,
    middle: Assessed,
    *,
    provenance: Mapping[str, Any] | None = None,
) -> str:
    """Return the report as HTML that needs no other file.

    Parameters
    ----------
    title : str
        What was assessed.
    assessment : Assessment
    middle : Assessed
        The plane that is shown.
    provenance : mapping, optional
        How the result was made, as its file says.
    """
    parts = [
        f"<h1>{html.escape(title)}</h1>",
        *(f'<p class="note">{html.escape(note)}</p>' for note in assessment.notes),
        "<h2>Figures</h2>",
        _table(assessment),
        *(f"<p>{html.escape(remark)}</p>" for remark in remarks(assessment)),
        "<h2>Pictures</h2>",
        f"<p>Plane {html.escape(_place(middle.index))} of {middle.planes_total}.</p>",
        _pictures(middle),
        "<h2>Power by frequency</h2>",
        _spectra(middle),
        "<h2>Methods</h2>",
        f"<p>{html.escape(methods(assessment, provenance))}</p>",
        "<ol>" + "".join(f"<li>{html.escape(one)}</li>" for one in REFERENCES) + "</ol>",
    ]
    if provenance is not None:
        parts += [
            "<h2>How the result was made</h2>",
            f"<pre>{html.escape(json.dumps(dict(provenance), indent=1, default=str))}</pre>",
        ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body>"
        + "\n".join(parts)
        + "</body></html>\n"
    )


def record_of(result: Stack) -> Mapping[str, Any] | None:
    """Return what a result's file or layer says of how it was made; None for nothing."""
    made = result.metadata.get("napari_srcnn")
    return made if isinstance(made, Mapping) and made else None


def methods(assessment: Assessment, provenance: Mapping[str, Any] | None) -> str:
    """Return text for a paper's methods section."""
    made = ""
    if provenance is not None:
        # As the record says: the model may be gone from this computer.
        sha = str(provenance.get("model_sha256") or "")[:12]
        what = [
            f"napari-srcnn {provenance.get('version', 'of an unknown version')}",
            f"model {provenance.get('model', 'unknown')}" + f", SHA-256 {sha}…" * bool(sha),
        ]
        made = f"The image was enlarged {assessment.scale} times by SRCNN [1] ({', '.join(what)}). "
    text = made + (
        f"The enlarged image was degraded to the grid of the recorded one ({_how(assessment)}) and "
        "compared with it by the resolution-scaled error (RSE) and Pearson coefficient (RSP) of "
        "NanoJ-SQUIRREL [2]"
    )
    if assessment.noise_text:
        text += f", and in standard deviations of the noise ({assessment.noise_text})"
    text += ". Its resolution was estimated by decorrelation analysis [3]"
    if assessment.source_frc_pixels is not None and math.isfinite(assessment.source_frc_pixels):
        text += ", that of the recorded image by Fourier ring correlation of its checkerboards [5]"
    text += "."
    if assessment.rows[0].psnr is not None:
        text += (
            " PSNR, PSNR after fitting gain and offset, SSIM [4] and MS-SSIM are against a "
            f"reference, for a range of {assessment.rows[0].data_range:g}; what both have in "
            "common by Fourier ring correlation (threshold 1/7)."
        )
    return text


def _how(assessment: Assessment) -> str:
    """Return in words how an image was made small."""
    kept = {
        "area": "mean over each camera pixel",
        "point": "value at the centre of each pixel",
        "bicubic": "antialiased bicubic",
    }[assessment.degradation.sampling]
    sigma = assessment.degradation.sigma
    return f"Gaussian blur of {sigma:g} pixels, then the {kept}" if sigma else kept


def _table(assessment: Assessment) -> str:
    head = "<tr><th></th>" + "".join(f"<th>{html.escape(row.what)}</th>" for row in assessment.rows)
    lines = [
        f"<tr><td>{html.escape(name)}</td>"
        + "".join(f"<td>{html.escape(figure)}</td>" for figure in figures)
        for name, figures in said_of(assessment)
    ]
    return "<table>" + "".join(f"{line}</tr>" for line in (head, *lines)) + "</table>"


def _pictures(middle: Assessed) -> str:
    low, high = _limits(middle.source)
    found = [_figure("recorded", _gray(middle.source, low, high))]
    for what, image in middle.images.items():
        found.append(_figure(what, _gray(image, low, high)))
    near = middle.planes["result"][0]
    if not np.isfinite(near.difference).any():
        pass
    elif near.sigmas is not None:
        found.append(
            _figure(
                "difference, ±5 σ of the noise: blue too dark, red too bright",
                _signed(near.sigmas, 5.0),
            )
        )
    else:
        limit = _limits(np.abs(near.difference))[1] or 1.0
        found.append(
            _figure(
                f"difference, ±{limit:.3g}: blue too dark, red too bright",
                _signed(near.difference, limit),
            )
        )
    return "".join(found)


def _limits(image: NDArray[Any]) -> tuple[float, float]:
    known = image[np.isfinite(image)]
    if not known.size:
        return 0.0, 1.0
    low, high = np.percentile(known, (0.5, 99.5))
    return float(low), float(high)


def _gray(image: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    values = np.nan_to_num((image - low) / ((high - low) or 1.0)).clip(0, 1)
    return np.asarray(np.rint(255 * values), dtype=np.uint8)


def _signed(values: NDArray[Any], limit: float) -> NDArray[np.uint8]:
    """Return a picture that is white where nothing is, red above and blue below."""
    share = np.nan_to_num(values / limit, posinf=1, neginf=-1).clip(-1, 1)
    red, blue = np.minimum(1 + share, 1), np.minimum(1 - share, 1)
    colors = np.rint(255 * np.stack([red, np.minimum(red, blue), blue], -1))
    return np.asarray(colors, dtype=np.uint8)


def _figure(caption: str, picture: NDArray[np.uint8]) -> str:
    image = Image.fromarray(picture)
    factor = _SIDE / max(image.size)
    width, height = (max(round(n * factor), 1) for n in image.size)
    size = width, height
    image = image.resize(size, Image.Resampling.NEAREST if factor > 1 else Image.Resampling.BOX)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    text = base64.b64encode(buffer.getvalue()).decode()
    named = html.escape(caption, quote=True)
    return (
        f'<figure><img alt="{named}" src="data:image/png;base64,{text}" width="{size[0]}">'
        f"<figcaption>{named}</figcaption></figure>"
    )


def _spectra(middle: Assessed) -> str:
    """Return a plot of powers by frequency, in periods a pixel of the result."""
    curves = spectra_of(middle)
    if not curves:
        return "<p>The plane is constant or not finite, so that it has no spectrum.</p>"
    lines, names = [], []
    values = np.concatenate([curve.value for curve in curves.values()])
    top, span = float(values.max()), max(float(np.ptp(values)), 1e-9)
    for row, (what, curve) in enumerate(curves.items()):
        points = " ".join(
            f"{40 + 540 * x:.1f},{10 + 220 * float(top - y) / span:.1f}"
            for x, y in zip(curve.frequency, curve.value, strict=True)
        )
        lines.append(
            f'<polyline fill="none" stroke="{COLORS[what]}" stroke-width="1.6" points="{points}"/>'
        )
        names.append(
            f'<text x="470" y="{30 + 18 * row}" fill="{COLORS[what]}" font-size="13">{what}</text>'
        )
    return (
        '<svg viewBox="0 0 600 262" width="600" role="img" aria-label="power by frequency">'
        '<rect x="40" y="10" width="540" height="220" fill="none" stroke="#bbb"/>'
        + "".join([*lines, *names])
        + '<text x="40" y="250" font-size="12" fill="#555">0</text>'
        '<text x="190" y="250" font-size="12" fill="#555">frequency, up to one period in two '
        "pixels of the result</text>"
        '<text x="12" y="130" font-size="12" fill="#555" transform="rotate(-90 14 130)">'
        "log power</text></svg>"
    )


def _place(index: Sequence[int]) -> str:
    return ", ".join(str(n + 1) for n in index) or "1"
