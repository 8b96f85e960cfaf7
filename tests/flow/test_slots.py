"""The ledger: the life of a slot is its table, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gof3r.engine.flow.slots import PAGE, TABLE, IllegalTransition, Ledger, State, stride
from gof3r.engine.values import Slot

EVENTS = sorted({event for _, event in TABLE})
PATHS: dict[State, list[str]] = {
    State.FREE: [],
    State.FILLING: ["fill"],
    State.IN_FLIGHT: ["receive"],
    State.HASHED: ["fill", "filled", "hashed"],
    State.CHECKING: ["fill", "filled", "sent"],
    State.DRAINING: ["receive", "received"],
}


def ledger_in(state: State) -> Ledger:
    ledger = Ledger(PAGE, PAGE)
    for event in PATHS[state]:
        ledger.move(ledger.slots[0], event)
    assert ledger.state(ledger.slots[0]) is state
    return ledger


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", EVENTS)
def test_a_transition_that_is_not_in_the_table_raises_and_changes_nothing(state: State, event: str) -> None:
    ledger = ledger_in(state)
    slot = ledger.slots[0]
    if (state, event) in TABLE:
        assert ledger.move(slot, event) is TABLE[state, event]
    else:
        with pytest.raises(IllegalTransition, match=f"slot 0 is {state.value}: cannot be {event}"):
            ledger.move(slot, event)
        assert ledger.state(slot) is state


@pytest.mark.parametrize("order", [("sent", "hashed"), ("hashed", "sent")])
def test_a_sent_slot_is_free_only_when_it_is_both_hashed_and_accepted(order: tuple[str, str]) -> None:
    ledger = Ledger(PAGE, PAGE)
    slot = ledger.grant("fill")
    assert slot is not None
    ledger.move(slot, "filled")
    assert ledger.move(slot, order[0]) is not State.FREE
    assert ledger.grant("fill") is None
    assert ledger.move(slot, order[1]) is State.FREE
    assert ledger.grant("fill") == slot


def test_the_slot_used_last_is_granted_first() -> None:
    ledger = Ledger(3 * PAGE, PAGE)
    first, second = ledger.grant("receive"), ledger.grant("receive")
    assert first and second and (first.index, second.index) == (0, 1)
    for event in ("received", "written"):
        ledger.move(first, event)
    assert ledger.grant("receive") == first


def test_a_received_slot_is_free_only_when_it_is_written() -> None:
    ledger = Ledger(PAGE, PAGE)
    slot = ledger.grant("receive")
    assert slot is not None
    ledger.move(slot, "received")
    assert ledger.grant("receive") is None
    ledger.move(slot, "written")
    assert ledger.idle


@given(st.integers(1, 10 * PAGE), st.integers(1, 20 * PAGE))
def test_slots_are_whole_pages_apart_and_inside_the_memory(size: int, memory: int) -> None:
    if stride(size) > memory:
        with pytest.raises(ValueError, match=f"{size} bytes does not fit in {memory} bytes"):
            Ledger(memory, size)
        return
    slots = Ledger(memory, size).slots
    assert len(slots) == memory // stride(size)
    assert [slot.offset for slot in slots] == [i * stride(size) for i in range(len(slots))]
    assert all(slot.offset % PAGE == 0 and slot.size == size for slot in slots)
    assert slots[-1].offset + size <= memory


def test_slots_are_cut_anew_only_when_all_are_free() -> None:
    ledger = Ledger(4 * PAGE, PAGE)
    slot = ledger.grant("fill")
    assert slot is not None
    with pytest.raises(IllegalTransition, match="only when all are free"):
        ledger.recut(2 * PAGE)
    ledger.move(slot, "empty")
    ledger.recut(2 * PAGE)
    assert ledger.slots == (Slot(0, 0, 2 * PAGE), Slot(1, 2 * PAGE, 2 * PAGE))


def test_the_ledgers_repr_shows_every_state() -> None:
    ledger = Ledger(2 * PAGE, 7)
    ledger.grant("fill")
    assert repr(ledger) == "Ledger(7 x ['filling', 'free'])"
