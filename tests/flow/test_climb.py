"""How many parts at once, where nobody has said."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gof3r.engine.flow import plan, server_copy
from gof3r.engine.flow.climb import MOST, REST, START, Climb, room
from gof3r.engine.flow.throttle import Window
from tests.flow import transfers
from tests.flow.store import FROM, Store
from tests.flow.world import World

MB = 10**6
PART = 20 << 20

Link = Callable[[int], float]
"""Bytes a second, by connections."""


def capped(cap: float, each: float = 90 * MB) -> Link:
    return lambda level: min(level * each, cap)


def played(link: Link, seconds: int, climb: Climb | None = None, noise: float = 0.0, seed: int = 1) -> Climb:
    """A climb after so many seconds on that link."""
    random = Random(seed)
    climb = climb or Climb(START, MOST, PART)
    for _ in range(seconds):
        rate = link(climb.level) * (1 + noise * (random.random() * 2 - 1))
        climb = climb.after(rate, 0.95, climb.level, 2.0)
    return climb


@pytest.mark.parametrize("cap", [500, 900, 1000, 1800, 2200, 3125])
def test_within_ten_seconds_it_is_within_five_percent_of_the_best(cap: float) -> None:
    found = played(capped(cap * MB), 10).found
    assert capped(cap * MB)(found) >= 0.95 * cap * MB


@pytest.mark.parametrize("cap", [500, 900, 2200, 12_500, 25_000])
def test_connections_that_bring_nothing_are_given_back(cap: float) -> None:
    needed = cap / 90
    assert played(capped(cap * MB), 40).found <= max(START, 2 * needed)


@given(st.floats(100, 40_000), st.floats(5, 120), st.integers(0, 99))
def test_it_never_leaves_its_bounds_and_settles_near_the_best(cap: float, each: float, seed: int) -> None:
    link = capped(cap * MB, each * MB)
    climb = played(link, 60, noise=0.02, seed=seed)
    assert 1 <= climb.level <= MOST
    assert link(climb.found) >= 0.85 * link(MOST)


def test_memory_bounds_it() -> None:
    assert played(capped(25e9), 30, Climb(START, 25, PART)).found == 25
    assert played(capped(25e9), 30, Climb(4, 4, PART)).level == 4


def test_a_step_is_judged_only_when_each_connection_has_moved_a_part() -> None:
    climb = Climb(START, MOST, PART)
    climb = climb.after(9 * PART, 0.95, 10, 2.0)
    assert (climb := climb.after(9 * PART, 0.95, 10, 2.0)).level == START  # 9 parts after the first second
    assert climb.after(9 * PART, 0.95, 10, 2.0).level == 20


def test_connections_too_slow_to_move_a_part_are_judged_all_the_same() -> None:
    assert played(capped(25e9, each=1 * MB), 12).found >= 40


def test_a_burst_at_the_beginning_of_a_step_is_not_believed() -> None:
    climb = played(capped(900 * MB), 2)
    assert (climb.level, climb.below) == (20, 10)
    climb = climb.after(5000 * MB, 0.95, 20, 2.0)
    climb = climb.after(900 * MB, 0.95, 20, 2.0)
    assert (climb.level, climb.below, climb.rest) == (10, 0, REST)


def test_a_step_that_collapses_is_taken_back() -> None:
    climb = played(capped(900 * MB), 2)
    for _ in range(4):
        climb = climb.after(0.0, 0.9, 20, 2.0)
    assert (climb.level, climb.found) == (10, 10)


def test_what_failed_once_is_tried_again_in_smaller_steps_after_longer_and_longer_rests() -> None:
    climb = played(capped(900 * MB), 4)
    tries = []
    for second in range(300):
        before, climb = climb, climb.after(min(climb.level, 10) * 90 * MB, 0.95, climb.level, 2.0)
        if climb.level > before.level:
            tries.append((second, climb.level))
    assert [level for _, level in tries] == [13] * len(tries)
    apart = [later - sooner for (sooner, _), (later, _) in zip(tries, tries[1:], strict=False)]
    assert apart == sorted(apart) and apart[-1] > 3 * apart[0]


def test_a_network_that_has_become_faster_is_noticed() -> None:
    climb = played(capped(900 * MB), 10)
    assert climb.found == 10
    assert played(capped(2700 * MB), 120, climb).found >= 25


def test_throttling_ends_the_step_and_nothing_is_tried_for_a_while() -> None:
    climb = played(capped(25e9), 6)
    known = climb.found
    climb = climb.after(1800 * MB, 0.95, climb.level // 2, 2.0)
    held = climb.level
    assert (held, climb.below, climb.rest) == (known, 0, REST)
    for limit in (1, 2, 3):  # the window goes its own way
        assert climb.after(100 * MB, 0.95, limit, 2.0).level == held
    for _ in range(REST - 1):
        climb = climb.after(held * 90 * MB, 0.95, held, 2.0)
        assert climb.level == held
    assert played(capped(25e9), 5, climb).level > held


def test_where_the_connections_are_not_busy_it_does_not_climb() -> None:
    climb = Climb(START, MOST, PART)
    for _ in range(30):
        climb = climb.after(900 * MB, 0.5, climb.level, 2.0)
    assert climb.level == START


def test_connections_that_stand_idle_are_given_up_but_not_the_first_ten() -> None:
    climb = played(capped(25e9), 8)
    high = climb.found
    for _ in range(30):
        climb = climb.after(500 * MB, 0.1, climb.level, 2.0)
    assert high > START == climb.level


@pytest.mark.parametrize(
    ("used", "cores", "more", "expected"),
    [
        ({"worker 1": 0.475}, 2, False, 2.0),
        ({"worker 1": 0.95}, 2, False, 1.0),
        ({"worker 1": 0.95}, 4, True, 4.0),  # another worker takes over
        ({"worker 1": 0.5, "worker 2": 0.9, "parent": 0.1}, 2, True, 0.95 / 0.75),  # but no core is left
        ({}, 2, False, 2.0),
        ({"worker 1": 0.0}, 2, False, 2.0),
    ],
)
def test_room_is_what_the_fullest_worker_or_all_cores_leave(
    used: dict[str, float], cores: int, more: bool, expected: float
) -> None:
    assert room(used, 1.0, cores, more) == pytest.approx(expected)


def test_no_step_goes_beyond_the_machines_room() -> None:
    climb = Climb(40, MOST, PART, seconds=3)
    assert climb.after(3e9, 0.95, 40, 1.2).level == 48
    assert climb.after(3e9, 0.95, 40, 1.05).level == 40


def test_a_window_that_is_resized_keeps_what_throttling_took() -> None:
    assert Window(10, 10).resized(20).limit == 20
    assert Window(10, 10).throttled(5.0).resized(20).limit == 5
    assert Window(20, 20).resized(8).limit == 8


# --- in a transfer ------------------------------------------------------------------


EACH = 16
"""Bytes a second that one connection of this world brings: a part of 8 bytes in half a second."""


def world_of(kind: str, data: bytes, most: int, connections: int) -> World:
    """A transfer of ``data`` over a link that has room for so many ``connections``."""
    climb = Climb(2, most, 8)
    if kind == "get":
        store = Store()
        store.keep_sidecar(data, store.keep(data).etag)
        world = transfers.get(store, slots=most, concurrency=2, workers=1, climb=climb)
    else:
        world = transfers.put(data, slots=most, concurrency=2, workers=1, climb=climb)
    world.latency = lambda job: max(8 / EACH, world.dispatch.parts_on_wire * 8 / EACH / connections)
    return world


@pytest.mark.parametrize("kind", ["put", "get"])
def test_a_transfer_finds_the_connections_that_its_link_has_room_for(kind: str) -> None:
    data = Random(1).randbytes(2400)
    world = world_of(kind, data, 32, 8).run()
    assert world.receipt.size == len(data)
    assert world.transfer.found == 8
    assert max(progress.in_flight for _, progress in world.progress) > 8  # it has tried more
    assert any(note.startswith("concurrency 4: ") for note in world.notes)
    assert kind == "put" or world.delivered == data


@pytest.mark.parametrize("kind", ["put", "get"])
def test_it_uses_no_more_slots_than_it_has_climbed_to(kind: str) -> None:
    world = world_of(kind, Random(2).randbytes(1200), 32, 2).run()
    assert world.most_slots <= 4  # the step that brought nothing
    assert world.transfer.found <= 4


def test_workers_come_with_the_connections() -> None:
    world = world_of("get", Random(3).randbytes(8000), 32, 32)
    world.run(lambda: world.dispatch.concurrency <= 8 and len(world.times) > 30)
    assert set(world.seats) == {0, 1}
    world.run()
    assert world.dispatch.concurrency == 32
    assert set(world.seats) == {0, 1, 2, 3, 4}


def test_what_the_server_copies_by_itself_is_climbed_by_what_it_has_copied(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server_copy, "MAX_COPY", 100)  # else one request does it all
    monkeypatch.setattr(plan, "MIN_PART", 8)
    store, data = Store(), Random(4).randbytes(2400)
    store.keep(data, path=FROM, digests=("crc64nvme",))
    world = transfers.copy(store, sidecar=False, slots=32, concurrency=2, workers=1, climb=Climb(2, 32, 8))
    world.latency = lambda job: max(0.5, world.dispatch.parts_on_wire / 16)
    world.run()
    assert world.receipt.size == 2400 and world.moved == 0
    assert 8 <= world.transfer.found <= 10
