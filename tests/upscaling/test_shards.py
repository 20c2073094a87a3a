"""Results of shards: the same however they come about, gone on with after a stop, verified."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from commands import posix
from networks import random_network
from yaozarrs import validate_zarr_store

from napari_srcnn import upscale, upscale_file
from napari_srcnn.image.stack import Stack
from napari_srcnn.io import read_stack, write_zarr
from napari_srcnn.models.paths import user_model_dir
from napari_srcnn.network.checkpoint import save_model
from napari_srcnn.upscaling.api import plan_upscale
from napari_srcnn.upscaling.files import Job
from napari_srcnn.upscaling.options import Options
from napari_srcnn.upscaling.provenance import Provenance
from napari_srcnn.upscaling.shards.cluster import on_cluster
from napari_srcnn.upscaling.shards.messages import ShardProgress, ShardReport
from napari_srcnn.upscaling.shards.plan_run import PlanRun
from napari_srcnn.upscaling.shards.run import ShardRun
from napari_srcnn.upscaling.shards.verify import Fault, drop, verify

pytestmark = pytest.mark.usefixtures("one_thread")
SHARD = (2, 64, 64)
SHAPE = (5, 40, 50)


@pytest.fixture
def options(own_home: Path) -> Options:
    """A small network of the user's own, on the CPU."""
    save_model(user_model_dir() / "small.safetensors", random_network(noise=True), {})
    return Options(scale=2, model="small", device="cpu", tile=64)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    tifffile.imwrite(
        tmp_path / "in.tif",
        pixels(),
        photometric="minisblack",
        metadata={"axes": "ZYX", "unit": "um", "spacing": 2.0},
        resolution=(4.0, 4.0),
        imagej=True,
    )
    return Job(source=tmp_path / "in.tif", target=tmp_path / "out.ome.zarr")


def pixels(*, seed: int = 0) -> Any:
    found = np.random.default_rng(seed).integers(100, 4000, SHAPE).astype("u2")
    found[0, :32, :32] = 0
    return found


def done(job: Job, options: Options, task: tuple[int, int] | None = None, **more: Any) -> Any:
    with ShardRun(job, options, **{"shard": SHARD, **more}) as run:
        *_, report = run.messages(task)
    assert isinstance(report, ShardReport)
    return report


def contents(store: Path) -> dict[str, bytes]:
    """The files of pixels, all levels."""
    return {
        path.relative_to(store).as_posix(): path.read_bytes()
        for path in sorted(store.rglob("c/**/*"))
        if path.is_file()
    }


def faults(store: Path) -> list[str]:
    with ShardRun.reopen(store, "cpu") as run:
        return [str(one.fault) for one in verify(run) if one.fault is not None]


# ---------------------------------------------------------------- the same, however


def test_the_result_is_that_of_a_file_and_says_where_it_lies(job: Job, options: Options) -> None:
    report = done(job, options)
    assert (report.written, report.there, report.missing) == (12, 0, 0)
    assert report.is_whole
    with read_stack(job.source) as source, read_stack(job.target) as stack:
        whole = upscale(source, axes="ZYX", scale=2, model="small", device="cpu", tile=64)
        np.testing.assert_array_equal(stack[:], whole)
        assert stack.axes == "ZYX"
        assert stack.pixel_size == pytest.approx((2.0, 0.125, 0.125))
        assert stack.units == ("micrometer",) * 3
        # The first pixel's centre lies a quarter of an old pixel before the old one's.
        assert stack.metadata["layer"]["translate"] == pytest.approx([0, -0.0625, -0.0625])
        made = Provenance.from_dict(stack.metadata["napari_srcnn"])
    assert made.model == "small"
    assert made.source is not None
    assert made.source.name == "in.tif"
    assert made.clipped == report.clipped
    validate_zarr_store(job.target)


