"""One object carried over by several machines: which order follows which, and what a later run finds."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from gof3r import __version__
from gof3r.config import Config
from gof3r.engine import orders
from gof3r.engine.books import Binding, Books
from gof3r.engine.errors import Gof3rError
from gof3r.engine.flow import events
from gof3r.engine.spans import Split, StoredPart, Unsplit
from gof3r.engine.values import Begun, Credentials, Part
from gof3r.fleet.cluster import Lost, News
from gof3r.fleet.driver import LOST, TRIES, Driver
from gof3r.fleet.errand import Carry, EndUploads, Errand, Outcome
from gof3r.fleet.spread import LEAST, WORTH, Spread
from gof3r.fleet.task import Running
from gof3r.migrate.ordered import How, Orders
from gof3r.migrate.record import Record
from gof3r.migrate.states import Entry, Left, State
from gof3r.migrate.tally import Tally
from gof3r.report import Report
from tests.migrate.samples import item

PART = 5 << 20
COUNT = WORTH + 1
ITEM = item(1, COUNT * PART)
HOW = How(
    Config(endpoint="http://127.0.0.1:1", region="r", part_size=PART, path_style=True),
    Config(endpoint="http://127.0.0.1:2", region="r", part_size=PART, path_style=True),
)
OLD = Begun("old", "etag", "headers")
NEW = Begun("new", "etag", "headers")
PARTS = tuple(Part(number, (number - 1) * PART, PART) for number in range(1, COUNT + 1))
RECEIPT = events.Receipt(COUNT * PART, "etag", ("md5",))

Answer = Callable[[orders.Single | Carry | EndUploads], Outcome | Lost]


def split(begun: Begun = NEW, resumed: bool = False) -> Split:
    return Split(begun, COUNT * PART, "", PARTS, (), ("md5",), ("md5",), resumed)


def stored(order: orders.Span) -> tuple[StoredPart, ...]:
    parts = PARTS[order.first - 1 : order.last]
    return tuple(StoredPart(part, "e", "", False, order.split.resumed, {}) for part in parts)


def spread(left: Begun | None = None) -> Spread:
    entry = Entry(1, ITEM, State.TODO, 0, Left(5.0, left) if left else None, None)
    order = Orders(HOW, {}).of(ITEM)
    assert isinstance(order, orders.Copy)
    return Spread(entry, order, 7.0)


# --- which order follows which ------------------------------------------------------------------


@pytest.mark.parametrize("places", [0, 1, 3, 1000])
def test_spans_are_all_parts_once_and_the_last_of_them_finishes(places: int) -> None:
    one = spread()
    spans = one.spans(split(), places)
    numbers = [number for span in spans for number in range(span.first, span.last + 1)]
    assert numbers == list(range(1, COUNT + 1))
    assert all(span.last - span.first + 1 >= LEAST for span in spans[:-1])
    finishes = [one.finish(stored(span)) for span in reversed(spans)]
    assert finishes[:-1] == [None] * (len(spans) - 1)
    last = finishes[-1]
    assert last is not None and {each.part for each in last.stored} == set(PARTS)
    assert one.done == COUNT * PART


def test_what_an_earlier_run_has_left_goes_along_until_another_is_begun() -> None:
    one = spread(OLD)
    assert one.begin().copy.begun == OLD and one.upload_id == "old"
    ending = one.abort()
    assert ending is not None and ending.upload_id == "old"
    one.spans(split(), 1)
    ending = one.abort()
    assert ending is not None and (ending.upload_id, one.upload_id) == ("new", "new")


def test_without_an_upload_there_is_none_to_end() -> None:
    assert spread().begin().copy.begun is None
    assert (spread().abort(), spread().upload_id) == (None, "")


# --- what a run leaves for the next ------------------------------------------------------------------


class Machines:
    """A cluster of two, which do as ``answer`` says, at once."""

    places = machines = 2

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._errands: dict[str, Errand] = {}
        self.done: list[orders.Single | Carry | EndUploads] = []

    def submit(self, errand: Errand) -> None:
        self._errands[errand.key] = pickle.loads(pickle.dumps(errand))

    def leave_out(self, machine: str) -> None:
        pass

    def cancel(self, keys: Sequence[str]) -> None:
        for key in keys:
            self._errands.pop(key, None)

    def ended(self, within: float) -> list[tuple[str, Outcome | Lost]]:
        for key in list(self._errands)[:1]:
            what = self._errands.pop(key).what
            self.done.append(what)
            return [(key, self._answer(what))]
        return []

    def news(self, key: str) -> News:
        return News(runs=1)

    def did(self, kind: type) -> list[orders.Single | Carry | EndUploads]:
        return [what for what in self.done if isinstance(what, kind)]


def result(value: object = None) -> Outcome:
    return Outcome(result=orders.Result(value, {}, 0.5, Books(), Binding("", ""), {}))


def goes_well(what: orders.Single | Carry | EndUploads) -> Outcome:
    match what:
        case orders.Begin(copy):
            return result(split(copy.begun, True) if copy.begun else split())
        case orders.Span():
            return result(stored(what))
        case orders.Finish():
            return result(RECEIPT)
        case Carry():
            return Outcome(error="no machine carries it", cause="refused")
    return result()


class Site:
    """A migration of one object, run by run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def run(self, answer: Answer = goes_well) -> Machines:
        machines = Machines(answer)
        with Record(str(self._folder / "j"), str(self._folder / "r"), "work") as record:
            record.journal.begin()
            record.journal.add([ITEM], current=True)
            tally = Tally(record, Report(0.0), None)
            Driver(machines, HOW, tally, record.journal, {}, "run").run()
            record.settle()
        return machines

    def left(self) -> tuple[State, Begun | None, bool]:
        """The object's state, its upload as far as it is known, and whether there may be one."""
        with Record(str(self._folder / "j"), str(self._folder / "r"), "work") as record:
            entry = record.journal.by_number(1)
        assert entry is not None
        return entry.state, entry.left.begun if entry.left else None, entry.left is not None


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


