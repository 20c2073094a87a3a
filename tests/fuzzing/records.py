"""Records of how an image was made, and of jobs that can be gone on with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from fuzzing.case import Drawn, Kind
from fuzzing.images import Tiff, plain_page
from fuzzing.values import altered, as_json
from napari_srcnn.upscaling.provenance import Provenance
from napari_srcnn.upscaling.shards.run import ShardRun

RECORD: dict[str, Any] = {
    "schema": 2,
    "version": "0.1.0",
    "libraries": {"numpy": "2.0"},
    "model": "srcnn-9-5-5-x2",
    "model_sha256": "0" * 64,
    "scale": 2,
    "intensity_ranges": [[0.0, 255.0]],
    "window": [0.2, 0.6],
    "noise": [{"gain": 1.0, "read": 2.0, "offset": 3.0}],
    "noise_text": "2.0",
    "smoothing": 1.0,
    "device": "cpu",
    "tile": 256,
    "clipped_values": 0,
    "nonfinite_pixels": 0,
    "seconds": 1.5,
    "messages": ["a"],
    "slices_done": 1,
    "slices_total": 2,
    "job": {"scale": 2, "model": None},
    "source": {"name": "a.tif", "bytes": 9, "content": "0", "image": 0, "siblings": ["b.tif"]},
}
JOB: dict[str, Any] = {
    "source": "a.tif",
    "image": 0,
    "content": RECORD["source"],
    "options": {"scale": 2},
    "fixed": {
        "scale": 2,
        "model": "srcnn-9-1-5-x2",
        "intensity": [[0.0, 255.0]],
        "noise": None,
        "window": [0.0, 1.0],
        "axes": "YX",
        "dtype": "uint8",
        "tile": 64,
    },
    "model_sha256": "0" * 64,
    "layout": {"version": "0.5", "compression": None},
    "provenance": RECORD,
    "version": "0.1.0",
    "schema": 1,
}
MARK: dict[str, Any] = {
    "time": 1.0,
    "level": 0,
    "index": [0, 0],
    "files": [["0/c/0/0", 9, "00"]],
    "clipped": 0,
    "nonfinite": 0,
    "misfit": [0.0, 0.0, 0.0, 1],
    "seconds": 1.0,
}
_PLACE = "a.ome.zarr/0/.napari-srcnn"


@st.composite
def records(draw: st.DrawFn) -> Drawn:
    """A record beside an image."""
    return {"a.json": draw(as_json(draw(altered(RECORD, 5))))}, None


def _use_record(folder: Path, rest: object) -> None:
    values = json.loads((folder / "a.json").read_bytes())
    record = Provenance.from_dict(values)
    json.dumps(record.to_dict())


@st.composite
def jobs(draw: st.DrawFn) -> Drawn:
    """The folder of a result that was begun, with what it says of how to go on."""
    lines = [draw(as_json(draw(altered(MARK)))) for _ in range(draw(st.integers(0, 3)))]
    job = draw(altered(JOB))
    if isinstance(job, dict) and "source" in job:
        job["source"] = "a.tif"  # it may lie anywhere
    return {
        f"{_PLACE}/job.json": draw(as_json(job)),
        "a.tif": Tiff([plain_page("<")]).write(),
        f"{_PLACE}/done-1.jsonl": b"\n".join(lines),
        "../outside/secret": b"x",
    }, None


def _use_job(folder: Path, rest: object) -> None:
    with ShardRun.reopen(folder / "a.ome.zarr", "cpu") as run:
        run.missing()


KINDS = (
    # JSON itself is refused by its own error.
    Kind("records of provenance", records(), _use_record, (ValueError, RecursionError)),
    Kind("jobs of shards", jobs(), _use_job, (ValueError,)),
)
