"""Where a transfer's time went: what the books add up, and what binds by them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gof3r.engine.books import STAGES, Books, Stage, StageName, percentiles
from gof3r.engine.flow.account import Account
from gof3r.engine.flow.binding import binding
from gof3r.engine.flow.events import Filled, Hashed, Written
from gof3r.engine.values import Failure, Job, Part, Request, Response, Slot, Timing, Verdict

SLOT = Slot(0, 0, 100)
PART = Part(1, 0, 100)
REQUEST = Request("upload_part", "PUT", "http", "h", "/")


def verdict(direction: str, timing: Timing, failure: Failure | None = None) -> Verdict:
    job = Job(1, 1, REQUEST, None, part=PART, slot=SLOT, direction=direction)  # type: ignore[arg-type]
    return Verdict(job, 1, Response(200, {}), failure, {"md5": b"x"}, timing=timing)


def stages(account: Account) -> dict[str, tuple[float, int]]:
    met = [stage for stage in account.books().stages if stage.seconds or stage.bytes]
    return {stage.name: (round(stage.seconds, 6), stage.bytes) for stage in met}


def test_reading_is_what_filling_took_less_what_was_waited_for() -> None:
    account = Account()
    account.take(Filled(SLOT, 100, ended=False, began=10.0, waited=3.0), 15.0)
    assert stages(account) == {"source wait": (3.0, 0), "read": (2.0, 100)}


def test_a_part_that_was_sent_is_digested_connected_moved_and_answered() -> None:
    account = Account()
    account.take(verdict("send", Timing(1.0, 2.0, 2.5, 5.5, 6.0, 6.0, 6.0)), 6.1)
    assert stages(account) == {
        "part digests": (1.0, 100),
        "connect": (0.5, 0),
        "transfer": (3.0, 100),
        "first byte": (0.5, 0),
    }
    books = account.books()
    assert (books.parts, list(books.latency), list(books.first_byte), books.seconds) == (1, [5.0], [0.5], 5.0)


def test_a_part_that_was_received_is_answered_before_it_moves_and_digested_after() -> None:
    account = Account()
    account.take(verdict("receive", Timing(1.0, 1.0, 1.5, 1.5, 2.0, 5.0, 5.25)), 6.0)
    assert stages(account) == {
        "part digests": (0.25, 100),
        "connect": (0.5, 0),
        "transfer": (3.0, 100),
        "first byte": (0.5, 0),
    }


def test_a_failed_attempt_is_no_part_but_time_passed() -> None:
    account = Account()
    failed = Failure("transport", "56", "reset")
    account.take(verdict("send", Timing(1.0, 1.0, 1.0, 1.0, 0.0, 4.0, 4.0), failed), 4.0)
    assert stages(account) == {}
    assert (account.books().parts, account.books().seconds) == (0, 3.0)


def test_an_attempt_that_was_lost_with_its_worker_tells_nothing() -> None:
    account = Account()
    account.take(verdict("send", Timing(), Failure("lost", "worker", "")), 4.0)
    assert account.books().seconds == 0.0


def test_the_collectors_part_is_booked_both_ways() -> None:
    account = Account()
    account.take(Hashed(SLOT, 100, 0.5), 1.0)
    account.take(Written(PART, SLOT, turn=2.0, hashing=1.0, writing=0.25), 5.0)
    assert stages(account) == {"reorder wait": (2.0, 0), "stream digest": (1.5, 200), "sink": (0.25, 100)}


def test_connections_are_counted_over_time_and_so_is_the_want_of_a_slot() -> None:
    account = Account()
    looks = (
        (1.0, 0, 4, 8, False),
        (2.0, 2, 4, 8, False),
        (3.0, 4, 4, 8, True),
        (5.0, 0, 2, 8, False),
        (9.0, 0, 2, 8, False),
    )
    for now, on_wire, limit, concurrency, starved in looks:
        account.look(now, on_wire, limit, concurrency, starved)
    account.take(Filled(SLOT, 100, ended=False, began=1.0), 6.0)
    books = account.books()
    assert books.connections == (2 * 1 + 4 * 2) / 5, "of the five seconds from the first part's beginning"
    assert (books.limit, books.concurrency) == (4.0, 8.0), "while something was on the wire"
    assert account.busy() == (2 * 1 + 4 * 2) / (4 * 3)
    assert account.busy() == 0.0, "since it was asked last"
    assert books.stage("slot wait").seconds == 2.0


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=300))
def test_percentiles_are_values_that_were_seen_in_order(values: list[float]) -> None:
    found = percentiles(values)
    assert list(found) == sorted(found)
    assert set(found) <= set(values)
    assert found[-1] == max(values)
    assert sum(value <= found[0] for value in values) * 2 >= len(values)


def test_of_nothing_there_are_no_percentiles() -> None:
    assert percentiles([]) == ()


# --- what binds ------------------------------------------------------------------

GiB = 2**30


def books(connections: float = 9.0, limit: float = 10.0, **seconds: float) -> Books:
    """Ten seconds in which a GiB went through each stage that took any; ``source_wait=9`` names a stage."""
    named = {name: seconds.get(name.replace(" ", "_"), 0.0) for name in STAGES}
    found = tuple(Stage(name, took, GiB if took else 0) for name, took in named.items())
    return Books(10.0, found, connections, limit, 10.0, 50, (1.0,) * 4, (0.1,) * 4)


@pytest.mark.parametrize(
    ("found", "cpu", "stage", "says"),
    [
        (books(source_wait=9, transfer=5), {}, "source", "it was waited for 90% of the time"),
        (books(sink=8.5, slot_wait=9, transfer=5), {}, "sink", "it was being written to 85% of the time"),
        (
            books(stream_digest=9.5, slot_wait=9, transfer=30),
            {},
            "hashing",
            "0.11 GiB/s; --no-md5 keeps CRC",
        ),
        (books(read=9.0, transfer=30), {}, "reading", "one stream is read at 0.1 GiB/s; several gof3r"),
        (books(part_digests=60, transfer=30, first_byte=5), {}, "hashing", "--checksum crc64nvme --no-md5"),
        (books(transfer=80), {"worker 1": 9.0}, "worker", "a worker used 90% of its core; more --workers"),
        (books(transfer=80), {"worker 1": 8, "worker 2": 8, "parent": 20}, "cores", "all 4 cores are busy"),
        (
            books(connections=3.0, limit=4.0, transfer=80),
            {},
            "throttling",
            "4.0 of 10 connections were",
        ),
        (books(transfer=80), {}, "network", "9 connections of 13 MB/s each; try a larger -c"),
        (books(first_byte=9), {}, "network", "the server binds: it copies 9 parts at a time"),
        (books(connections=2.0, transfer=15), {}, "", "no stage was busy"),
    ],
)
def test_the_stage_that_is_always_busy_binds(
    found: Books, cpu: dict[str, float], stage: str, says: str
) -> None:
    seen = binding(found, cpu=cpu, cores=4)
    assert (seen.stage, says in seen.text) == (stage, True), seen.text


@pytest.mark.parametrize("nothing", [Books(), Books(seconds=0.2, parts=3), Books(seconds=9.0)])
def test_what_was_too_short_has_no_bottleneck(nothing: Books) -> None:
    assert binding(nothing, cpu={}, cores=2).stage == ""


def test_every_stage_has_its_place() -> None:
    names: tuple[StageName, ...] = ("source wait", "transfer", "sink")
    assert [STAGES.index(name) for name in names] == sorted(STAGES.index(name) for name in names)
    assert Books().stage("sink") == Stage("sink", 0.0, 0)
    assert Books().share("sink") == Books().wire == 0.0