def test_a_coarser_level_is_the_mean_of_the_one_before(job: Job, options: Options) -> None:
    big = np.random.default_rng(0).integers(100, 4000, (300, 300)).astype("u2")
    tifffile.imwrite(job.source, big, photometric="minisblack")
    done(job, options, shard=(256, 256))
    import zarr

    levels = zarr.open_group(job.target, mode="r")
    fine, coarse = levels["0"][:], levels["1"][:]
    assert fine.shape == (600, 600)
    means = fine.reshape(300, 2, 300, 2).mean((1, 3))
    np.testing.assert_array_equal(coarse, np.rint(means).astype("u2"))


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2)])
def test_tasks_write_the_same_in_any_order(
    job: Job, options: Options, order: tuple[int, ...]
) -> None:
    done(job, options)
    apart = replace(job, target=job.target.with_name("apart.ome.zarr"))
    reports = [done(apart, options, (number, 3)) for number in order]
    assert [report.is_whole for report in reports] == [False, False, True]
    assert [report.missing for report in reports] == [8, 4, 0]
    assert contents(apart.target) == contents(job.target)
    validate_zarr_store(apart.target)


def test_a_job_without_all_of_its_tasks_is_no_image_and_is_not_finished(
    job: Job, options: Options
) -> None:
    done(job, options, (1, 2))
    with pytest.raises(ValueError, match="zarr"):
        read_stack(job.target)
    with (
        ShardRun(job, options, shard=SHARD) as run,
        pytest.raises(ValueError, match=r"6 of 12 shards of .* are missing; run the tasks"),
    ):
        list(run.finish())
    done(job, options, (2, 2))
    with read_stack(job.target) as stack:
        assert stack.shape == (5, 80, 100)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_both_versions_hold_the_same(job: Job, options: Options, version: str) -> None:
    done(job, options, version=version)
    with read_stack(job.target) as stack:
        expected = upscale(pixels(), 2, axes="ZYX", model="small", device="cpu", tile=64)
        np.testing.assert_array_equal(stack[:], expected)
    assert faults(job.target) == []
    validate_zarr_store(job.target)


def test_colour_samples_come_back_as_they_were(job: Job, options: Options) -> None:
    image = np.random.default_rng(0).integers(0, 255, (40, 50, 3)).astype("u1")
    tifffile.imwrite(job.source, image, photometric="rgb")
    done(job, options, shard=(64, 64, 3))
    with read_stack(job.target) as stack:
        assert stack.axes == "YXS"
        expected = upscale(image, 2, axes="YXS", model="small", device="cpu", tile=64)
        np.testing.assert_array_equal(stack[:], expected)


def test_each_chunk_of_the_source_is_read_once_for_a_shard(options: Options) -> None:
    class Counted:
        shape, dtype = (6, 90, 90), np.dtype("u2")

        def __init__(self) -> None:
            self.keys: list[Any] = []
            self.pixels = np.random.default_rng(0).integers(0, 4000, self.shape).astype("u2")

        def __getitem__(self, key: Any) -> Any:
            self.keys.append(key)
            return self.pixels[key]

    source = Counted()
    plan = plan_upscale(
        source,
        2,
        model="small",
        device="cpu",
        tile=32,
        intensity=(0, 4000),
        noise=3.0,
        axes="ZYX",
    )
    region = (slice(1, 4), slice(40, 110), slice(0, 64))
    part = plan.part(region)
    assert len(source.keys) == 1
    assert source.keys[0][0] == slice(1, 4)
    np.testing.assert_array_equal(part.values, plan.region(region))


# ---------------------------------------------------------------- gone on with


def test_a_stopped_run_does_what_is_missing_only(job: Job, options: Options) -> None:
    done(replace(job, target=job.target.with_name("whole.ome.zarr")), options)
    with ShardRun(job, options, shard=SHARD) as run:
        messages = run.messages()
        for _ in range(3):
            assert isinstance(next(messages), ShardProgress)
        messages.close()  # type: ignore[attr-defined]
    report = done(job, options)
    # The one that was under way was written before the run ended.
    assert (report.written, report.there) in {(9, 3), (8, 4)}
    assert contents(job.target) == contents(job.target.with_name("whole.ome.zarr"))
    with ShardRun(job, options, shard=SHARD) as run:
        assert run.is_whole


