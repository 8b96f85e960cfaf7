"""What goes through one ring together, and what has one to itself."""

from __future__ import annotations

import pytest

from gof3r.migrate.carrying import PARTS, in_parts, needs_ring
from gof3r.migrate.items import Identity, Item, LocalFile, Place, S3Object
from gof3r.migrate.options import Options
from gof3r.migrate.states import Entry, Left, State

PART = 1000
FILE, FROM, TO = LocalFile("/a"), S3Object("a", "k"), S3Object("b", "k")


def md5(parts: int) -> str:
    return "0" * 32 + (f"-{parts}" if parts else "")


@pytest.mark.parametrize(
    ("source", "to", "size", "parts", "left", "several", "ring"),
    [
        (FROM, TO, 0, 0, None, False, False),
        (FROM, TO, PART, 0, None, False, False),
        (FROM, TO, PART, 1, None, False, False),
        (FROM, TO, None, 0, None, False, False),
        (FROM, TO, PART + 1, 0, None, True, False),
        (FROM, TO, PARTS * PART, 0, None, True, False),
        (FROM, TO, PARTS * PART + 1, 0, None, True, True),
        # Made of parts: each has to fit, and they are at most that large.
        (FROM, TO, 10, 2, None, True, False),
        (FROM, TO, 2 * PART, 3, None, True, False),
        (FROM, TO, 2 * PART + 2, 3, None, True, True),
        (FROM, TO, None, 2, None, True, True),
        (FROM, FILE, PART + 1, 0, None, True, False),
        (FROM, FILE, PARTS * PART + 1, 0, None, True, True),
        (FILE, TO, PART, 0, None, False, False),
        (FILE, TO, PART + 1, 0, None, True, False),
        (FILE, TO, PARTS * PART + 1, 0, None, True, True),
        (FROM, TO, 5, 0, Left(1.0), True, True),
        (FILE, TO, 5, 0, Left(1.0), True, False),
    ],
)
def test_who_needs_a_ring(
    source: Place, to: Place, size: int | None, parts: int, left: Left | None, several: bool, ring: bool
) -> None:
    known = Identity(size, md5(parts) if isinstance(source, S3Object) else "")
    entry = Entry(1, Item(source, to, known=known), State.TODO, 0, left, None)
    assert (in_parts(entry, PART), needs_ring(entry, PART)) == (several, ring)


@pytest.mark.parametrize(
    ("size", "own", "ring"), [(PART, 7, False), (PART + 1, 7, True), (PART + 1, PART, False)]
)
def test_who_is_cut_in_a_way_of_its_own_needs_a_ring(size: int, own: int, ring: bool) -> None:
    item = Item(FROM, TO, Options(part_size=own), Identity(size, md5(0)))
    assert needs_ring(Entry(1, item, State.TODO, 0, None, None), PART) == ring
