"""The window of part requests under throttling."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gof3r.engine.flow.throttle import Pace, Window


def test_throttling_halves_the_window() -> None:
    assert Window(10, 10).throttled(100.0).limit == 5
    assert Window(5, 10).throttled(100.0).limit == 2


def test_a_burst_of_throttled_answers_halves_once_a_second() -> None:
    window = Window(64, 64)
    for now in (100.0, 100.1, 100.9, 101.0, 101.5):
        window = window.throttled(now)
    assert window.limit == 16


def test_the_window_never_closes() -> None:
    window = Window(10, 10)
    for now in range(20):
        window = window.throttled(float(now))
    assert window.limit == 1


def test_success_opens_the_window_by_one_a_second_until_the_ceiling() -> None:
    window = Window(4, 4).throttled(100.0)
    limits = []
    for tenth in range(0, 50):
        window = window.succeeded(100.0 + tenth / 10)
        limits.append(window.limit)
    assert limits[::10] == [2, 3, 4, 4, 4]


def test_success_right_after_throttling_does_not_open_the_window() -> None:
    throttled = Window(10, 10).throttled(100.0)
    assert throttled.succeeded(100.5) == throttled


def test_throttling_right_after_the_window_opened_halves_it() -> None:
    opened = Window(10, 10).throttled(100.0).succeeded(105.0)
    assert opened.limit == 6
    assert opened.throttled(105.1).limit == 3


@given(
    st.integers(1, 128),
    st.lists(st.tuples(st.booleans(), st.floats(0, 3)), max_size=200),
)
def test_the_window_stays_between_one_and_the_ceiling(
    ceiling: int, answers: list[tuple[bool, float]]
) -> None:
    window, now = Window(ceiling, ceiling), 0.0
    for success, gap in answers:
        now += gap
        window = window.succeeded(now) if success else window.throttled(now)
        assert 1 <= window.limit <= ceiling


def test_parts_begin_as_far_apart_as_their_bytes_take_at_the_rate() -> None:
    pace = Pace(1000)
    assert pace.ready < 100.0
    pace = pace.spend(500, 100.0)
    assert pace.ready == 100.5
    assert pace.spend(500, 100.5).ready == 101.0
    assert pace.spend(500, 107.0).ready == 107.5, "time that was not used is not saved up"


def test_without_a_rate_no_part_waits() -> None:
    assert Pace(0).spend(1 << 40, 100.0).ready < 100.0
