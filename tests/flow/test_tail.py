"""The slowest requests: found by comparison with the others, within a budget, each once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gof3r.engine.flow.tail import (
    FEW_WHOLE,
    FLOOR,
    FLOOR_WHOLE,
    LEARN,
    LEARN_WHOLE,
    LEAST,
    SHARE,
    TIMES_MEDIAN,
    TIMES_P95,
    Tail,
)
from gof3r.engine.values import Direction

LONG = 1e6
"""Seconds in which the bytes of an answer came, where only its beginning counts: then nothing drips."""


def learned(seconds: list[float], direction: Direction = "receive", length: int = 100) -> Tail:
    """A tail that has seen an answer begin after each of ``seconds``, and end much later."""
    tail = Tail()
    for job, waited in enumerate(seconds, 1):
        tail.sent(job, 1, direction, length, 0.0)
        tail.answered(job, waited, LONG)
    return tail


def test_without_experience_nothing_is_slow() -> None:
    tail = Tail()
    for job in range(LEARN - 1):
        tail.sent(job, 1, "receive", 100, 0.0)
        tail.answered(job, 1.0 * (job < LEARN_WHOLE - 1), 1.0)
    tail.sent(1000, 1, "receive", 100, 0.0)
    assert (tail.slow(1e9), tail.deadline()) == ([], None)


@pytest.mark.parametrize(
    ("seconds", "limit"),
    [
        ([1.0] * 100, TIMES_MEDIAN * 1.0),
        ([1.0] * 90 + [10.0] * 10, TIMES_P95 * 10.0),
        ([0.01] * 100, FLOOR),
    ],
)
def test_slow_is_what_is_far_beyond_the_others(seconds: list[float], limit: float) -> None:
    tail = learned(seconds)
    tail.sent(1000, 1, "receive", 100, 50.0)
    assert tail.deadline() == 50.0 + limit
    assert tail.slow(49.9 + limit) == []
    assert tail.slow(50.0 + limit) == [(1000, False)]


def test_each_request_is_given_up_once_and_no_second_attempt_is() -> None:
    tail = learned([1.0] * 100)
    tail.sent(1000, 1, "receive", 100, 0.0)
    tail.sent(1001, 2, "receive", 100, 0.0)
    assert tail.slow(1e5) == [(1000, False)]
    assert tail.slow(1e5) == []


def test_a_sent_part_has_time_by_its_length_and_a_received_one_has_not() -> None:
    for direction, limit in (("send", 40.0), ("receive", 4.0)):
        tail = learned([1.0] * 100, direction)  # type: ignore[arg-type]
        tail.sent(1000, 1, direction, 1000, 0.0)  # type: ignore[arg-type]
        assert tail.deadline() == limit


def test_an_answered_request_is_not_given_up() -> None:
    tail = learned([1.0] * 100)
    tail.sent(1000, 1, "receive", 100, 0.0)
    tail.answered(1000, 3.0, 3.0)
    assert tail.slow(1e9) == []


@pytest.mark.parametrize(
    ("length", "limit"), [(LEAST, FLOOR_WHOLE), (10 * LEAST, TIMES_MEDIAN * 10.0), (77, FLOOR_WHOLE)]
)
def test_what_is_answered_and_then_drips_is_given_up_too(length: int, limit: float) -> None:
    tail = Tail()
    for job in range(LEARN_WHOLE):
        tail.sent(job, 1, "receive", LEAST, 0.0)
        tail.answered(job, 0.01, 1.0)
    tail.sent(1000, 1, "receive", length, 50.0)
    assert tail.deadline() == 50.0 + limit
    assert tail.slow(49.9 + limit) == []
    assert tail.slow(50.0 + limit) == [(1000, True)]
    assert tail.slow(1e9) == []


def test_a_short_last_part_teaches_nothing_wrong() -> None:
    tail = Tail()
    for job, length in enumerate([5 * LEAST] * 11 + [77]):
        tail.sent(job, 1, "receive", length, 0.0)
        tail.answered(job, 0.01, 0.1)
    tail.sent(1000, 1, "receive", 5 * LEAST, 0.0)
    assert tail.deadline() == FLOOR_WHOLE


def test_dripping_has_a_budget_too_but_never_none() -> None:
    tail = Tail()
    for job in range(LEARN_WHOLE):
        tail.sent(job, 1, "receive", 100, 0.0)
        tail.answered(job, 0.01, 1.0)
    for job in range(100, 110):
        tail.sent(job, 1, "receive", 100, 0.0)
    assert len(tail.slow(1e9)) == FEW_WHOLE
    assert tail.deadline() is None


def test_a_failed_request_teaches_nothing() -> None:
    tail = learned([1.0] * (LEARN - 1) + [0.0] * 50)
    tail.sent(1000, 1, "receive", 100, 0.0)
    assert (tail.deadline() or 0) > LONG  # of its end, not of its beginning


def test_a_store_that_has_become_slow_for_all_moves_the_limit() -> None:
    tail = learned([1.0] * 200 + [5.0] * 200)
    tail.sent(1000, 1, "receive", 100, 0.0)
    assert tail.deadline() == TIMES_MEDIAN * 5.0


@given(st.lists(st.sampled_from([0.5, 1.0, 400.0]), min_size=30, max_size=300))
def test_no_more_than_the_budget_is_ever_given_up(seconds: list[float]) -> None:
    tail, given_up = Tail(), 0
    for job, waited in enumerate(seconds, 1):
        tail.sent(job, 1, "receive", 100, 0.0)
        given_up += len(tail.slow(300.0))
        assert given_up <= SHARE * job
        tail.answered(job, waited, LONG)
