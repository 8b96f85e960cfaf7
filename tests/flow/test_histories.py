"""Histories that hypothesis chooses, event by event: which of the things that can happen happens next.

The world holds every action against the promises, and after every event the real ledger and dispatcher
against what it has seen (``audit``). When a history is over, all goes well from there on: so the transfer
must come to its end, and to success, unless something has happened that no transfer need survive. A
transient fault ends in success, and nothing waits for what will never come.

A history is a list of steps, each a word and a number; what it means depends on what is possible just then.
So any of them can be left out, and a failure shrinks to the few that matter.
"""

from __future__ import annotations

import signal
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from hashlib import md5
from math import inf
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from gof3r.engine.errors import Interrupted
from gof3r.engine.flow import plan, tail
from gof3r.engine.flow.events import (
    Cancelled,
    CollectorLost,
    Event,
    NotRenewed,
    Refused,
    Renewed,
    Signalled,
    SinkFailed,
    SourceFailed,
)
from gof3r.engine.flow.outgoing import Outgoing
from gof3r.engine.flow.pulse import STILL
from gof3r.engine.flow.retry import SLOW
from gof3r.engine.flow.seats import SPARES
from gof3r.engine.values import Credentials, Failure, Job, Response, Role
from tests.flow.audit import check
from tests.flow.scripts import REFUSED, RESET, Act, Die, Result, Script, after, honest, instead
from tests.flow.store import FROM, FROM_SIDECAR, OBJECT, SIDECAR, Store, error
from tests.flow.transfers import BOTH, copy, get, put
from tests.flow.world import STARTED, World

HISTORIES = 500
"""Of each kind of transfer."""
ATTEMPTS = 10
"""As by default."""

TRANSIENT: dict[str, Script] = {
    "is refused": instead(REFUSED),
    "is reset": instead(RESET),
    "is reset when done": after(RESET),
    "times out": instead(Failure("transport", "28")),
    "500": instead(error(500, "InternalError")),
    "500 when done": after(error(500, "InternalError")),
    "503": instead(error(503, "SlowDown", retry_after="3")),
    "429": instead(error(429)),
    "clock is skewed": instead(error(403, "RequestTimeTooSkewed", date="Tue, 14 Nov 2023 23:13:20 GMT")),
    "keys are expired": instead(error(400, "ExpiredToken")),
    "kills its worker": instead(Die()),
    "kills its worker when done": after(Die()),
    "200 with an error": instead(error(200, "InternalError")),
    "200 with an error when done": after(error(200, "InternalError")),
    "is unreadable": instead(Response(200, {}, b"<html>")),
    "is unreadable when done": after(Response(200, {}, b"<html>")),
}
"""What may come of a request, and a transfer survives."""
IN_BODIES = {what for what in TRANSIENT if what.startswith(("200", "clock", "keys"))}
"""What is told by a code in an answer's body, which one to HEAD has not."""
READ = ("create_multipart_upload", "complete_multipart_upload")
"""Whose answers have to be understood. Each may be unreadable once."""
HAPPENS = ["goes on"] * 15 + ["goes well"] * 3 + ["time passes"] * 2 + ["a worker dies", *TRANSIENT]


def damaged(act: Act) -> Result:
    """One bit of the answer's body is another."""
    answer = act()
    return replace(answer, body=answer.body[:-1] + bytes([answer.body[-1] ^ 1])) if answer.body else answer


FATAL: dict[str, Script] = {
    "denied": instead(error(403, "AccessDenied")),
    "no such bucket": instead(error(404, "NoSuchBucket")),
    "untrusted": instead(Failure("transport", "60", connected=False)),
    "damaged": damaged,
}
"""What may come of a request, and a transfer need not survive. Of a damaged range it may."""
BREAKS: dict[str, Event] = {
    "interrupted": Signalled(signal.SIGINT),
    "terminated": Signalled(signal.SIGTERM),
    "collector lost": CollectorLost(),
    "cancelled": Cancelled("cancelled"),
    "no process": Refused("the system refuses a process"),
    "source failed": SourceFailed("EIO"),
    "reader gone": SinkFailed(32, "gone"),
    "disk full": SinkFailed(28, "full"),
}
"""What may come from outside, and ends a transfer."""
SECONDS = [3.0, 0.05, 1.0, 9.0, 30.0]

