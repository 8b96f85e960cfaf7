"""Journal and receipts together: what has arrived is written down once."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest

from gof3r.engine.errors import Gof3rError, UsageError
from gof3r.migrate import receipts
from gof3r.migrate.appended import WINDOW
from gof3r.migrate.items import Identity
from gof3r.migrate.record import Record
from gof3r.migrate.states import Done, Failed, State
from tests.migrate.samples import item, receipt_of


def opened(folder: Path, work: str = "work") -> Record:
    return Record(str(folder / "j"), str(folder / "r"), work)


def destinations(folder: Path) -> list[str]:
    return [str(receipt.destination) for _, receipt in receipts.read(str(folder / "r"))]


def test_what_is_settled_is_done_and_has_its_receipt(tmp_path: Path) -> None:
    with opened(tmp_path) as record:
        record.journal.begin()
        record.journal.add([item(1), item(2), item(3)], current=True)
        entries = record.journal.take(3)
        for entry in entries[:2]:
            assert record.arrived(entry.id, receipt_of(entry.item), now=5.0)
        assert record.due == 5.0 + WINDOW
        assert record.journal.totals()[State.DONE].items == 0
        assert record.settle() == [entry.id for entry in entries[:2]]
        assert record.due is None and record.settle() == []
        found = {entry.receipt: str(entry.item.destination) for entry in record.journal.entries(State.DONE)}
        assert found == {at: str(one.destination) for at, one in receipts.read(str(tmp_path / "r"))}


def test_what_has_arrived_is_settled_when_the_block_is_left(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), opened(tmp_path) as record:
        record.journal.begin()
        record.journal.add([item(1)], current=True)
        record.arrived(record.journal.take(1)[0].id, receipt_of(item(1)), 0.0)
        raise KeyboardInterrupt
    with opened(tmp_path) as record:
        assert record.journal.totals()[State.DONE].items == 1


def test_an_object_that_arrives_twice_has_one_receipt(tmp_path: Path) -> None:
    with opened(tmp_path) as record:
        record.journal.begin()
        record.journal.add([item(1)], current=True)
        (entry,) = record.journal.take(1)
        record.journal.release([entry.id])  # its machine is taken for lost
        record.journal.take(1)
        assert record.arrived(entry.id, receipt_of(item(1)), 0.0)
        assert not record.arrived(entry.id, receipt_of(item(1)), 0.0)
        record.settle()
        assert not record.arrived(entry.id, receipt_of(item(1)), 0.0)
        record.journal.failed([Failed(entry.id, "x", "y")])
    assert destinations(tmp_path) == ["s3://dst/key 1"]


def test_a_receipt_is_of_its_item(tmp_path: Path) -> None:
    with opened(tmp_path) as record:
        record.journal.begin()
        record.journal.add([item(1)], current=True)
        with pytest.raises(ValueError, match="is s3://dst/key 1, not s3://dst/key 2"):
            record.arrived(1, receipt_of(item(2)), 0.0)
        assert not record.arrived(7, receipt_of(item(2)), 0.0)


def test_what_was_done_of_a_source_that_has_changed_is_superseded(tmp_path: Path) -> None:
    for etag in ("old", "new", "newest"):
        with opened(tmp_path) as record:
            record.journal.begin()
            record.journal.add([item(1, etag=etag), item(2)], current=True)
            for entry in record.journal.take(9):
                record.arrived(entry.id, receipt_of(entry.item), 0.0)
    found = [(str(one.destination)[-1], one.source_etag) for _, one in receipts.read(str(tmp_path / "r"))]
    assert found == [("1", "old"), ("2", "e"), ("1", "new"), ("1", "newest")]
    held = [(str(one.destination)[-1], one.source_etag) for one in receipts.current(str(tmp_path / "r"))]
    assert held == [("2", "e"), ("1", "newest")]


def test_receipts_that_the_journal_has_not_heard_of_are_taken_in(tmp_path: Path) -> None:
    with opened(tmp_path) as record:
        record.journal.begin()
        record.journal.add([item(number) for number in range(2500)], current=True)
    lines = [receipts.as_line(receipt_of(item(number))) for number in range(2400)]
    (tmp_path / "r").write_bytes(b"".join(lines) + lines[0][:50])
    for _ in range(2):
        with opened(tmp_path) as record:
            assert record.journal.totals()[State.DONE].items == 2400
            assert record.journal.confirmed == sum(map(len, lines)) == (tmp_path / "r").stat().st_size
            entry = record.journal.entry("s3://dst/key 2399")
            assert entry is not None and entry.receipt == sum(map(len, lines[:-1]))
            assert entry.item.known == Identity(1, "e")


def test_receipts_of_another_migration_are_told(tmp_path: Path) -> None:
    (tmp_path / "r").write_bytes(receipts.as_line(receipt_of(item(1))))
    with pytest.raises(UsageError, match="a receipt of s3://dst/key 1, which the journal does not know"):
        opened(tmp_path)
    assert destinations(tmp_path) == ["s3://dst/key 1"]
    with pytest.raises(UsageError, match="which the journal does not know"):  # and nothing is held
        opened(tmp_path)


def test_receipts_that_are_gone_are_told(tmp_path: Path) -> None:
    with opened(tmp_path) as record:
        record.journal.begin()
        record.journal.add([item(1)], current=True)
        record.arrived(1, receipt_of(item(1)), 0.0)
    (tmp_path / "r").unlink()
    with pytest.raises(UsageError, match="the journal knows receipts up to byte"):
        opened(tmp_path)


def test_one_at_a_time(tmp_path: Path) -> None:
    with opened(tmp_path):
        with pytest.raises(UsageError, match="at work with it"):
            opened(tmp_path)


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_an_interrupt_while_receipts_are_written_leaves_nothing_half_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    with pytest.raises(Gof3rError, match="was interrupted"), opened(tmp_path) as record:
        record.journal.begin()
        record.journal.add([item(1)], current=True)
        record.arrived(1, receipt_of(item(1)), 0.0)
        monkeypatch.setattr(os, call, interrupted)
        with pytest.raises(KeyboardInterrupt):
            record.settle()
        monkeypatch.undo()
    with opened(tmp_path) as record:  # what has come to the disk is done, the rest is not
        assert record.journal.totals()[State.DONE].items == len(destinations(tmp_path)) == (call == "fsync")


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_receipt_that_is_not_on_the_disk_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(Gof3rError, match="cannot write receipts: No space left"), opened(tmp_path) as record:
        record.journal.begin()
        record.journal.add([item(1)], current=True)
        record.arrived(1, receipt_of(item(1)), 0.0)
        monkeypatch.setattr(os, call, full)
        record.settle()
    monkeypatch.undo()
    (tmp_path / "r").write_bytes(b"")
    with opened(tmp_path) as record:
        assert record.journal.totals()[State.DONE].items == 0


def test_what_is_done_stays_so_whoever_says_so(tmp_path: Path) -> None:
    """The order of a batch is that of its receipts: the last one counts."""
    with opened(tmp_path) as record:
        record.journal.begin()
        record.journal.add([item(1)], current=True)
    first, last = receipt_of(item(1)), replace(receipt_of(item(1)), source_etag="later", supersedes=0)
    (tmp_path / "r").write_bytes(receipts.as_line(first) + receipts.as_line(last))
    with opened(tmp_path) as record:
        entry = record.journal.entry("s3://dst/key 1")
        assert entry is not None and entry.item.known.etag == "later" and entry.receipt
        record.journal.done([Done(entry.id, entry.receipt, entry.item.known)], record.journal.confirmed)