@posix
def test_a_killed_run_loses_the_shard_at_hand_and_nothing_else(job: Job, options: Options) -> None:
    done(replace(job, target=job.target.with_name("whole.ome.zarr")), options)
    program = (
        "import sys; from pathlib import Path\n"
        "import torch; torch.set_num_threads(1)\n"
        "from napari_srcnn.upscaling.files import Job\n"
        "from napari_srcnn.upscaling.options import Options\n"
        "from napari_srcnn.upscaling.shards.run import ShardRun\n"
        "job = Job(source=Path(sys.argv[1]), target=Path(sys.argv[2]))\n"
        "options = Options(scale=2, model='small', device='cpu', tile=64)\n"
        f"with ShardRun(job, options, shard={SHARD}) as run:\n"
        "    for message in run.messages():\n"
        "        print('shard', flush=True)\n"
    )
    before = 0
    for wait in (1, 3, 2):
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(job.source), str(job.target)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        for _ in range(wait):
            process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        with ShardRun.reopen(job.target, "cpu") as run:
            there = 12 - len(run.missing())
        assert there >= before + wait, "what was said to be written is there"
        before = there
    assert done(job, options).there == before
    assert contents(job.target) == contents(job.target.with_name("whole.ome.zarr"))
    assert not list(job.target.rglob("*.part"))


def test_half_a_line_in_the_record_is_a_shard_that_is_made_again(
    job: Job, options: Options
) -> None:
    done(job, options)
    with ShardRun.reopen(job.target, "cpu") as run:
        (record,) = run.ledger.folder.glob("done*.jsonl")
        lines = record.read_text().splitlines()
        record.write_text("\n".join([*lines[:-1], lines[-1][:30]]))
        assert len(run.missing()) == 1
    assert done(job, options).written == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"smoothing": 0.5}, "was begun with smoothing by default, not smoothing 0.5"),
        ({"scale": 2, "ensemble": True}, "was begun with no ensemble, not ensemble"),
        ({"dtype": np.dtype("f4")}, "was begun with dtype by default, not dtype float32"),
    ],
)
def test_other_options_are_refused_with_what_differs(
    job: Job, options: Options, change: dict[str, Any], said: str
) -> None:
    done(job, options, (1, 2))
    before = contents(job.target)
    with pytest.raises(ValueError, match=f"{said}; --force"):
        done(job, replace(options, **change))
    assert contents(job.target) == before
    done(job, replace(options, **change), force=True)
    assert contents(job.target) != before


def test_another_image_or_model_is_refused(job: Job, options: Options) -> None:
    done(job, options, (1, 2))
    save_model(user_model_dir() / "small.safetensors", random_network(1, noise=True), {})
    with pytest.raises(ValueError, match="was begun with another model"):
        done(job, options)
    save_model(user_model_dir() / "small.safetensors", random_network(noise=True), {})
    tifffile.imwrite(job.source, pixels(seed=1), photometric="minisblack")
    with pytest.raises(ValueError, match=r"was begun before in.tif was changed"):
        done(job, options)
    other = job.source.with_name("other.tif")
    tifffile.imwrite(other, pixels(), photometric="minisblack")
    with pytest.raises(ValueError, match=r"was begun with in.tif, not other.tif"):
        done(replace(job, source=other), options)


def test_another_version_is_refused(job: Job, options: Options) -> None:
    done(job, options, (1, 2))
    with ShardRun.reopen(job.target, "cpu") as run:
        path = run.ledger.job_path
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": "0.0.9"}))
    with pytest.raises(ValueError, match=r"was begun by napari-srcnn 0.0.9"):
        done(job, options)
    with (
        pytest.raises(ValueError, match="install the same version everywhere"),
        ShardRun.reopen(job.target, "cpu"),
    ):
        pass


