"""Reordering: whatever the order of coming, the order of going is that of the numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gof3r.engine.flow.reorder import Reorder


@given(st.integers(0, 40).flatmap(lambda n: st.permutations(range(1, n + 1))))
def test_items_that_come_in_any_order_leave_in_order_and_without_delay(order: list[int]) -> None:
    reorder: Reorder[int] = Reorder()
    came: set[int] = set()
    left: list[int] = []
    for number in order:
        came.add(number)
        left += reorder.put(number, number)
        first_missing = next(n for n in range(1, len(order) + 2) if n not in came)
        assert left == list(range(1, first_missing))
        assert reorder.next == first_missing
    assert left == sorted(order)


@pytest.mark.parametrize("number", [1, 3])
def test_a_part_that_comes_twice_is_a_bug_whether_it_left_or_waits(number: int) -> None:
    reorder: Reorder[str] = Reorder()
    reorder.put(1, "a")
    reorder.put(3, "c")
    with pytest.raises(ValueError, match=f"part {number} came twice"):
        reorder.put(number, "again")


def test_the_repr_shows_what_is_missing() -> None:
    reorder: Reorder[str] = Reorder()
    reorder.put(3, "c")
    assert repr(reorder) == "Reorder(next=1, early=[3])"