STEPS = st.tuples(st.sampled_from(HAPPENS), st.integers(0, 9))
HISTORY = st.lists(STEPS, max_size=10) | st.lists(STEPS, min_size=30, max_size=80)
"""The second kind, since hypothesis likes its lists short."""
ENDS = (
    st.just(dict[int, str]())
    | st.dictionaries(st.integers(0, 40), st.sampled_from([*BREAKS, *FATAL]), max_size=2)
    | st.builds(
        lambda at, first, later, second: {at: first, at + later: second},
        st.integers(0, 40),
        st.sampled_from([*FATAL]),
        st.integers(1, 9),
        st.sampled_from([*BREAKS]),
    )
)
"""At which steps something happens that a transfer need not survive. The third kind: while it cleans up."""
LATE = st.lists(st.sampled_from(["nothing", "answer", "500", "denied"]), max_size=5)
"""What still comes of requests that are on the wire when the workers are ended."""


@dataclass
class Shape:
    """What is transferred, and by how many."""

    part_size: int
    parts: int
    rest: int
    slots: int
    workers: int
    concurrency: int
    digests: tuple[str, ...]
    md5: bool
    """Without, as --no-md5 has it."""
    careful: bool
    """--if-none-match, where there is one."""
    cut: int
    """Of what is read: its own parts, in halves of ours; 0: it was put in one."""
    known: str
    """Of what is read: the digest of the whole that is stored with it."""
    sidecar_etag: str | None
    """Of what is read: what its sidecar says, "" for the right one; None without a sidecar."""
    uniform: int
    """Of a put: parts before their size doubles."""
    calm: int
    """Events before the history begins."""

    @property
    def data(self) -> bytes:
        size = max(0, self.parts * self.part_size - self.rest % self.part_size)
        return Random(self.part_size).randbytes(size)

    @property
    def sidecar(self) -> bool:
        """Whether one is read and made."""
        return self.md5 and "md5" in self.digests

    @property
    def if_none_match(self) -> bool:
        """Without a CRC, an object that we have made ourselves cannot be known again."""
        return self.careful and "crc64nvme" in self.digests

    def store(self, path: str, sidecar: str) -> Store:
        """One that keeps the object that is read."""
        store, data = Store(), self.data
        size = -(-self.cut * self.part_size // 2) or len(data) or 1
        cuts = [min(size, len(data) - start) for start in range(0, len(data), size)]
        cuts = cuts if len(cuts) > 1 else []
        kept = store.keep(data, path=path, cuts=cuts, digests=(self.known,) if self.known else ())
        if self.sidecar_etag is not None:
            store.keep_sidecar(data, self.sidecar_etag or kept.etag, sidecar)
        return store


SHAPES = st.builds(
    Shape,
    part_size=st.sampled_from([8, 1, 40_000]),
    parts=st.sampled_from([4, 0, 1, 2, 3, 6, 9]),
    rest=st.integers(0, 7),
    slots=st.sampled_from([3, 1, 2, 4]),
    workers=st.integers(1, 3),
    concurrency=st.sampled_from([3, 1, 2, 5]),
    digests=st.sampled_from([BOTH, ("md5",), ("crc64nvme",)]),
    md5=st.booleans(),
    careful=st.booleans(),
    cut=st.sampled_from([0, 2, 3]),
    known=st.sampled_from(["", "crc64nvme", "crc32"]),
    sidecar_etag=st.sampled_from([None, "", "stale"]),
    uniform=st.integers(1, 5),
    calm=st.integers(0, 40),
)
KEYS = Credentials("AK0", "SK")


def a_put(shape: Shape) -> World:
    world = put(
        shape.data,
        part_size=shape.part_size,
        slots=shape.slots,
        digests=shape.digests,
        sidecar=shape.sidecar,
        if_none_match=shape.if_none_match,
        workers=shape.workers,
        concurrency=shape.concurrency,
        credentials=KEYS,
    )
    assert isinstance(world.feed, Outgoing)
    # Growth after 4,000 parts is too far away: its first step comes early here, and the next ones never.
    world.feed._plan = replace(world.feed._plan, uniform=shape.uniform)
    return world


def a_get(shape: Shape) -> World:
    return get(
        shape.store(OBJECT, SIDECAR),
        part_size=shape.part_size,
        slots=shape.slots,
        digests=shape.digests,
        sidecar=shape.sidecar,
        unproven=not shape.md5,
        workers=shape.workers,
        concurrency=shape.concurrency,
        credentials=KEYS,
    )


def a_copy(shape: Shape) -> World:
    return copy(
        shape.store(FROM, FROM_SIDECAR),
        server_side=False,
        part_size=shape.part_size,
        slots=shape.slots,
        digests=shape.digests,
        sidecar=shape.sidecar,
        unproven=not shape.md5,
        if_none_match=shape.if_none_match,
        workers=shape.workers,
        concurrency=shape.concurrency,
        credentials=KEYS,
    )


class Player:
    """Plays a history in ``world``, after ``calm`` events in which all goes well. ``ends``: at which step
    something happens that the transfer need not survive. ``late``: as ``LATE``."""

    def __init__(self, world: World, calm: int, ends: dict[int, str], late: list[str]) -> None:
        self.world = world
        self._calm = calm
        self._ends = ends
        self.excuses: set[str] = set()
        self._keys = 0
        self._late = list(late)
        self._unread: set[str] = set()
        world.late = self._comes_late
        world.latency = lambda job: inf  # it is answered when a step says so
        world.look_up = self._newer_keys

    def play(self, history: list[tuple[str, int]]) -> None:
        """All of it, and then on to the end of the transfer with nothing else going wrong."""
        world = self.world
        world.start()
        for _ in range(self._calm):
            self._goes_on(0)
        for number, (what, nth) in enumerate(history):
            if world.finish is not None:
                break
            if number in self._ends:
                self._end(self._ends[number], nth)
            note(f"{number} {what} {nth}, after {world.log[-1:]}: {world.feed._ledger}")
            self._step(what, nth)
            check(world)
        world.latency = lambda job: 0.0
        world._due.update(dict.fromkeys(world.wire, world.now))
        world.run()

    def _step(self, what: str, nth: int) -> None:
        world = self.world
        match what:
            case "goes on":
                self._goes_on(nth)
            case "goes well":
                for _ in range(nth):
                    self._goes_on(0)
            case "time passes":
                world.now += SECONDS[nth % len(SECONDS)]
                world.handle(None)
                world.beat()
            case "a worker dies":
                alive = sorted({seat for seat, _ in world.wire.values()})
                if alive:
                    world.die(alive[nth % len(alive)])
            case _:
                self._answer(what, nth)

    def _goes_on(self, nth: int) -> None:
        world = self.world
        if world.finish is None:
            world.now += world.tick
            can = list(world.moves().values())
            can += [partial(world.serve, number, honest) for number in world.wire]
            if can:
                can[nth % len(can)]()
            else:
                world.wait()
            check(world)

    def _answer(self, what: str, nth: int) -> None:
        wire = list(self.world.wire)
        if wire:
            number = wire[nth % len(wire)]
            request = self.world.wire[number][1].request
            if what in IN_BODIES and request.method == "HEAD":
                what = "500"
            if what.startswith("is unreadable"):
                known = request.operation in READ and request.operation not in self._unread
                self._unread.add(request.operation)
                what = what if known else "500"
            self.world.serve(number, {**TRANSIENT, **FATAL}[what])

    def _end(self, what: str, nth: int) -> None:
        self.excuses.add(what)
        if what in BREAKS:
            self.world.handle(BREAKS[what])
        else:
            self._answer(what, nth)

    def _comes_late(self, job: Job) -> Script | None:
        what = self._late.pop() if self._late else "nothing"
        return {"nothing": None, "answer": honest, **TRANSIENT, **FATAL}[what]

    def _newer_keys(self, role: Role) -> Renewed | NotRenewed:
        self._keys += 1
        return Renewed(role, Credentials(f"AK{self._keys}", "SK"), None)

    @property
    def has_excuse(self) -> bool:
        """Something has happened that the transfer need not survive."""
        world = self.world
        lost = sum("was lost: another takes over" in text for text in world.warnings)
        used_up = any(job.attempt >= ATTEMPTS for job in world.jobs)
        unproven = "use --no-md5 to accept it" in str(world.error)  # nothing is stored that could prove it
        return bool(self.excuses) or lost >= SPARES or used_up or unproven or world.now - STARTED > STILL


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "MIN_PART", 1)  # or a copy takes larger parts
    monkeypatch.setattr(tail, "LEARN", 1)  # so that even these few parts have a slowest one
    monkeypatch.setattr(tail, "SHARE", 0.5)


