"""Who has fallen silent, and who was only stopped together with us."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gof3r.engine.flow.watch import GAP, SILENCE, Watch


def looks(seconds: int, ticks: Callable[[int], dict[int, int]], start: float = 5000.0) -> list[list[int]]:
    watch = Watch()
    return [watch.look(ticks(second), start + second) for second in range(seconds)]


def test_a_process_without_a_turn_for_ten_seconds_is_silent_and_its_neighbours_are_not() -> None:
    found = looks(13, lambda second: {1: second, 2: 7, 3: 1 + second // 9})
    assert found == [[]] * 10 + [[2], [2], [2]]


@pytest.mark.parametrize("start", [0.0, 5000.0])
def test_a_process_that_never_takes_a_turn_is_silent_after_ten_seconds(start: float) -> None:
    found = looks(12, lambda second: {1: 0}, start)
    assert found == [[]] * 10 + [[1], [1]]


def test_a_suspended_machine_silences_nobody() -> None:
    watch = Watch()
    for second in range(9):
        watch.look({1: 5}, 100.0 + second)
    assert watch.look({1: 5}, 100.0 + 8 + 3600) == []
    assert [watch.look({1: 5}, 3708.0 + second) for second in range(1, 10)] == [[]] * 9
    assert watch.look({1: 5}, 3708.0 + SILENCE) == [1]


def test_a_delay_of_our_own_that_is_no_gap_still_counts() -> None:
    watch = Watch()
    found = [watch.look({1: 5}, 100.0 + turn * GAP) for turn in range(5)]
    assert found == [[], [], [], [], [1]]


def test_a_seat_that_ended_and_came_again_starts_afresh() -> None:
    watch = Watch()
    for second in range(8):
        watch.look({0: 3}, 100.0 + second)
    watch.look({}, 108.0)
    assert [watch.look({0: 3}, 109.0 + second) for second in range(11)] == [[]] * 10 + [[0]]
