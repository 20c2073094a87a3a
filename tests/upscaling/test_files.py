"""Files in, files out: which images there are, and what is known to be done."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from networks import random_network

import napari_srcnn
from napari_srcnn.io import OmeTiffWriter, read_stack, tiff, tiff_array
from napari_srcnn.models import choose
from napari_srcnn.models.paths import user_model_dir
from napari_srcnn.network.checkpoint import save_model
from napari_srcnn.upscaling import files as files_module
from napari_srcnn.upscaling.batch.messages import Ended, Writing
from napari_srcnn.upscaling.batch.run import upscale_files
from napari_srcnn.upscaling.files import (
    FileRun,
    Job,
    find_jobs,
    record,
    split_job,
    why_not_done,
)
from napari_srcnn.upscaling.messages import Progress, Report
from napari_srcnn.upscaling.options import Options
from napari_srcnn.upscaling.provenance import SCHEMA, Pixels, Provenance, SourceFile, fingerprint

GRAY: dict[str, Any] = {"photometric": "minisblack"}
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def options(own_home: Path) -> Options:
    """A small network of the user's own, on the CPU."""
    save_model(user_model_dir() / "small.safetensors", random_network(), {})
    return Options(scale=2, model="small", device="cpu", tile=64)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    tifffile.imwrite(tmp_path / "in.tif", noise(2, 20, 24), **GRAY)
    return Job(source=tmp_path / "in.tif", target=tmp_path / "out.ome.tif")


