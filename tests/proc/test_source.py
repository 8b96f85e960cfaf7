"""The end of a stream, and the word of whoever answers for it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from gof3r.engine.flow.events import Fill, Filled
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
    assert ended.commit() == Filled(SLOT, 3, ended=True)


def test_a_word_that_comes_after_the_source_was_stopped_is_about_nothing(ended: Source) -> None:
    ended.stop()
    assert ended.commit() is None
    assert not ended.at_end
