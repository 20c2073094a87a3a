"""The same bytes from the same device, whatever the tiles and the threads are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from networks import random_network
from numpy.typing import NDArray

from napari_srcnn.image.rect import Tile
from napari_srcnn.upscaling import work
from napari_srcnn.upscaling.api import plan_upscale
from napari_srcnn.upscaling.lazy import LazyResult
from napari_srcnn.upscaling.levels import fixed_blocks
from napari_srcnn.upscaling.messages import Report
from napari_srcnn.upscaling.options import Options
from napari_srcnn.upscaling.pending import Pending
from napari_srcnn.upscaling.resolve import resolve
from napari_srcnn.upscaling.tiles import Engine

OPTIONS: dict[str, Any] = {"model": random_network(), "device": "cpu", "consistent": True}


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> NDArray[np.float32]:
    """A stack of several small blocks."""
    monkeypatch.setattr(work, "CPU_BLOCK", 40)
    return np.random.default_rng(0).normal(size=(2, 45, 38)).astype(np.float32)


def ran(stack: NDArray[Any], **options: Any) -> Report:
    *_, report = plan_upscale(stack, **OPTIONS, **options).run()
    assert isinstance(report, Report)
    return report


@pytest.mark.parametrize("asked", [{"tile": 16}, {"tile": 77}, {}])
def test_tiles_and_threads_change_no_byte(stack: NDArray[Any], asked: dict[str, Any]) -> None:
    expected = ran(stack).result
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        report = ran(stack, deterministic=True, **asked)
    finally:
        torch.set_num_threads(threads)
    assert report.deterministic
    assert report.provenance.to_dict()["deterministic"] is True
    assert report.result.tobytes() == expected.tobytes()


def test_parts_are_computed_by_the_blocks_of_the_whole(stack: NDArray[Any]) -> None:
    plan = plan_upscale(stack, **OPTIONS)
    whole, part = ran(stack).result, (1, slice(13, 75), slice(41))
    assert plan.region(part).tobytes() == whole[part].tobytes()
    assert plan.part(part).values.tobytes() == whole[part].tobytes()
    lazy = LazyResult(resolve(Options.of(**OPTIONS), stack), [stack])
    area = Tile(y0=13, y1=75, x0=0, x1=41)
    assert lazy.read(0, (1,), area).tobytes() == whole[part].tobytes()


def test_shards_begin_where_blocks_do() -> None:
    plane = (2500, 1030)
    blocks = fixed_blocks(Tile(y0=0, y1=2500, x0=0, x1=1030), plane, 208)
    covered = np.zeros(plane, np.uint8)
    for one in blocks:
        covered[one.slices] += 1
        assert max(one.height, one.width) <= 208
    assert (covered == 1).all()
    assert {0, 1024, 2048} <= {one.y0 for one in blocks}
    shard = fixed_blocks(Tile(y0=1024, y1=2048, x0=0, x1=1024), plane, 208)
    assert len(shard) == 25
    assert set(shard) <= set(blocks)


def test_who_asks_for_a_tile_gets_it_and_no_promise(stack: NDArray[Any]) -> None:
    report = ran(stack, tile=32)
    assert (report.tile, report.deterministic) == (32, False)
    assert ran(stack, deterministic=False, tile=32).deterministic is False


class FullEngine(Engine):
    """An engine whose device holds small tiles only."""

    def submit(self, raw: NDArray[Any], *arguments: Any, **options: Any) -> Pending:
        if max(raw.shape[-2:]) > 40:
            raise torch.OutOfMemoryError("out of memory")
        return super().submit(raw, *arguments, **options)


def test_without_memory_for_a_block_the_promise_is_taken_back(
    stack: NDArray[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {**OPTIONS, "consistent": False}
    monkeypatch.setattr(work, "CPU_BLOCK", 88)
    plan = plan_upscale(stack, **options)
    plan.__dict__["engine"] = FullEngine(
        plan.model, plan.device, color="gray", alpha=False, dtype=plan.dtype
    )
    *_, report = plan.run()
    assert isinstance(report, Report)
    assert not report.deterministic
    assert "may differ from another run's in its last bits" in " ".join(report.messages)
    whole = plan_upscale(stack, **options).region((slice(None),) * 3)
    assert np.abs(report.result - whole).max() < 1e-5
