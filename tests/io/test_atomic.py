"""A file is the old one or the new one, never half of one."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import numpy as np
import pytest

from napari_srcnn.io import Stack, write_stack
from napari_srcnn.io.atomic import replacing, write_bytes
from napari_srcnn.network.checkpoint import CheckpointError, write_atomically


def test_a_file_is_replaced_when_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with replacing(path) as new:
        new.write_bytes(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt, GeneratorExit, MemoryError])
def test_after_a_failure_the_old_file_stands_and_nothing_else(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(error), replacing(path) as new:  # noqa: PT012
        new.write_bytes(b"half")
        raise error
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "a.bin"):
        pass


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_a_file_has_the_permissions_that_the_user_gives_to_new_files(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_bytes(tmp_path / "folder" / "a.bin", b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "folder" / "a.bin").stat().st_mode) == 0o640


@pytest.mark.parametrize("length", [244, 255])
def test_a_name_as_long_as_the_file_system_takes_is_written(tmp_path: Path, length: int) -> None:
    path = tmp_path / ("x" * (length - 8) + ".ome.tif")
    write_stack(path, Stack(data=np.ones((4, 5), "u2"), axes="YX"))
    write_bytes(path.with_suffix(".bin"), b"x")
    assert sorted(tmp_path.iterdir()) == [path.with_suffix(".bin"), path]


def test_a_model_that_finds_no_room_is_refused_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match="No space left on device; choose another place"):
        write_atomically(tmp_path / "a.safetensors", b"x")
    assert not list(tmp_path.iterdir())
