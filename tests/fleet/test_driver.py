"""The driver with a fleet that has no machines: whatever becomes of errands, each object is done once."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from gof3r.engine import orders
from gof3r.engine.errors import Gof3rError, Interrupted
from gof3r.fleet.driver import BYTES, FEWEST, LOST, TOGETHER, TRIES, UNKNOWN
from gof3r.fleet.errand import Carry, EndUploads, Errand, Outcome
from gof3r.migrate import receipts
from gof3r.migrate.ordered import How
from gof3r.migrate.states import State
from gof3r.migrate.tally import Stopped
from tests.fleet.site import HOW, LARGE, MIB, PART, SPLIT, Site, fates, get, of_size, put
from tests.fleet.yard import Under, Yard

# --- when all goes well ------------------------------------------------------------------


def test_everything_arrives_and_is_written_once(tmp_path: Path) -> None:
    items = [of_size(1, 0), of_size(2, LARGE), of_size(3, None), put(4, 9), put(5, LARGE), get(6, 9)]
    items += [get(7, LARGE), of_size(8, SPLIT)]
    site = Site(tmp_path, items)
    assert site.run() == {State.DONE: 8}
    site.check()
    assert set(site.store.written.values()) == {1}
    assert {errand.topic for errand in site.yard.submitted} == {"run"}
    assert site.heard.warnings == []


def test_nothing_to_do_asks_nobody(tmp_path: Path) -> None:
    site = Site(tmp_path, [])
    assert site.run() == {}
    assert site.yard.submitted == []


# --- what one errand has ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "places", "expected"),
    [(1, 3, [1]), (60, 3, [50, 10]), (3000, 1, 500), (3000, 3, 500), (3000, 20, 75)],
)
def test_small_objects_go_many_together_and_fewer_towards_the_end(
    tmp_path: Path, count: int, places: int, expected: int | list[int]
) -> None:
    site = Site(tmp_path, [of_size(number, 1) for number in range(count)])
    site.yard.places = places
    assert site.run() == {State.DONE: count}
    sizes = [len(what.entries) for what in site.carried]
    assert sizes == expected or sizes[0] == expected
    assert all(size <= TOGETHER for size in sizes)
    assert all(size >= FEWEST for size in sizes[:-1])
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("sizes", [[40 * MIB] * 40, [PART] * 500, [100 * MIB, 30 * MIB, 1, 0], [None] * 100])
def test_an_errand_is_no_larger_than_is_good(tmp_path: Path, sizes: list[int | None]) -> None:
    site = Site(tmp_path, [of_size(number, size) for number, size in enumerate(sizes)])
    assert site.run() == {State.DONE: len(sizes)}
    for what in site.carried:
        known = [entry.item.known.size for entry in what.entries]
        assert sum(size or 0 for size in known) <= BYTES
        assert known.count(None) <= UNKNOWN
    assert sum(len(what.entries) for what in site.carried) == len(sizes)


def test_many_objects_worth_it_are_each_split(tmp_path: Path) -> None:
    """Also where an errand may have the bytes of several."""
    site = Site(tmp_path, [of_size(number, SPLIT) for number in range(30)] + [of_size(99, 1)])
    site.yard.places = 1
    assert site.run() == {State.DONE: 31}
    assert site.orders().count("Begin") == 30
    assert [len(what.entries) for what in site.carried] == [1]


def test_each_has_its_share_of_the_rate(tmp_path: Path) -> None:
    limited = replace(HOW.config, limit_rate=900_000)
    how = How(limited, HOW.source)
    site = Site(tmp_path, [of_size(1, SPLIT), of_size(2, 1)], how)
    site.run()
    rates = {
        what.how.config.limit_rate if isinstance(what, Carry) else what.terms.rate
        for what in (errand.what for errand in site.yard.submitted)
        if isinstance(what, Carry | orders.Span)
    }
    assert rates == {300_000}


def test_nothing_limits_the_rate_unless_asked(tmp_path: Path) -> None:
    site = Site(tmp_path, [of_size(1, SPLIT), of_size(2, 1)])
    site.run()
    assert all(what.how.config.limit_rate is None for what in site.carried)


# --- machines are lost ------------------------------------------------------------------


@pytest.mark.parametrize("how", ["lost", "half", "unheard"])
def test_what_a_lost_machine_had_is_handed_out_in_halves(tmp_path: Path, how: str) -> None:
    site = Site(tmp_path, [of_size(number, 1) for number in range(9)])
    site.yard.fate = fates(Carry, how)
    assert site.run() == {State.DONE: 9}
    assert [len(what.entries) for what in site.carried] == [9, 4, 5]
    assert site.heard.warnings == ["a machine of the fleet was lost: others take over"]
    site.check()


@pytest.mark.parametrize("how", ["half", "noticed"])
def test_what_is_known_to_have_arrived_is_not_done_again(tmp_path: Path, how: str) -> None:
    site = Site(tmp_path, [of_size(number, 1) for number in range(9)])
    site.yard.tells = True
    site.yard.fate = fates(Carry, how)
    assert site.run() == {State.DONE: 9}
    assert [len(what.entries) for what in site.carried] == [9, 2, 3]
    assert set(site.store.written.values()) == {1}
    assert site.heard.warnings == ["a machine of the fleet was lost: others take over"]
    site.check()


@pytest.mark.parametrize("how", ["lost", "half", "unheard", "unreached"])
def test_an_upload_that_was_left_is_gone_on_with_or_ended(tmp_path: Path, how: str) -> None:
    site = Site(tmp_path, [of_size(1, LARGE), put(2, LARGE), of_size(3, LARGE), of_size(4, 1)])
    site.yard.fate = fates(Carry, *[how] * 2)
    assert site.run() == {State.DONE: 4}
    site.check()


def test_who_comes_next_knows_which_upload_there_was(tmp_path: Path) -> None:
    site = Site(tmp_path, [of_size(1, LARGE)])
    site.yard.fate = fates(Carry, "half")
    assert site.run() == {State.DONE: 1}
    before, after = site.carried
    assert (before.again, before.entries[0].left) == (frozenset(), None)
    left = after.entries[0].left
    assert after.again == {after.entries[0].id}
    assert left is not None and left.begun is not None and left.begun.upload_id == "u1"
    site.check()


def test_an_upload_may_become_known_that_nobody_expected(tmp_path: Path) -> None:
    """A size was not known, or is another by now."""
    site = Site(tmp_path, [of_size(1, None), of_size(2, 1)])
    site.store.sizes = {"s3://dst/key 1": LARGE, "s3://dst/key 2": LARGE}
    site.yard.fate = fates(Carry, "half")
    assert site.run() == {State.DONE: 2}
    site.check()


def test_what_is_not_heard_of_an_upload_is_found_by_when_it_began(tmp_path: Path) -> None:
    site = Site(tmp_path, [of_size(1, LARGE)])

    def forget() -> None:
        for under in site.yard.out.values():
            under.news.uploads.clear()

    site.yard.fate = fates(Carry, "twice")
    site.yard.turned = forget
    assert site.run() == {State.DONE: 1}
    assert isinstance(site.yard.submitted[-1].what, EndUploads)
    site.check()


def test_an_object_that_kills_machines_fails_alone(tmp_path: Path) -> None:
    site = Site(tmp_path, [of_size(number, 1) for number in range(2 ** (LOST - 1))])
    deadly = "s3://dst/key 3"

    def fate(errand: Errand) -> str:
        names = (
            [str(it.item.destination) for it in errand.what.entries] if isinstance(errand.what, Carry) else []
        )
        return "lost" if deadly in names else "done"

    site.yard.fate = fate
    assert site.run() == {State.DONE: 2 ** (LOST - 1) - 1, State.FAILED: 1}
    assert [str(entry.item.destination) for entry in site.entries(State.FAILED)] == [deadly]
    with site.record() as record:
        [cause] = record.journal.causes()
    assert (cause.cause, cause.items) == ("lost", 1)
    assert f"{LOST} times the machine that was at it was lost: gone" in cause.text
    site.check()


@pytest.mark.parametrize("stage", [orders.Begin, orders.Span, orders.Finish])
@pytest.mark.parametrize("how", ["lost", "half", "unheard", "twice", "unreached"])
def test_a_split_object_survives_each_stage_of_its_machines(tmp_path: Path, stage: type, how: str) -> None:
    site = Site(tmp_path, [of_size(1, SPLIT)])
    site.yard.fate = fates(stage, how)
    assert site.run() == {State.DONE: 1}
    assert site.store.written["s3://dst/key 1"] == 1
    site.check()
    told = [receipt for _, receipt in receipts.read(str(tmp_path / "r"))]
    assert told[0].retries["SlowDown"] >= 1


@pytest.mark.parametrize("stage", [orders.Begin, orders.Span, orders.Finish])
def test_a_split_object_that_kills_machines_fails(tmp_path: Path, stage: type) -> None:
    site = Site(tmp_path, [of_size(1, SPLIT), of_size(2, 1)])
    site.yard.fate = fates(stage, then="half")
    assert site.run() == {State.DONE: 1, State.FAILED: 1}
    site.check({"s3://dst/key 1"})
    assert site.again() == {State.DONE: 2}
    site.check()


@pytest.mark.parametrize("size", [LARGE, SPLIT])
def test_the_next_run_knows_of_the_upload_of_what_killed_machines(tmp_path: Path, size: int) -> None:
    site = Site(tmp_path, [of_size(1, size)])
    site.most = 0
    site.yard.fate = lambda errand: "half"
    with pytest.raises(Stopped):
        site.run()
    assert site.store.uploads
    assert site.again() == {State.DONE: 1}
    site.check()


# --- a machine cannot do it ------------------------------------------------------------------


def test_who_cannot_reach_the_store_is_one_machine_of_many(tmp_path: Path) -> None:
    site = Site(tmp_path, [of_size(number, 1) for number in range(10)])
    site.yard.fate = fates(Carry, *["unreached"] * (TRIES - 1))
    assert site.run() == {State.DONE: 10}
    assert [len(what.entries) for what in site.carried] == [10, 5, 3]  # what had arrived has
    site.check()


def test_who_cannot_reach_the_store_gets_nothing_for_a_while(tmp_path: Path) -> None:
    site = Site(tmp_path, [of_size(1, 1)])
    site.yard.fate = fates(Carry, "unreached")
    assert site.run() == {State.DONE: 1}
    assert site.yard.left_out == ["m"]
    assert site.heard.warnings == ["a machine of the fleet gets nothing for a while: no route to host"]


def test_the_last_machine_that_cannot_reach_the_store_ends_the_run(tmp_path: Path) -> None:
    site = Site(tmp_path, [of_size(1, 1)])
    site.yard.fate = fates(Carry, "unreached")

    def leave_out(machine: str) -> None:
        site.yard.places = 0

    site.yard.leave_out = leave_out  # type: ignore[method-assign]
    with pytest.raises(Gof3rError, match="no route to host"):
        site.run()
    assert len(site.entries(State.TODO)) == 1


def test_a_store_that_nobody_reaches_ends_the_run(tmp_path: Path) -> None:
    site = Site(tmp_path, [of_size(number, 1) for number in range(10)] + [of_size(11, LARGE)])
    site.yard.fate = fates(Carry, then="unreached")
    with pytest.raises(Gof3rError, match="no route to host"):
        site.run()
    assert not site.entries(State.FAILED)
    assert site.entries(State.DONE) and site.entries(State.TODO)
    site.check({"s3://dst/key 11"})
    assert site.again() == {State.DONE: 11}
    site.check()


def test_a_machine_that_cannot_work_ends_the_run(tmp_path: Path) -> None:
    site = Site(tmp_path, [of_size(1, 1)])

    def unusable(under: Under) -> Outcome:
        return Outcome(error="it has gof3r 0.1", unusable=True)

    site.yard.lost = unusable  # type: ignore[method-assign,assignment]
    site.yard.fate = fates(Carry, "lost")
    with pytest.raises(Gof3rError, match="a machine of the fleet cannot work: it has gof3r 0.1"):
        site.run()
    assert len(site.entries(State.TODO)) == 1


# --- what fails ------------------------------------------------------------------


def test_what_is_refused_has_failed_with_its_cause(tmp_path: Path) -> None:
    site = Site(tmp_path, [of_size(1, LARGE), of_size(2, 1), of_size(3, SPLIT)])
    site.yard.fate = lambda errand: "refused" if isinstance(errand.what, Carry | orders.Begin) else "done"
    assert site.run() == {State.FAILED: 3}
    with site.record() as record:
        [cause] = record.journal.causes()
    assert (cause.cause, cause.items) == ("AccessDenied", 3)
    site.check()
    assert site.again() == {State.DONE: 3}
    site.check()


def test_an_errand_that_ended_for_nobodys_fault_fails_what_was_not_told(tmp_path: Path) -> None:
    site = Site(tmp_path, [of_size(1, 1), of_size(2, 1)])

    def broken(under: Under) -> Outcome:
        assert isinstance(under.errand.what, Carry)
        return Outcome(site.yard._carry(under, under.errand.what, True).arrived, error="a bug", cause="bug")

    site.yard.lost = broken  # type: ignore[method-assign,assignment]
    site.yard.fate = fates(Carry, "lost")
    assert site.run() == {State.DONE: 1, State.FAILED: 1}
    with site.record() as record:
        assert record.journal.causes()[0].text.endswith(": a bug")


def test_more_failures_than_allowed_end_the_run(tmp_path: Path) -> None:
    site = Site(tmp_path, [of_size(number, 1) for number in range(200)])
    site.most = 60
    site.yard.fate = fates(Carry, then="refused")
    with pytest.raises(Stopped):
        site.run()
    assert len(site.entries(State.FAILED)) == 61
    assert len(site.entries(State.TODO)) == 139
    assert site.again() == {State.DONE: 200}
    site.check()


@pytest.mark.parametrize("stage", [orders.Span, orders.Finish])
def test_a_split_object_that_fails_leaves_nothing_of_it(tmp_path: Path, stage: type) -> None:
    site = Site(tmp_path, [of_size(1, SPLIT), of_size(2, 1)])
    site.yard.fate = fates(stage, "refused")
    assert site.run() == {State.DONE: 1, State.FAILED: 1}
    with site.record() as record:
        assert [cause.cause for cause in record.journal.causes()] == ["AccessDenied"]
    site.check()
    assert site.orders().count("Uploads") == 1
    assert site.again() == {State.DONE: 2}
    site.check()


@pytest.mark.parametrize("second", ["done", "refused", "lost", "unreached", "waits"])
def test_of_a_failed_object_nothing_more_is_heard(tmp_path: Path, second: str) -> None:
    """Its other spans end at the same time, or are called off."""
    site = Site(tmp_path, [of_size(1, SPLIT)])
    site.yard.fate = fates(orders.Span, "refused", second, second)
    assert site.run() == {State.FAILED: 1}
    assert site.heard.warnings == []
    site.check()


def test_an_upload_that_cannot_be_ended_is_left_for_the_next_run(tmp_path: Path) -> None:
    site = Site(tmp_path, [of_size(1, SPLIT)])
    site.yard.fate = lambda errand: (
        "refused" if isinstance(errand.what, orders.Span | orders.Uploads) else "done"
    )
    assert site.run() == {State.FAILED: 1}
    site.check({"s3://dst/key 1"})
    assert site.again() == {State.DONE: 1}
    site.check()


def test_what_has_to_be_copied_as_a_whole(tmp_path: Path) -> None:
    site = Site(tmp_path, [of_size(1, SPLIT)])
    site.store.unsplit = {"s3://dst/key 1"}
    assert site.run() == {State.DONE: 1}
    assert site.orders() == ["Begin", "Carry"]
    site.check()


@pytest.mark.parametrize("how", ["half", "twice"])
def test_what_has_to_be_copied_as_a_whole_is_not_disturbed(tmp_path: Path, how: str) -> None:
    """Nothing has begun an upload, so none that is there is ended."""
    site = Site(tmp_path, [of_size(1, SPLIT)])
    site.store.unsplit = {"s3://dst/key 1"}
    site.yard.fate = fates(orders.Begin, how)
    assert site.run() == {State.DONE: 1}
    assert "EndUploads" not in site.orders()


@pytest.mark.parametrize("warned", ["one", "two"])
def test_warnings_are_passed_on(tmp_path: Path, warned: str) -> None:
    site = Site(tmp_path, [of_size(1, 1)])
    site.yard.lost = lambda under: replace(site.yard.done(under), warnings=(warned,))  # type: ignore[method-assign,assignment,return-value]
    site.yard.fate = fates(Carry, "lost")
    site.run()
    assert site.heard.warnings == [warned]


# --- runs that end, and those that come after ---------------------------------------------------------------


def test_a_signal_ends_it_and_the_next_run_goes_on(tmp_path: Path) -> None:
    site = Site(tmp_path, [of_size(1, LARGE), put(2, LARGE), of_size(3, SPLIT), of_size(4, 1)])
    turns = count()

    def turned() -> None:
        if next(turns) == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    site.yard.turned = turned
    site.yard.fate = lambda errand: "done" if isinstance(errand.what, orders.Begin) else "waits"
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted) as raised:
        site.run()
    assert raised.value.exit_code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is handler
    assert {errand.key for errand in site.yard.submitted} == set(site.yard.cancelled)
    assert len(site.entries(State.TODO)) == 4
    assert site.again() == {State.DONE: 4}
    site.check()


def test_what_earlier_runs_left_is_ended_before_anything_is_begun(tmp_path: Path) -> None:
    site = Site(tmp_path, [of_size(number, LARGE) for number in range(3)])
    site.yard.fate = fates(Carry, then="unreached")
    with pytest.raises(Gof3rError):
        site.run()
    [(known, name)] = site.store.uploads.items()
    unheard = site.store.begin(name)
    assert site.again() == {State.DONE: 3}
    assert site.orders() == ["EndUploads", "Carry"]
    ending = site.yard.submitted[0].what
    assert isinstance(ending, EndUploads) and [each.kept for each in ending.leftovers] == [known]
    assert unheard not in site.store.uploads
    site.check()


def test_an_upload_that_cannot_be_looked_for_is_told_of(tmp_path: Path) -> None:
    site = Site(tmp_path, [of_size(1, LARGE)])
    site.yard.fate = fates(Carry, then="unreached")
    with pytest.raises(Gof3rError):
        site.run()
    site.yard = Yard(site.store)
    site.yard.fate = fates(EndUploads, "refused")
    site.run()
    assert site.heard.warnings[-1] == "s3://dst/key 1: an upload may still be there: no"


# --- places ------------------------------------------------------------------


def test_machines_come_and_go(tmp_path: Path) -> None:
    site = Site(tmp_path, [of_size(1, 10 * SPLIT)] + [of_size(number, 1) for number in range(2, 400)])
    site.yard.places = 0
    turns = count()

    def turned() -> None:
        site.yard.places = max(len(site.yard.out), (0, 0, 1, 7, 2, 5)[next(turns) % 6])

    site.yard.turned = turned
    assert site.run() == {State.DONE: 399}
    site.check()


def test_a_fleet_without_machines_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(tmp_path, [of_size(1, 1)])
    site.yard.places = 0
    now = count(0.0, 0.5)
    monkeypatch.setattr(time, "monotonic", lambda: next(now))

    def turned() -> None:
        site.yard.places = int(bool(site.heard.warnings))

    site.yard.turned = turned
    assert site.run() == {State.DONE: 1}
    assert "the scheduler has no worker for this" in site.heard.warnings[0]


def test_progress_never_goes_back_and_has_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(tmp_path, [of_size(1, SPLIT), of_size(2, LARGE), of_size(3, 1)])
    now = count(0.0, 0.6)
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    turns = count()
    site.yard.fate = lambda errand: "waits" if next(turns) % 3 else "done"
    site.run()
    done = [each.done for each in site.heard.shown]
    assert done == sorted(done)
    assert {each.total for each in site.heard.shown} == {SPLIT + LARGE + 1}
