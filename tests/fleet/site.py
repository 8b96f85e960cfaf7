"""One migration by a fleet that has no machines, from its items to its receipts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from gof3r.config import Config
from gof3r.engine.flow.events import Progress
from gof3r.fleet.driver import Driver
from gof3r.fleet.errand import Carry, Errand
from gof3r.fleet.spread import WORTH
from gof3r.migrate import receipts
from gof3r.migrate.items import Item, LocalFile
from gof3r.migrate.ordered import How
from gof3r.migrate.record import Record
from gof3r.migrate.states import Entry, State
from gof3r.migrate.tally import Tally
from gof3r.report import Report
from tests.fleet.yard import Store, Yard
from tests.migrate.samples import item

MIB = 1 << 20
PART = 5 * MIB
LARGE = PART + 1
SPLIT = WORTH * PART
HOW = How(
    Config(endpoint="http://127.0.0.1:1", region="r", part_size=PART, path_style=True),
    Config(endpoint="http://127.0.0.1:2", region="r", part_size=PART, path_style=True),
)


class Heard(Report):
    """What is said."""

    def __init__(self) -> None:
        super().__init__(0.0)
        self.warnings: list[str] = []
        self.shown: list[Progress] = []

    def warning(self, text: str) -> None:
        self.warnings.append(text)

    def progress(self, progress: Progress) -> None:
        self.shown.append(progress)


class Site:
    """One migration: its journal, its receipts, and who does it."""

    def __init__(self, folder: Path, items: list[Item], how: How = HOW) -> None:
        self.folder = folder
        self.items = items
        self.how = how
        self.store = Store(PART)
        self.store.sizes = {str(it.destination): it.known.size for it in items if it.known.size is not None}
        self.yard = Yard(self.store)
        self.heard = Heard()
        self.most: int | None = None

    @contextmanager
    def record(self) -> Iterator[Record]:
        with Record(str(self.folder / "j"), str(self.folder / "r"), "work") as record:
            yield record

    def run(self) -> dict[State, int]:
        """A run; how many items are in each state."""
        with self.record() as record:
            record.journal.begin()
            record.journal.add(self.items, current=False)
            tally = Tally(record, self.heard, self.most)
            try:
                Driver(self.yard, self.how, tally, record.journal, {}, "run").run()
            finally:
                assert not self.yard.out, "nothing is under way after the end"
                totals = record.journal.totals()
                assert not totals[State.UNDER_WAY].items
            record.settle()
            return {state: total.items for state, total in record.journal.totals().items() if total.items}

    def again(self) -> dict[State, int]:
        """Another run, by machines that are new and well."""
        self.yard = Yard(self.store)
        return self.run()

    def entries(self, state: State) -> list[Entry]:
        with self.record() as record:
            return record.journal.entries(state)

    def check(self, left: set[str] | None = None) -> None:
        """What is done has one receipt and is there; of nothing else there is a receipt, and no upload but
        of ``left``, or it was told of."""
        with self.record() as record:
            done = [str(entry.item.destination) for entry in record.journal.entries(State.DONE)]
        told = [str(it.destination) for _, it in receipts.read(str(self.folder / "r"))] if done else []
        assert sorted(told) == sorted(done)
        assert all(self.store.written[name] for name in done)
        warned = {text.partition(": an upload may still be there")[0] for text in self.heard.warnings}
        assert set(self.store.uploads.values()) <= (left or set()) | warned

    @property
    def carried(self) -> list[Carry]:
        return [it.what for it in self.yard.submitted if isinstance(it.what, Carry)]

    def orders(self) -> list[str]:
        return [type(it.what).__name__ for it in self.yard.submitted]


def of_size(number: int, size: int | None) -> Item:
    return item(number, size)


def put(number: int, size: int) -> Item:
    one = item(number, size)
    return replace(one, source=LocalFile(f"/src/{number}"), known=replace(one.known, etag="", mtime_ns=1))


def get(number: int, size: int) -> Item:
    return replace(item(number, size), destination=LocalFile(f"/dst/{number}"))


def fates(what: type, *words: str, then: str = "done") -> Callable[[Errand], str]:
    """``words`` come of errands of this kind, one after the other, and ``then`` of all that follow; all
    others are done."""
    rest = iter(words)
    return lambda errand: next(rest, then) if isinstance(errand.what, what) else "done"