class Killed(BaseException):
    """The command is no more."""


def killed_at(kind: type, count: int = 1) -> Answer:
    """Goes well until so many of this kind have been asked for."""
    left = [count]

    def answer(what: orders.Single | Carry | EndUploads) -> Outcome:
        left[0] -= isinstance(what, kind)
        if isinstance(what, kind) and not left[0]:
            raise Killed
        return goes_well(what)

    return answer


@pytest.mark.parametrize(("at", "count"), [(orders.Span, 1), (orders.Span, 3), (orders.Finish, 1)])
def test_a_run_that_ends_in_its_middle_leaves_an_upload_that_the_next_goes_on_with(
    site: Site, at: type, count: int
) -> None:
    with pytest.raises(Killed):
        site.run(killed_at(at, count))
    assert site.left() == (State.TODO, NEW, True)
    machines = site.run()
    ends = machines.did(EndUploads)
    assert [each.kept for end in ends if isinstance(end, EndUploads) for each in end.leftovers] == ["new"]
    (begin,) = machines.did(orders.Begin)
    assert isinstance(begin, orders.Begin) and begin.copy.begun == NEW
    spans = [what for what in machines.done if isinstance(what, orders.Span)]
    assert spans and all(span.split.resumed and span.split.begun == NEW for span in spans)
    assert machines.did(orders.Uploads) == []
    assert site.left() == (State.DONE, None, False)


def test_a_run_that_ends_while_it_begins_leaves_what_there_was(site: Site) -> None:
    with pytest.raises(Killed):
        site.run(killed_at(orders.Begin))
    assert site.left() == (State.TODO, None, True)
    with pytest.raises(Killed):
        site.run(killed_at(orders.Span))
    with pytest.raises(Killed):
        site.run(killed_at(orders.Begin))
    assert site.left() == (State.TODO, NEW, True)


def test_one_that_is_begun_anew_replaces_what_was_left(site: Site) -> None:
    with pytest.raises(Killed):
        site.run(killed_at(orders.Span))
    other = Begun("another", "etag 2", "headers")

    def answer(what: orders.Single | Carry | EndUploads) -> Outcome:
        if isinstance(what, orders.Begin):
            return result(split(other))
        if isinstance(what, orders.Span):
            raise Killed
        return goes_well(what)

    with pytest.raises(Killed):
        site.run(answer)
    assert site.left() == (State.TODO, other, True)


