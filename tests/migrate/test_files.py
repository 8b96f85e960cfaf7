"""Files as lanes read them: whole or part by part, and never as what they were not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gof3r.migrate.files import Changed, Sources


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(bytes(range(100)))
    return path


@pytest.fixture
def sources(file: Path) -> Iterator[Sources]:
    before = len(os.listdir("/proc/self/fd"))
    sources = Sources([str(file)], parts=True)
    yield sources
    sources.close()
    assert len(os.listdir("/proc/self/fd")) == before, "nothing stays open"


@pytest.mark.parametrize("room", [1, 33, 50, 99, 100, 1000])
def test_a_file_is_read_part_by_part(sources: Sources, room: int) -> None:
    read, ended, memory = b"", False, bytearray(room)
    while not ended:
        length, ended = sources.load(0, memoryview(memory))
        read += memory[:length]
        assert length == room or ended
    assert read == bytes(range(100))
    assert sources.found[0].size == 100


def test_a_file_that_was_listed_as_smaller_is_told(file: Path) -> None:
    with pytest.raises(Changed, match="grown since it was listed"):
        Sources([str(file)]).load(0, memoryview(bytearray(99)))


def test_an_empty_file_has_its_end_at_once(sources: Sources, file: Path) -> None:
    file.write_bytes(b"")
    assert sources.load(0, memoryview(bytearray(10))) == (0, True)


@pytest.mark.parametrize("now", [b"", bytes(50), bytes(100), bytes(101)])
def test_a_file_that_changes_meanwhile_is_told(sources: Sources, file: Path, now: bytes) -> None:
    sources.load(0, memoryview(bytearray(60)))
    os.utime(file, ns=(1, 1))
    file.write_bytes(now)
    with pytest.raises(Changed, match="changed while it was read"):
        sources.load(0, memoryview(bytearray(60)))
    assert not sources.found


def test_what_is_let_go_of_is_closed_and_read_anew(sources: Sources) -> None:
    memory = bytearray(60)
    sources.load(0, memoryview(memory))
    sources.forget(0)
    assert sources.load(0, memoryview(memory)) == (60, False)
    assert memory == bytes(range(60))
