"""Real processes, killed in the middle of everything, and run again: what is left is right each time.

A killed process has lost nothing that it has written, a machine without power what was not synced; so there
is a second part, in which the journal's log is cut where the power may have cut it.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gof3r.migrate import receipts
from gof3r.migrate.record import Record
from gof3r.migrate.states import Failed, Left, State
from tests.migrate.samples import item, receipt_of

Step = Callable[[], None]


def migrate(folder: Path, count: int, record: Record, tell: Callable[[list[int]], None], seed: int) -> None:
    """As a driver does it, but for the objects: everything that the journal and the receipts have to bear."""
    chance = random.Random(seed)
    journal = record.journal
    journal.begin()
    for first in range(0, count, 5):
        journal.add([item(number, number) for number in range(first, min(first + 5, count))], current=True)
    while entries := journal.take(3):
        for entry in entries:
            if chance.random() < 0.3:
                journal.uploading([(entry.id, Left(float(entry.id)))])
            if chance.random() < 0.1 and entry.attempts < 3:
                journal.failed([Failed(entry.id, "chance", "it was not its day")])
                journal.release([entry.id])
                continue
            assert record.arrived(entry.id, receipt_of(entry.item), 0.0)
        if chance.random() < 0.7:
            tell(record.settle())
    tell(record.settle())


def child(folder: Path, count: int, seed: int, step: Step | None = None) -> tuple[int, int]:
    """A process that migrates; its number, and where it tells of what is settled, four bytes an item."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    code = 1
    try:
        if step is not None:
            hook_files(step)

        def tell(settled: list[int]) -> None:
            for number in settled:
                REAL_WRITE(writing, number.to_bytes(4, "big"))

        record = Record(str(folder / "j"), str(folder / "r"), "work")
        if step is not None:
            db = record.journal._db
            db.set_trace_callback(lambda _: step())
            db.set_progress_handler(lambda: step(), 100)
        migrate(folder, count, record, tell, seed)
        record.__exit__()
        code = 0
    finally:
        os._exit(code)


REAL_WRITE = os.write
REAL_SYNC = os.fsync


def hook_files(step: Step) -> None:
    """``step`` before and after each write and fsync of receipts, and in the middle of a write."""

    def write(fd: int, data: bytes) -> int:
        step()
        half = REAL_WRITE(fd, data[: len(data) // 2])
        step()
        rest = REAL_WRITE(fd, data[half:])
        step()
        return half + rest

    def fsync(fd: int) -> None:
        step()
        REAL_SYNC(fd)
        step()

    os.write, os.fsync = write, fsync  # type: ignore[assignment]


def ended(pid: int, told: int) -> tuple[int, set[int]]:
    """How it ended, and what it had told of."""
    with open(told, "rb") as pipe:
        data = pipe.read()
    status = os.waitpid(pid, 0)[1]
    return status, {int.from_bytes(data[at : at + 4], "big") for at in range(0, len(data) - 3, 4)}


def look(folder: Path, count: int, settled: set[int]) -> int:
    """Check what is left; how much of it is done."""
    with Record(str(folder / "j"), str(folder / "r"), "work") as record:
        found = list(receipts.read(str(folder / "r"))) if count else []
        names = [str(receipt.destination) for _, receipt in found]
        assert len(names) == len(set(names)), "one receipt for each"
        done = {entry.receipt: entry for entry in record.journal.entries(State.DONE)}
        assert {at: str(receipt.destination) for at, receipt in found} == {
            at: str(entry.item.destination) for at, entry in done.items()
        }, "done is what has a receipt"
        assert settled <= {entry.id for entry in done.values()}, "what was settled stays"
        everything = [entry for state in State for entry in record.journal.entries(state)]
        assert sum(total.items for total in record.journal.totals().values()) == len(everything) <= count
        assert all(entry.left is None for entry in done.values())
        return len(done)


def finish(folder: Path, count: int) -> None:
    status, settled = ended(*child(folder, count, 0))
    assert status == 0
    assert look(folder, count, settled) == count


def test_killed_at_any_step_and_run_again_it_ends_with_one_receipt_for_each(tmp_path: Path) -> None:
    count, number, killed = 7, 0, 0
    while True:
        folder = tmp_path / str(number)
        folder.mkdir()
        left = [number]

        def step(left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)

        status, settled = ended(*child(folder, count, number, step))
        if status == 0:
            break
        assert os.WTERMSIG(status) == signal.SIGKILL
        killed += 1
        look(folder, count, settled)
        if number % 3 == 0:
            finish(folder, count)
        shutil.rmtree(folder)
        number += 1
    assert killed > 100


@pytest.mark.parametrize("seed", range(2))
def test_killed_at_any_moment_again_and_again_it_loses_and_repeats_nothing(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    count, settled, done, kills = 400, set[int](), 0, 0
    for run in range(100):
        pid, told = child(tmp_path, count, run)
        time.sleep(chance.uniform(0, 0.04))
        os.kill(pid, signal.SIGKILL)
        status, more = ended(pid, told)
        kills += status != 0
        settled |= more
        before, done = done, look(tmp_path, count, settled)
        assert done >= before
    assert kills
    finish(tmp_path, count)


def test_without_power_the_journal_may_forget_and_the_receipts_do_not(tmp_path: Path) -> None:
    count = 40
    folder = tmp_path / "live"
    folder.mkdir()
    record = Record(str(folder / "j"), str(folder / "r"), "work")
    record.journal.begin()
    record.journal.add([item(number, number) for number in range(count)], current=True)
    listed = (folder / "j-wal").stat().st_size
    for _ in range(6):
        for entry in record.journal.take(5):
            assert record.arrived(entry.id, receipt_of(entry.item), 0.0)
        record.settle()
    size = (folder / "j-wal").stat().st_size
    assert size > listed + 20 * 4096
    for cut in [listed, size, *range(listed + 1, size, 1777)]:
        again = tmp_path / "again"
        shutil.copytree(folder, again)
        os.truncate(again / "j-wal", cut)
        assert look(again, count, set()) == 30
        finish(again, count)
        shutil.rmtree(again)
    record.__exit__()


def test_what_must_not_be_forgotten_is_synced(tmp_path: Path) -> None:
    with Record(str(tmp_path / "j"), str(tmp_path / "r"), "work") as record:
        journal = record.journal
        said: list[str] = []

        def note(statement: str) -> None:
            if statement.startswith(("PRAGMA synchronous", "COMMIT")):
                said.append(statement.rpartition(" ")[2])

        journal._db.set_trace_callback(note)
        journal.begin()
        journal.add([item(1)], current=True)
        (entry,) = journal.take(1)
        journal.uploading([(entry.id, Left(1.0))])
        record.arrived(entry.id, receipt_of(entry.item), 0.0)
        record.settle()
        assert said == ["FULL", "COMMIT"] * 2 + ["NORMAL", "COMMIT"] + ["FULL", "COMMIT"] * 2


def test_a_fork_that_ends_as_the_engines_do_takes_nothing_along(tmp_path: Path) -> None:
    with Record(str(tmp_path / "j"), str(tmp_path / "r"), "work") as record:
        record.journal.begin()
        record.journal.add([item(number) for number in range(10)], current=True)
        for _ in range(5):
            pid = os.fork()
            if not pid:
                os._exit(0)
            os.waitpid(pid, 0)
            for entry in record.journal.take(2):
                record.arrived(entry.id, receipt_of(entry.item), 0.0)
            record.settle()
    assert look(tmp_path, 10, set()) == 10