def test_a_second_job_on_one_output_is_refused_while_the_first_lives(
    job: Job, options: Options
) -> None:
    with ShardRun(job, options, shard=SHARD) as run:
        messages = run.messages()
        next(messages)
        with pytest.raises(ValueError, match=r"Another job is writing .*out.ome.zarr"):
            done(job, options)
        with pytest.raises(ValueError, match="Another job is writing"):
            done(job, options, (1, 2))
        list(messages)
    assert done(job, options).there == 12


@pytest.fixture
def another(job: Job) -> Iterator[str]:
    """What is at the target already, that nobody asked for."""
    job.target.mkdir()
    (job.target / "zarr.json").write_text("{}")
    yield "{}"
    assert [path.name for path in job.target.iterdir()] == ["zarr.json"]


@pytest.mark.usefixtures("another")
def test_what_others_made_is_not_touched(job: Job, options: Options) -> None:
    for force in (False, True):
        with pytest.raises(ValueError, match="was not made by this program's upscale"):
            done(job, options, force=force)


def test_a_link_is_not_followed(job: Job, options: Options, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    job.target.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="is a link to elsewhere; name the folder itself"):
        done(job, options)
    assert not list((tmp_path / "elsewhere").iterdir())


def test_nothing_is_left_where_a_job_cannot_be_begun(job: Job, options: Options) -> None:
    with pytest.raises(ValueError, match=r"is not made of whole chunks|does not fit"):
        done(job, options, shard=(64, 64))
    assert not job.target.exists()


@posix
def test_a_disk_that_takes_no_more_is_said_and_gone_on_with(job: Job, options: Options) -> None:
    import resource

    whole = replace(job, target=job.target.with_name("whole.ome.zarr"))
    done(whole, options)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with ShardRun(job, options, shard=SHARD) as run:
            resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, hard))
            with pytest.raises(ValueError, match=r"out.ome.zarr was not written: File too large"):
                list(run.messages())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert not list(job.target.rglob("*.part"))
    done(job, options)
    assert contents(job.target) == contents(whole.target)


# ---------------------------------------------------------------- verified


