"""The real books of a transfer, ledger and dispatcher, held against what its world has seen happen.

What has happened and is not heard yet lies in the collector's pipe. So the ledger is right when it says, once
all of that is heard, what the world knows of each slot now.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from gof3r.engine.flow.events import Event, Hashed, Written
from gof3r.engine.flow.outgoing import Outgoing
from gof3r.engine.flow.passing import Passing
from gof3r.engine.flow.slots import TABLE, Ledger, State
from gof3r.engine.values import Slot, Verdict

if TYPE_CHECKING:
    from tests.flow.world import World

BELIEFS = {
    frozenset({"fill"}): State.FILLING,
    frozenset({"receive"}): State.IN_FLIGHT,
    frozenset({"send", "hash"}): State.IN_FLIGHT,
    frozenset({"send"}): State.HASHED,
    frozenset({"hash"}): State.CHECKING,
    frozenset({"write"}): State.DRAINING,
}
"""What a slot is, by the uses that its bytes still have; without any it is free."""


def check(world: World) -> None:
    """After any event: every slot has one state and one owner, every request is somewhere, and once."""
    if not world.transfer._flowing:
        return  # given up: nobody looks at slots any more
    ledger = world.feed._ledger
    free = [slot for slot, state in enumerate(ledger._states) if state is State.FREE]
    assert sorted(ledger._free) == free, "the free list is the free slots, each once"
    _check_requests(world)
    if not (world.passes and world.feed.total is None):  # an empty object's part is never received
        assert _heard_out(world, ledger) == _believed(world, ledger)


def _check_requests(world: World) -> None:
    """What the dispatcher counts as sent is on the wire, or judged and not heard, or lost and not told; no
    request is sent and waiting at once; slots are granted in part order."""
    dispatch = world.dispatch
    unheard = {e.job.id for e in (*world.collector.messages, *world.control) if isinstance(e, Verdict)}
    for job, (_, seat) in dispatch._on_wire.items():
        assert job in world.wire or job in unheard or seat in world.dead - world.told_lost, job
    works = [*(work for work, _ in dispatch._on_wire.values()), *dispatch._waiting]
    assert len(set(map(id, works))) == len(works), "one attempt at a time"
    loads = Counter(seat for work, seat in dispatch._on_wire.values() if work.part)
    assert {seat: load for seat, load in dispatch._seats.loads.items() if load} == loads
    new = [w.part.number for w in dispatch._waiting if w.part and w.direction == "receive" and not w.attempt]
    assert new == [world.next_first + i for i in range(len(new))], "slots are granted in part order"


def _heard_out(world: World, ledger: Ledger) -> list[State]:
    """What the ledger will say of each slot."""
    states = list(ledger._states)
    for event in world.collector.messages:
        for slot, what in _moves(world, event):
            states[slot.index] = TABLE[states[slot.index], what]
    return states


def _moves(world: World, event: Event) -> Iterator[tuple[Slot, str]]:
    match event:
        case Hashed(slot):
            yield slot, "hashed"
        case Written(_, slot):
            yield slot, "written"
        case Verdict(job, _, _, None) if job.slot and job.id in world.dispatch._on_wire:
            if job.direction == "digest":
                assert isinstance(world.feed, Outgoing) and job.part
                if world.feed._there.same(job.part, event.digests):
                    yield job.slot, "sent"
            elif job.direction == "send":
                yield job.slot, "sent"
            elif not isinstance(world.feed, Passing):
                yield job.slot, "received"
            else:
                yield job.slot, "filled"
                if job.part and world.feed._there.same(job.part, event.digests):
                    yield job.slot, "sent"
                if not world.collector.hashes:
                    yield job.slot, "hashed"


def _believed(world: World, ledger: Ledger) -> list[State]:
    """What the world knows of each slot: what its bytes are in use for, or will be when a request that waits
    goes out."""
    states = [State.FREE] * len(ledger.slots)
    for slot, uses in world.uses.items():
        if uses:
            assert ledger.slots[slot.index] == slot, "a slot of another cut is in use"
            states[slot.index] = BELIEFS[frozenset(uses)]
            if world.passes and uses == {"receive"}:
                states[slot.index] = State.FILLING  # as from an upload's source
    for work in world.dispatch._waiting:
        if work.slot and work.direction == "receive" and not work.attempt:
            assert states[work.slot.index] is State.FREE, f"{work.slot} has another owner than {work.what}"
            states[work.slot.index] = State.FILLING if world.passes else State.IN_FLIGHT
    return states
