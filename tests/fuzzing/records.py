"""Records of how an image was made, and of jobs that can be gone on with."""

from __future__ import annotations

import contextlib
import functools
import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from fuzzing.case import Drawn, Kind
from fuzzing.images import Tiff, plain_page
from fuzzing.values import altered, as_json
from napari_srcnn.upscaling.files import Job
from napari_srcnn.upscaling.options import Options
from napari_srcnn.upscaling.shards.run import ShardRun
from napari_srcnn.upscaling.sidecar import read_sidecar

RECORD: dict[str, Any] = {
    "schema": 3,
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
    "consistent": True,
    "deterministic": True,
    "device": "cpu",
    "processor": "",
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
IMAGE = Tiff([plain_page("<")]).write()


@functools.cache
def begun() -> dict[str, Any]:
    """What a job says of itself that was begun and can be gone on with."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "a.tif"), Path(folder, "a.ome.zarr")
        source.write_bytes(IMAGE)
        options = Options(model="srcnn-9-1-5-x2", device="cpu")
        with ShardRun(Job(source=source, target=target), options) as run:
            values: dict[str, Any] = json.loads(run.ledger.job_path.read_bytes())
        return values


@st.composite
def records(draw: st.DrawFn) -> Drawn:
    """A record beside an image."""
    return {"a.json": draw(as_json(draw(altered(RECORD, 5))))}, None


def _use_record(folder: Path, rest: object) -> None:
    json.dumps(read_sidecar(folder / "a.json").to_dict())


@st.composite
def jobs(draw: st.DrawFn) -> Drawn:
    """The folder of a result that was begun, with what it says of how to go on."""
    lines = [draw(as_json(draw(altered(MARK)))) for _ in range(draw(st.integers(0, 3)))]
    job = draw(altered(begun()))
    if isinstance(job, dict) and "source" in job:
        job["source"] = "a.tif"  # it may lie anywhere
    return {
        f"{_PLACE}/job.json": draw(as_json(job)),
        "a.tif": IMAGE,
        f"{_PLACE}/done-1.jsonl": b"\n".join(lines),
        "../outside/secret": b"x",
    }, None


def _use_job(folder: Path, rest: object) -> None:
    # The job's own image is named by a path from here.
    with contextlib.chdir(folder), ShardRun.reopen(folder / "a.ome.zarr", "cpu") as run:
        run.missing()


KINDS = (
    Kind("records of provenance", records(), _use_record, (ValueError,)),
    Kind("jobs of shards", jobs(), _use_job, (ValueError,)),
)