def test_what_is_not_as_it_was_written_is_found_and_made_again(job: Job, options: Options) -> None:
    done(job, options)
    assert faults(job.target) == []
    whole = contents(job.target)
    assert "0/c/0/0/0" in whole
    files = [job.target / key for key in ("0/c/0/0/1", "0/c/1/0/0", "0/c/2/1/1")]
    files[0].unlink()
    files[1].write_bytes(files[1].read_bytes()[:-7])
    changed = bytearray(files[2].read_bytes())
    changed[len(changed) // 2] ^= 1
    files[2].write_bytes(changed)
    found = faults(job.target)
    assert found == [
        "shard 0/0/1 of level 0 is missing",
        "shard 1/0/0 of level 0 is truncated",
        "shard 2/1/1 of level 0 is altered",
    ]
    untouched = job.target / "0/c/0/0/0"
    when = untouched.stat().st_mtime_ns
    with ShardRun.reopen(job.target, "cpu") as run:
        drop(run, [one.fault for one in verify(run) if one.fault is not None])
        *_, report = run.messages()
    assert isinstance(report, ShardReport)
    assert report.written == 3
    assert contents(job.target) == whole
    assert untouched.stat().st_mtime_ns == when
    assert faults(job.target) == []


def test_what_the_pyramid_is_made_of_is_made_again_with_it(job: Job, options: Options) -> None:
    big = np.random.default_rng(0).integers(100, 4000, (300, 300)).astype("u2")
    tifffile.imwrite(job.source, big, photometric="minisblack")
    done(job, options, shard=(256, 256))
    with ShardRun.reopen(job.target, "cpu") as run:
        drop(run, [Fault(level=0, index=(2, 2), what="altered")])
        assert run.missing(0) == [(2, 2)]
        assert run.missing(1) == [(1, 1)], "rows 512 to 599 of the finest are from 256 in the next"


def test_a_shard_of_zeros_has_no_file_and_one_that_appears_is_altered(
    job: Job, options: Options
) -> None:
    tifffile.imwrite(job.source, np.zeros((2, 40, 50), "u2"), photometric="minisblack")
    options = replace(options, intensity=(0.0, 1.0), noise=None)
    save_model(user_model_dir() / "small.safetensors", zero_network(), {})
    done(job, options)
    assert contents(job.target) == {}
    assert faults(job.target) == []
    target = job.target / "0/c/0/0/0"
    target.parent.mkdir(parents=True)
    target.write_bytes(b"1")
    assert faults(job.target) == ["shard 0/0/0 of level 0 is altered"]


def zero_network() -> Any:
    model = random_network(strength=0.0)
    model.conv3.bias.data.zero_()
    return model


# ---------------------------------------------------------------- many workers


def test_a_clusters_workers_write_the_same_though_one_is_killed(job: Job, options: Options) -> None:
    distributed = pytest.importorskip("distributed", reason="needs the extra 'cluster'")
    whole = replace(job, target=job.target.with_name("whole.ome.zarr"))
    done(whole, options)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
        ) as cluster,
        ShardRun(job, options, shard=SHARD) as run,
    ):
        messages = on_cluster(run, scheduler=cluster.scheduler_address)
        next(messages)
        for worker in list(cluster.workers.values())[:1]:
            os.kill(worker.pid, signal.SIGKILL)
        *_, report = messages
    assert isinstance(report, ShardReport)
    assert report.is_whole
    assert report.written == 12
    assert contents(job.target) == contents(whole.target)


