"""The end of a stream, and the word of whoever answers for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gof3r.engine.flow.events import Fill, Filled, SourceFailed
from gof3r.engine.proc.slab import Slab
from gof3r.engine.proc.source import Source
from gof3r.engine.values import Slot

SLOT = Slot(0, 0, 65536)


@pytest.fixture
def ended() -> Iterator[Source]:
    """A source at its end that nobody has vouched for yet; three bytes of it are in the slot."""
    reading, writing = os.pipe()
    os.write(writing, b"abc")
    os.close(writing)
    source = Source(reading, Slab(SLOT.size), crc=False, trusted=False)
    source.begin(Fill(SLOT, SLOT.size, look_ahead=False))
    assert source.read() is source.read() is None
    assert source.at_end
    yield source
    os.close(reading)


def test_an_end_counts_when_somebody_vouches_for_it(ended: Source) -> None:
    filled = ended.commit()
    assert isinstance(filled, Filled)
    assert (filled.slot, filled.length, filled.ended) == (SLOT, 3, True)


def test_a_word_that_comes_after_the_source_was_stopped_is_about_nothing(ended: Source) -> None:
    ended.stop()
    assert ended.commit() is None
    assert not ended.at_end


def test_a_file_that_is_changed_and_gets_its_old_time_back_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    with path.open("rb") as file:
        source = Source(file.fileno(), Slab(SLOT.size), crc=False)
        before = path.stat()
        while path.stat().st_ctime_ns == before.st_ctime_ns:  # the file system's clock has ticks
            path.write_bytes(b"abd")
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert path.stat().st_mtime_ns == before.st_mtime_ns
        source.begin(Fill(SLOT, SLOT.size, look_ahead=False))
        assert source.read() is None
        assert isinstance(source.read(), SourceFailed)
