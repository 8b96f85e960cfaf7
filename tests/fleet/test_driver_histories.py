"""Histories that hypothesis chooses: whatever comes of each errand, the migration ends as it should."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, note, settings
from hypothesis import strategies as st

from gof3r.engine.errors import Gof3rError
from gof3r.fleet.errand import Errand
from gof3r.migrate.items import Item
from gof3r.migrate.states import State
from tests.fleet.site import LARGE, SPLIT, Site, get, of_size, put

FATES = ["waits", "done", "done", "lost", "half", "unheard", "twice", "noticed", "unreached", "refused"]
ITEMS = st.lists(
    st.sampled_from(
        [(of_size, 1), (of_size, None), (of_size, LARGE), (of_size, SPLIT), (put, LARGE), (get, LARGE)]
    ),
    max_size=7,
)


@settings(max_examples=120)
@given(
    kinds=ITEMS,
    small=st.integers(0, 120),
    large=st.booleans(),
    unsplit=st.booleans(),
    words=st.lists(st.sampled_from(FATES), max_size=40),
    places=st.lists(st.integers(0, 4), max_size=10),
    most=st.none() | st.integers(0, 3),
    tells=st.booleans(),
)
def test_any_history_ends_with_each_object_done_once_or_failed(
    kinds: list[tuple[Callable[..., Item], int | None]],
    small: int,
    large: bool,
    unsplit: bool,
    words: list[str],
    places: list[int],
    most: int | None,
    tells: bool,
) -> None:
    items = [make(number, size) for number, (make, size) in enumerate(kinds)]
    items += [of_size(number, 1) for number in range(100, 100 + small)]
    with TemporaryDirectory() as name:
        site = Site(Path(name), items)
        site.most = most
        site.yard.tells = tells
        for one in items:
            if large and one.known.size is None:
                site.store.sizes[str(one.destination)] = LARGE
            if unsplit:
                site.store.unsplit.add(str(one.destination))
        rest, room = iter(words), iter(places)

        def fate(errand: Errand) -> str:
            word = next(rest, "done")
            note(f"{errand.key} {type(errand.what).__name__}: {word}")
            return word

        def turned() -> None:
            site.yard.places = max(len(site.yard.out), next(room, 2))

        site.yard.fate, site.yard.turned = fate, turned
        ended = True
        try:
            totals = site.run()
        except Gof3rError as error:
            note(f"{error}")
            ended = False
        else:
            assert (
                sum(totals.values()) == totals.get(State.DONE, 0) + totals.get(State.FAILED, 0) == len(items)
            )
            done = {str(entry.item.destination) for entry in site.entries(State.DONE)}
        site.check({str(it.destination) for it in items} - (done if ended else set()))
        site.most = None
        assert site.again().get(State.DONE, 0) == len(items)
        site.check()