def test_a_scheduler_that_is_not_there_is_said(
    job: Job, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed", reason="needs the extra 'cluster'")
    from napari_srcnn.upscaling.shards import cluster

    monkeypatch.setattr(cluster, "_PATIENCE", "1s")
    with (
        ShardRun(job, options, shard=SHARD) as run,
        pytest.raises(ValueError, match=r"There is no dask scheduler at tcp://127.0.0.1:9"),
    ):
        list(cluster.on_cluster(run, scheduler="tcp://127.0.0.1:9"))


def test_workers_of_this_machine_write_the_same_and_are_gone_afterwards(
    job: Job, options: Options
) -> None:
    pytest.importorskip("distributed", reason="needs the extra 'cluster'")
    from napari_srcnn.upscaling.shards.local import LocalWorkers

    whole = replace(job, target=job.target.with_name("whole.ome.zarr"))
    done(whole, options)
    with LocalWorkers(2) as workers, ShardRun(job, options, shard=SHARD) as run:
        workers.begin()
        *_, report = on_cluster(run, workers=workers)
        assert workers.process is not None
        assert workers.process.poll() is None
    assert workers.process.poll() == 0
    assert isinstance(report, ShardReport)
    assert report.is_whole
    assert contents(job.target) == contents(whole.target)


@posix
def test_workers_end_with_a_process_that_is_killed() -> None:
    pytest.importorskip("distributed", reason="needs the extra 'cluster'")
    program = """
    import os, signal
    from napari_srcnn.upscaling.shards.local import LocalWorkers
    workers = LocalWorkers(1)
    workers.address()
    print(workers.process.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        check=False,
    )
    host = int(ran.stdout)
    deadline = time.monotonic() + 60
    while _is_running(host):
        assert time.monotonic() < deadline, "The workers' process is still there."
        time.sleep(0.1)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    # An orphan that ended may wait for a parent that never asks.
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


def test_workers_without_dask_name_the_extra(
    job: Job, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ValueError, match=r"pip install 'napari-srcnn\[cluster\]'"):
        upscale_file(job.source, job.target, 2, workers=2, model="small", device="cpu")
    with (
        ShardRun(job, options, shard=SHARD) as run,
        pytest.raises(ValueError, match=r"pip install 'napari-srcnn\[cluster\]'"),
    ):
        list(on_cluster(run, scheduler="tcp://127.0.0.1:9"))


def test_the_example_of_the_page_on_clusters_runs(
    job: Job, options: Options, repository: Path, tmp_path: Path
) -> None:
    pytest.importorskip("distributed", reason="needs the extra 'cluster'")
    page = (repository / "docs" / "cluster.md").read_text("utf-8")
    example = next(part for part in page.split("```python\n")[1:] if "LocalCluster(" in part)
    program = tmp_path / "example.py"
    lines = [f"source, target = {str(job.source)!r}, {str(job.target)!r}", example.split("```")[0]]
    program.write_text("\n".join(lines), "utf-8")
    subprocess.run([sys.executable, str(program)], check=True, capture_output=True)
    with read_stack(job.target) as stack:
        assert stack.shape == (5, 80, 100)
    assert faults(job.target) == []


def test_a_file_becomes_a_file_from_python(job: Job, options: Options) -> None:
    given: dict[str, Any] = {"model": "small", "device": "cpu", "tile": 64}
    tiff = upscale_file(job.source, job.target.with_name("out.ome.tif"), 2, **given)
    zarr = upscale_file(job.source, job.target, 2, task=(1, 1), **given)
    with read_stack(tiff) as one, read_stack(zarr) as other:
        np.testing.assert_array_equal(one[:], other[:])
        assert one.pixel_size == pytest.approx(other.pixel_size)
    with pytest.raises(ValueError, match=r"end its name in .ome.zarr"):
        upscale_file(job.source, tiff, 2, workers=2, **given)
    with pytest.raises(ValueError, match="choose one"):
        upscale_file(job.source, zarr, 2, workers=2, task=(1, 2), **given)


def test_a_plan_of_pixels_in_memory_is_written_and_gone_on_with(job: Job, options: Options) -> None:
    def run(values: Any) -> PlanRun:
        plan = plan_upscale(values, 2, axes="ZYX", model="small", device="cpu", tile=64)
        result = Stack(data=np.empty(plan.shape, "u1"), axes="ZYX", pixel_size=(2.0, 0.25, 0.25))
        return PlanRun(plan, job.target, result, name="a layer", shard=SHARD)

    with run(pixels()) as begun:
        messages = begun.messages()
        next(messages)
        messages.close()  # type: ignore[attr-defined]
    with run(pixels()) as again:
        *_, report = again.messages()
    assert isinstance(report, ShardReport)
    assert report.there >= 1
    with read_stack(job.target) as written:
        expected = upscale(pixels(), 2, axes="ZYX", model="small", device="cpu", tile=64)
        np.testing.assert_array_equal(written[:], expected)
        assert written.pixel_size == pytest.approx((2.0, 0.25, 0.25))
    with pytest.raises(ValueError, match="was begun before a layer was changed"), run(pixels() + 1):
        pass


def test_an_address_is_upscaled(job: Job, options: Options) -> None:
    fsspec = pytest.importorskip("fsspec", reason="needs fsspec, which reads addresses")
    made = write_zarr(job.source.with_name("in.ome.zarr"), Stack(data=pixels(), axes="ZYX"))
    memory = fsspec.filesystem("memory")
    memory.put(str(made), "/shards.ome.zarr", recursive=True)
    try:
        done(replace(job, source=Path("memory://shards.ome.zarr")), options)
    finally:
        memory.rm("/shards.ome.zarr", recursive=True)
    with read_stack(job.target) as stack:
        expected = upscale(pixels(), 2, axes="ZYX", model="small", device="cpu", tile=64)
        np.testing.assert_array_equal(stack[:], expected)