def test_what_one_machine_has_to_carry_gets_what_was_left(site: Site) -> None:
    with pytest.raises(Killed):
        site.run(killed_at(orders.Span))

    def answer(what: orders.Single | Carry | EndUploads) -> Outcome:
        return result(Unsplit("it has one part")) if isinstance(what, orders.Begin) else goes_well(what)

    (carry,) = site.run(answer).did(Carry)
    assert isinstance(carry, Carry)
    assert [entry.left.begun for entry in carry.entries if entry.left] == [NEW]


def failing(kind: type, kept: bool) -> Answer:
    def answer(what: orders.Single | Carry | EndUploads) -> Outcome:
        if isinstance(what, kind):
            return Outcome(error="said", cause="SlowDown", kept=kept)
        return goes_well(what)

    return answer


@pytest.mark.parametrize("at", [orders.Span, orders.Finish])
def test_what_may_be_got_over_keeps_the_upload_for_a_later_run(site: Site, at: type) -> None:
    machines = site.run(failing(at, kept=True))
    assert machines.did(orders.Uploads) == []
    assert site.left() == (State.FAILED, NEW, True)
    machines = site.run()
    (begin,) = machines.did(orders.Begin)
    assert isinstance(begin, orders.Begin) and begin.copy.begun == NEW
    assert site.left() == (State.DONE, None, False)


@pytest.mark.parametrize("at", [orders.Span, orders.Finish])
def test_what_no_later_run_can_go_on_with_is_ended(site: Site, at: type) -> None:
    (ending,) = site.run(failing(at, kept=False)).did(orders.Uploads)
    assert isinstance(ending, orders.Uploads) and ending.abort and ending.upload_id == "new"
    assert site.left() == (State.FAILED, None, False)


@pytest.mark.parametrize("kept", [True, False])
def test_what_cannot_be_begun_again_leaves_what_there_was_or_ends_it(site: Site, kept: bool) -> None:
    with pytest.raises(Killed):
        site.run(killed_at(orders.Span))
    endings = site.run(failing(orders.Begin, kept)).did(orders.Uploads)
    assert [end.upload_id for end in endings if isinstance(end, orders.Uploads)] == ([] if kept else ["new"])
    assert site.left() == (State.FAILED, NEW if kept else None, kept)


@pytest.mark.parametrize(("at", "known"), [(orders.Begin, None), (orders.Span, NEW), (orders.Finish, NEW)])
def test_what_has_lost_one_machine_after_another_is_left_to_a_later_run(
    site: Site, at: type, known: Begun | None
) -> None:
    def answer(what: orders.Single | Carry | EndUploads) -> Outcome | Lost:
        return Lost("gone") if isinstance(what, at) else goes_well(what)

    machines = site.run(answer)
    assert len({id(what) for what in machines.did(at)}) >= LOST
    assert machines.did(orders.Uploads) == []
    assert site.left() == (State.FAILED, known, True)


def test_a_store_that_nobody_reaches_ends_the_run_and_leaves_the_upload(site: Site) -> None:
    def answer(what: orders.Single | Carry | EndUploads) -> Outcome:
        if isinstance(what, orders.Span):
            return Outcome(error="nobody answers", cause="transport", ours=True)
        return goes_well(what)

    with pytest.raises(Gof3rError, match="nobody answers"):
        site.run(answer)
    assert TRIES > 1
    assert site.left() == (State.TODO, NEW, True)


# --- what a machine says of it ------------------------------------------------------------------


class Silent:
    """A worker of Dask's, of which nothing is asked but that it listens."""

    address = ""

    def log_event(self, topic: str, message: object) -> None:
        pass


def test_a_machine_says_that_the_upload_of_what_has_failed_there_is_kept() -> None:
    copy = spread().copy
    keys = orders.Signer(keys=Credentials("key", "secret"))
    copy = replace(copy, terms=replace(copy.terms, signer=keys, source_signer=keys))
    errand = Errand("key", "topic", __version__, orders.Span(copy, split(), 1, COUNT + 1))
    outcome = Running(errand, cast(Any, Silent())).run()
    assert (outcome.kept, outcome.ours) == (True, False)
    assert f"the parts are 1 to {COUNT}, not 1 to {COUNT + 1}" in outcome.error