def noise(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(100, 4000, shape).astype("u2")


def run(job: Job, options: Options) -> Report:
    with FileRun(job, options) as work:
        *_, report = work.messages()
    assert isinstance(report, Report)
    return report


def provenance(path: Path) -> Provenance:
    with read_stack(path) as stack:
        return Provenance.from_dict(stack.metadata["napari_srcnn"])


def positions(folder: Path, planes: tuple[int, ...] = (0, 1)) -> Path:
    """Write an image whose planes lie in a file each, as microscopes do."""
    uuids = [f"urn:uuid:10000000-0000-0000-0000-00000000000{n}" for n in planes]
    data = "".join(
        f'<TiffData FirstZ="{n}" IFD="0" PlaneCount="1"><UUID FileName="z{n}.ome.tif">{uuids[n]}'
        "</UUID></TiffData>"
        for n in planes
    )
    for n in planes:
        xml = (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="{uuids[n]}"><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" '
            f'Type="uint16" SizeX="24" SizeY="20" SizeZ="{len(planes)}" SizeC="1" SizeT="1">'
            f'<Channel ID="Channel:0:0"/>{data}</Pixels></Image></OME>'
        )
        path = folder / f"z{n}.ome.tif"
        tifffile.imwrite(path, noise(20, 24, seed=n), description=xml.encode(), metadata=None)
    return folder / "z0.ome.tif"


# -- what is done already -------------------------------------------------------------------------


def test_what_is_done_is_known_to_be(job: Job, options: Options) -> None:
    run(job, options)
    assert why_not_done(job, options) is None
    assert why_not_done(job, replace(options, dtype=np.dtype("f4"))) == (
        "was made with another model or other options"
    )


def test_a_replaced_input_of_the_same_name_size_and_date_is_not_done(
    job: Job, options: Options
) -> None:
    run(job, options)
    before = job.source.stat()
    tifffile.imwrite(job.source, noise(2, 20, 24, seed=1), **GRAY)
    os.utime(job.source, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert job.source.stat().st_size == before.st_size
    assert why_not_done(job, options) == "was made before in.tif was changed"


def test_a_copied_and_renamed_input_is_done(job: Job, options: Options) -> None:
    run(job, options)
    renamed = job.source.with_name("renamed.tif")
    renamed.write_bytes(job.source.read_bytes())
    assert why_not_done(replace(job, source=renamed), options) is None
    tifffile.imwrite(renamed, noise(9, 9), **GRAY)
    assert why_not_done(replace(job, source=renamed), options) == (
        "was made from another file than renamed.tif"
    )


def test_a_changed_sibling_of_the_input_is_a_change(tmp_path: Path, options: Options) -> None:
    job = Job(source=positions(tmp_path), target=tmp_path / "out.ome.tif")
    run(job, options)
    assert provenance(job.target).source == SourceFile.of(job.source, 0, job.files)
    assert [file.name for file in job.files] == ["z0.ome.tif", "z1.ome.tif"]
    assert why_not_done(job, options) is None
    with tifffile.TiffFile(tmp_path / "z1.ome.tif", mode="r+b") as sibling:
        assert sibling.pages[0].dataoffsets
        offset = sibling.pages[0].dataoffsets[0]
    with (tmp_path / "z1.ome.tif").open("r+b") as file:
        file.seek(offset)
        file.write(b"\x01\x02")
    assert why_not_done(job, options) == "was made before z0.ome.tif was changed"


def test_what_an_older_version_wrote_is_known_by_name_size_and_date(
    job: Job, options: Options
) -> None:
    size = job.source.stat().st_size
    made = {
        "model": "small",
        "model_sha256": "…",
        "scale": 2,
        "intensity_ranges": [[0, 1]],
        "window": [0.2, 0.6],
        "device": "CPU",
        "tile": 64,
        "version": "0.1.0",
        "source": {"name": "in.tif", "bytes": size},
        "job": record(options),
    }

    def write(**changes: Any) -> None:
        writer = OmeTiffWriter(
            job.target, (8, 8), "u2", "YX", provenance={**made, **changes}, overwrite=True
        )
        with writer:
            writer[()] = noise(8, 8)

    write()
    assert why_not_done(job, options) is None
    os.utime(job.source, (2e9, 2e9))
    assert why_not_done(job, options) == "is older than in.tif"
    write(source={"name": "in.tif", "bytes": size + 1})
    assert why_not_done(job, options) == "was made from another file than in.tif"
    write(source=None)
    assert why_not_done(job, options) == "was not made by this program's upscale"
    write(window=3)
    assert why_not_done(job, options) == "was not made by this program's upscale"


def test_a_large_file_is_known_by_blocks_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_srcnn.upscaling import provenance as module

    for name, value in (("_WHOLE", 100), ("_BLOCKS", 4), ("_BLOCK", 10)):
        monkeypatch.setattr(module, name, value)
    path = tmp_path / "large"
    path.write_bytes(bytes(1000))
    os.utime(path, (1e9, 1e9))
    before = fingerprint([path])
    for place in (0, 5, 335, 999):
        changed = bytearray(1000)
        changed[place] = 1
        path.write_bytes(changed)
        os.utime(path, (1e9, 1e9))
        assert fingerprint([path]) != before
    path.write_bytes(bytes(1000))
    assert fingerprint([path]) != before  # of another time
    os.utime(path, (1e9, 1e9))
    assert fingerprint([path]) == before


# -- one record -----------------------------------------------------------------------------------


def test_a_result_says_what_it_was_made_of_and_with(job: Job, options: Options) -> None:
    report = run(job, options)
    made = provenance(job.target)
    assert (made.schema, made.model, made.scale, made.tile) == (SCHEMA, "small", 2, 64)
    assert made.ranges == report.provenance.ranges
    assert made.options == record(options)
    assert made.source == SourceFile.of(job.source)
    assert made.libraries["torch"]
    assert not made.is_partial
    assert Provenance.from_dict(made.to_dict()) == made
    assert Provenance.from_dict(report.to_metadata()) == replace(
        report.provenance, seconds=round(report.seconds, 3)
    )


@pytest.mark.parametrize("value", [None, 3, [], {}, {"window": [0, 1]}, {"version": 1}])
def test_what_is_no_record_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="no record of how an image was made"):
        Provenance.from_dict(value)


# -- one look at a file ---------------------------------------------------------------------------


def count_calls(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> list[Any]:
    calls: list[Any] = []
    true: Callable[..., Any] = getattr(module, name)

    def counted(*arguments: Any, **keywords: Any) -> Any:
        calls.append(arguments)
        return true(*arguments, **keywords)

    monkeypatch.setattr(module, name, counted)
    return calls


def test_a_file_is_opened_resolved_and_proposed_for_once(
    job: Job, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = count_calls(monkeypatch, files_module, "read_stack")
    resolved = count_calls(monkeypatch, files_module, "resolve")
    looked = count_calls(monkeypatch, choose, "look_at")
    # 8-bit gray is what is looked at: the others' type says enough.
    tifffile.imwrite(job.source, noise(2, 20, 24).astype(np.uint8), **GRAY)
    run(job, replace(options, model=None))
    assert (len(opened), len(resolved), len(looked)) == (1, 1, 1)


def test_one_look_at_an_image_proposes_for_every_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = count_calls(monkeypatch, choose, "look_at")
    proposals = choose.propose_models(noise(40, 40).astype(np.uint8), (2, 3, 4))
    assert len(looked) == 1
    assert {s: p.model.split("-x")[1][0] for s, p in proposals.items()} == {2: "2", 3: "3", 4: "4"}


def test_a_command_opens_its_source_for_its_images_and_for_their_pixels_only(
    job: Job, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = count_calls(monkeypatch, tiff, "_open")
    *_, ended = upscale_files([job], options, Writing(format="tiff"))
    assert isinstance(ended, Ended)
    assert ended.outcome.outcome == "done"
    assert [path for (path,) in opened] == [job.source] * 2
    assert provenance(job.target).source == SourceFile.of(job.source)


# -- planes that are read ahead and written behind ------------------------------------------------


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_file_holds_what_arrays_give(
    tmp_path: Path, options: Options, compression: str | None
) -> None:
    pixels = noise(7, 20, 24)
    job = Job(source=tmp_path / "in.tif", target=tmp_path / "out.ome.tif")
    tifffile.imwrite(job.source, pixels, metadata={"axes": "ZYX"}, imagej=True)
    with FileRun(job, options, compression=compression) as work:
        *_, _ = work.messages()
    result = napari_srcnn.upscale(pixels, 2, model="small", device="cpu", tile=64)
    with read_stack(job.target) as written:
        np.testing.assert_array_equal(written[:], result)
    pixels_sha256 = hashlib.sha256(result.tobytes()).hexdigest()
    assert provenance(job.target).pixels == Pixels(
        sha256=pixels_sha256, dtype="uint16", shape=(7, 40, 48)
    )


def test_each_plane_is_read_once_to_be_measured_and_once_to_be_enlarged(
    tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Told the noise, so that both the range and the noise are measured.
    save_model(user_model_dir() / "told.safetensors", random_network(noise=True), {})
    job = Job(source=tmp_path / "in.tif", target=tmp_path / "out.ome.tif")
    tifffile.imwrite(job.source, noise(6, 64, 64), metadata={"axes": "ZYX"}, imagej=True)
    read: list[int] = []
    true = tiff_array.TiffArray._plane

    def counted(self: Any, index: tuple[int, ...], box: Any) -> Any:
        read.append(*index)
        return true(self, index, box)

    monkeypatch.setattr(tiff_array.TiffArray, "_plane", counted)
    with FileRun(job, Options(scale=2, model="told", device="cpu", tile=48)) as work:
        assert work.plan.ranges
        assert work.plan.told is not None
        assert sorted(read) == list(range(6))
        *_, report = work.messages()
    assert isinstance(report, Report)
    assert len(report.ranges) == len(report.noise or ()) == 1
    assert sorted(read) == sorted([*range(6), *range(6)])


@pytest.mark.skipif(os.name == "nt", reason="limits of a process are POSIX")
def test_a_disk_that_fills_up_while_others_compute_leaves_one_sentence_and_the_old_file(
    tmp_path: Path, options: Options
) -> None:
    import resource

    job = Job(source=tmp_path / "in.tif", target=tmp_path / "out.ome.tif")
    tifffile.imwrite(job.source, noise(12, 64, 64), metadata={"axes": "ZYX"}, imagej=True)
    job.target.write_bytes(b"the old one")
    there = set(tmp_path.iterdir())
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    expected = pytest.raises(ValueError, match=r"^out.ome.tif was not written: [^\n]+$")
    try:
        with expected, FileRun(job, options) as work:
            messages = work.messages()
            # Room for two of the twelve planes.
            resource.setrlimit(resource.RLIMIT_FSIZE, (80_000, limits[1]))
            list(messages)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert job.target.read_bytes() == b"the old one"
    assert set(tmp_path.iterdir()) == there


def test_what_cannot_be_read_ahead_is_said_in_a_sentence(tmp_path: Path, options: Options) -> None:
    job = Job(source=tmp_path / "in.tif", target=tmp_path / "out.ome.tif")
    tifffile.imwrite(job.source, noise(6, 64, 64), metadata={"axes": "ZYX"}, imagej=True)
    expected = pytest.raises(ValueError, match=r"^in.tif cannot be read at plane \d")
    with expected, FileRun(job, options) as work:
        messages = work.messages()
        next(messages)
        with job.source.open("r+b") as file:
            file.truncate(job.source.stat().st_size // 2)
        list(messages)
    assert not job.target.exists()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_cancelled_job_leaves_nothing_and_no_thread(
    tmp_path: Path, options: Options, error: type[BaseException]
) -> None:
    job = Job(source=tmp_path / "in.tif", target=tmp_path / "out.ome.tif")
    tifffile.imwrite(job.source, noise(9, 64, 64), metadata={"axes": "ZYX"}, imagej=True)
    there = set(tmp_path.iterdir())
    with pytest.raises(error), FileRun(job, options) as work:  # noqa: PT012
        messages = work.messages()
        for message in messages:
            if isinstance(message, Progress) and message.slices_done > 2:
                messages.close()  # type: ignore[attr-defined]  # it is a generator
                raise error
    assert set(tmp_path.iterdir()) == there
    assert not [one for one in threading.enumerate() if one.name.startswith("napari-srcnn")]


# -- images that are more, or less, than a file ---------------------------------------------------


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """A file of three images."""
    path = tmp_path / "in.tif"
    with tifffile.TiffWriter(path) as tif:
        for side in (20, 24, 28):
            tif.write(noise(side, side), **GRAY)
    return path


def test_each_image_of_a_file_becomes_a_file(three: Path, tmp_path: Path, options: Options) -> None:
    (whole,) = find_jobs([three], tmp_path / "out", scale=2)
    jobs = split_job(whole)
    assert [job.target.name for job in jobs] == [f"in_x2_image{n}.ome.tif" for n in (1, 2, 3)]
    for job, side in zip(jobs, (20, 24, 28), strict=True):
        run(job, options)
        assert tifffile.imread(job.target).shape == (2 * side, 2 * side)
        assert why_not_done(job, options) is None
    other = replace(jobs[1], image=2)
    assert why_not_done(other, options) == "was made from another image of in.tif"


def test_one_image_of_a_file_can_be_chosen(three: Path, tmp_path: Path) -> None:
    (whole,) = find_jobs([three], tmp_path / "out.ome.tif", scale=2)
    assert split_job(whole, 2) == [replace(whole, image=1)]
    with pytest.raises(ValueError, match=r"in.tif holds 3 images; there is no number 4"):
        split_job(whole, 4)
    tifffile.imwrite(three, noise(9, 9), **GRAY)
    with pytest.raises(ValueError, match=r"one image; there is no number 2 \(they count from 1"):
        split_job(whole, 2)


def test_a_file_of_one_image_is_one_job(job: Job) -> None:
    assert split_job(job) == [job]
    assert job.files == (job.source,)