def check_end(player: Player) -> None:
    """How any transfer ends: for a reason that it tells, and with nothing left behind that it does not."""
    world = player.world
    assert world.finish is not None
    if world.finish.error is not None:
        assert player.has_excuse, world.error
        assert not isinstance(world.error, Interrupted) or player.excuses & {"interrupted", "terminated"}
    if world.store.uploads:
        told = ("left behind", "create_multipart_upload was lost", "could not be aborted")
        assert any(words in said for said in world.warnings for words in told)


def check_stored(player: Player, shape: Shape) -> None:
    """What was sent is what is there, and so says its sidecar; or there is nothing."""
    world, objects = player.world, player.world.store.objects
    unproven = "damaged" in player.excuses and world.finish and not getattr(world.finish.result, "proofs", ())
    assert OBJECT not in objects or objects[OBJECT].data == shape.data or unproven
    if world.finish and world.finish.error is None:
        assert (world.receipt.size, world.receipt.etag) == (len(shape.data), objects[OBJECT].etag)
        assert (SIDECAR in objects) == shape.sidecar
        assert not shape.sidecar or objects[SIDECAR].data == md5(shape.data).hexdigest().encode()


any_history = given(shape=SHAPES, history=HISTORY, ends=ENDS, late=LATE)
# The fixture's settings are the same for every example.
often = settings(max_examples=HISTORIES, suppress_health_check=[HealthCheck.function_scoped_fixture])


