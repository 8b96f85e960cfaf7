"""The story of a listing: every object once, page by page, whatever its key."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

import pytest

from gof3r.engine.flow.listing import Listing
from gof3r.engine.s3.listings import Listed
from tests.flow.desk import EPOCH, Bucket, Desk
from tests.flow.scripts import RESET, instead, saying
from tests.flow.store import TARGET, error

KEYS = ["a b", "a+b", "a/b", "a\x01b", "aé", "b", "c&d", "c<d", "d%20"]


def listing(prefix: str = "", page: int = 1000) -> Desk:
    store = Bucket(page)
    for key in KEYS:
        store.objects[f"/bucket/{key}"] = Bucket().keep(b"data")
    return Desk(Listing(replace(TARGET, key=prefix)), store)


def keys(desk: Desk) -> list[str]:
    pages = [page for page in desk.shown if isinstance(page, tuple)]
    return [entry.key for entry in chain.from_iterable(pages)]


@pytest.mark.parametrize("page", [1, 2, 9, 1000])
def test_every_object_is_shown_once_over_all_pages(page: int) -> None:
    desk = listing(page=page).run()
    assert keys(desk) == sorted(KEYS)
    assert desk.result == len(KEYS)
    assert len(desk.log) == len(desk.shown) == -(-len(KEYS) // page)


def test_only_keys_that_begin_with_the_prefix_are_shown() -> None:
    desk = listing("a", page=2).run()
    assert keys(desk) == ["a\x01b", "a b", "a+b", "a/b", "aé"]
    assert desk.result == 5


def test_an_entry_tells_what_s3_tells() -> None:
    desk = listing("b").run()
    etag = Bucket().keep(b"data").etag
    assert desk.shown == [(Listed("b", 4, etag, EPOCH, "STANDARD"),)]


def test_nothing_to_show_is_no_error() -> None:
    assert listing("zz").run().result == 0


def test_a_page_whose_answer_was_lost_is_asked_again_and_shown_once() -> None:
    desk = listing(page=4).on("list_objects", instead(RESET)).run()
    assert keys(desk) == sorted(KEYS)


def test_a_refusal_is_the_listings_error() -> None:
    desk = listing().on("list_objects", instead(error(404, "NoSuchBucket"))).run()
    assert desk.error.startswith("ls s3://bucket/: list_objects: server answered 404 NoSuchBucket")


def test_a_page_that_is_no_listing_fails() -> None:
    desk = listing().on("list_objects", *[saying(b"<html>hello</html>")] * 2).run()
    assert desk.error.startswith("ls s3://bucket/: list_objects: ")


def test_a_server_that_gives_the_same_page_for_ever_is_not_followed() -> None:
    again = saying(
        b"<ListBucketResult><IsTruncated>true</IsTruncated>"
        b"<NextContinuationToken>t</NextContinuationToken></ListBucketResult>"
    )
    desk = listing().on("list_objects", again, again, again).run()
    assert "the same page for ever" in desk.error
    assert len(desk.log) == 2
