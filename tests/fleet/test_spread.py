"""One object of several machines: its spans are all of it, and the last one makes it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gof3r.engine import orders
from gof3r.engine.spans import Split, StoredPart
from gof3r.engine.values import Endpoint, Part, Target
from gof3r.fleet.spread import A_PLACE, LEAST, MOST, WORTH, Spread
from gof3r.migrate.states import Entry, State
from tests.migrate.samples import item

HERE = Endpoint("http", "127.0.0.1", 1)
COPY = orders.Copy(Target(HERE, "r", "src", "k", True), Target(HERE, "r", "dst", "k", True))
EACH = 7


def spread() -> Spread:
    return Spread(Entry(1, item(1), State.UNDER_WAY, 0, None, None), COPY, 0.0)


def split(count: int) -> Split:
    parts = tuple(Part(number + 1, number * EACH, EACH) for number in range(count))
    return Split("u", count * EACH, "e", "", parts, (), ("md5",), ("md5",))


def sent(order: orders.Span) -> tuple[StoredPart, ...]:
    found = order.split.parts[order.first - 1 : order.last]
    return tuple(StoredPart(part, "", "", False, {}) for part in found)


@given(st.integers(2, 10_000), st.integers(0, 500))
def test_spans_are_all_parts_once_in_order(count: int, places: int) -> None:
    spans = spread().spans(split(count), places)
    numbers = [number for span in spans for number in range(span.first, span.last + 1)]
    assert numbers == list(range(1, count + 1))
    lengths = [span.last - span.first + 1 for span in spans]
    assert all(LEAST <= length <= MOST for length in lengths[:-1])
    assert lengths[-1] <= MOST


@pytest.mark.parametrize(
    ("count", "places", "spans"), [(WORTH, 1, 4), (WORTH, 8, 4), (1000, 4, 17), (10_000, 2, 79)]
)
def test_each_place_has_some_spans(count: int, places: int, spans: int) -> None:
    assert len(spread().spans(split(count), places)) == spans
    assert spans >= A_PLACE


@given(st.integers(2, 300), st.randoms(use_true_random=False))
def test_the_last_span_to_arrive_completes_it(count: int, chance: object) -> None:
    whole = spread()
    assert whole.abort() is None and whole.upload_id == ""
    spans = whole.spans(split(count), 2)
    chance.shuffle(spans)  # type: ignore[attr-defined]
    for span in spans[:-1]:
        assert whole.finish(sent(span)) is None
    finish = whole.finish(sent(spans[-1]))
    assert finish is not None
    assert sorted(it.part.number for it in finish.stored) == list(range(1, count + 1))
    assert (finish.split, whole.done) == (split(count), count * EACH)


def test_what_ends_it_names_its_upload_alone() -> None:
    whole = spread()
    whole.spans(split(WORTH), 2)
    ending = whole.abort()
    assert ending is not None
    assert (ending.upload_id, ending.abort, ending.target) == ("u", True, COPY.target)