@often
@any_history
def test_a_put_keeps_its_promises_in_any_history_and_succeeds_where_it_can(
    shape: Shape, history: list[tuple[str, int]], ends: dict[int, str], late: list[str]
) -> None:
    player = Player(a_put(shape), shape.calm, ends, late)
    player.play(history)
    check_end(player)
    check_stored(player, shape)
    assert player.world.finish and (player.world.finish.error or player.world.receipt.proofs)


@often
@any_history
def test_a_copy_keeps_its_promises_in_any_history_and_succeeds_where_it_can(
    shape: Shape, history: list[tuple[str, int]], ends: dict[int, str], late: list[str]
) -> None:
    player = Player(a_copy(shape), shape.calm, ends, late)
    player.play(history)
    check_end(player)
    check_stored(player, shape)


@often
@any_history
def test_a_get_keeps_its_promises_in_any_history_and_succeeds_where_it_can(
    shape: Shape, history: list[tuple[str, int]], ends: dict[int, str], late: list[str]
) -> None:
    player = Player(a_get(shape), shape.calm, ends, late)
    player.play(history)
    check_end(player)
    world, data = player.world, shape.data
    assert data.startswith(world.delivered) or "damaged" in player.excuses
    assert len(world.delivered) < len(data) or not data or world.collector.released
    if world.finish and world.finish.error is None:
        assert world.receipt.size == len(world.delivered)
        assert world.delivered == data or not world.receipt.proofs


def test_histories_reach_every_kind_of_end_and_every_kind_of_trouble() -> None:
    """The three tests above would prove little if theirs always went the same way."""
    seen: Counter[str] = Counter()

    @settings(max_examples=500, derandomize=True, database=None, phases=[Phase.generate])
    @any_history
    def watch(shape: Shape, history: list[tuple[str, int]], ends: dict[int, str], late: list[str]) -> None:
        player = Player(a_copy(shape), shape.calm, ends, late)
        player.play(history)
        world = player.world
        assert world.finish is not None
        seen[type(world.finish.error).__name__] += 1
        seen.update({name for name in ("hush", "abort_multipart_upload") if name in world.log})
        seen["lost"] += any("another takes over" in text for text in world.warnings)
        seen["slow"] += any(v.failure and v.failure.code == SLOW for _, v in world.verdicts)
        seen["retried"] += any(job.attempt > 1 and job.part for job in world.jobs)
        seen["renewed"] += player.world.signers.credentials("main") != KEYS
        seen["untroubled"] += not player.excuses

    watch()
    names = ("NoneType", "TransferError", "Interrupted", "hush", "abort_multipart_upload", "lost", "slow")
    assert min(seen[name] for name in (*names, "retried", "renewed", "untroubled")) > 0, seen
