"""Whatever comes in the place of S3's answers: only values of ours come of it, or errors of ours, soon and in
bounded memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given

from gof3r.engine.errors import describe
from gof3r.engine.s3 import dates, listings, markup, replies
from gof3r.engine.s3.replies import Completed, ObjectHead, Unreadable
from gof3r.engine.values import Response
from tests.s3.hostile import GOOD, RESPONSES, TEXTS, document

# --- each reader ------------------------------------------------------------------


def in_order(low: float, value: float | None, high: float) -> bool:
    return value is None or low <= value <= high


def sane(value: Any) -> bool:
    """What everybody who is given such a value takes for granted."""
    match value:
        case Completed():
            return bool(value.etag) and value.etag.isprintable()
        case ObjectHead():
            count, _ = value.part_count, (value.metadata, value.content_headers, value.composite_checksums)
            known = value.etag != "" and value.etag.isprintable() and value.version_id.isprintable()
            sizes = 0 <= value.size < 10**19 and 0 <= value.part_length < 10**19 and 0 <= count <= 99_999
            return known and sizes and in_order(0, value.modified, 1 << 32) and 0 <= value.tag_count <= 99_999
        case listings.ListPage():
            return all(entry.key and 0 <= entry.size < 10**19 for entry in value.entries)
        case listings.UploadsPage():
            return all(entry.key and entry.upload_id for entry in value.entries)
        case _:
            return True


READERS: list[Callable[[Response], object]] = [
    *(replies.upload_id, replies.completed, replies.copied, replies.object_head, replies.sidecar),
    *(replies.content_range, replies.etag, listings.objects, listings.uploads, listings.tags),
]


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
@given(response=RESPONSES)
def test_any_answer_is_a_value_that_makes_sense_or_one_line(
    read: Callable[[Response], object], response: Response
) -> None:
    try:
        value = read(response)
    except Unreadable as unreadable:
        assert str(unreadable).isprintable() and len(str(unreadable)) <= 300
    else:
        assert sane(value)


@given(RESPONSES)
def test_any_refusal_is_told_in_one_line_and_asks_for_a_sane_wait(response: Response) -> None:
    failed = replies.failure(response)
    if failed is None:
        assert 200 <= response.status <= 299
        return
    assert describe(failed).isprintable() and failed.code.isprintable() and failed.region.isascii()
    assert in_order(0, failed.retry_after, 1 << 32) and in_order(0, failed.server_time, 1 << 32)


@given(TEXTS)
def test_any_moment_is_one_or_none(text: str) -> None:
    assert in_order(0, dates.http_date(text), 1 << 32)
    assert in_order(-(1 << 37), dates.iso_date(text), 1 << 38)
    assert in_order(0, dates.retry_after(text, 5.0), 1 << 32)


LINE_END = "a&#13;&#10;x-amz-acl: public-read"


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, f"<R><ETag>{LINE_END}</ETag></R>"),
        ({}, "<R><ETag>a\nb</ETag></R>"),
        ({"x-amz-version-id": "\x1b[2J"}, "<R><ETag>a</ETag></R>"),
    ],
)
def test_what_would_begin_a_header_of_its_own_is_no_etag_and_no_version(
    headers: dict[str, str], body: str
) -> None:
    with pytest.raises(Unreadable, match="the answer's (ETag|version) is '"):
        replies.completed(Response(200, headers, body.encode()))


# --- what is made to cost ------------------------------------------------------------------

MOST = markup.MAX_XML - 100
BOMBS = {
    "a namespace of megabytes in every element": b"<a xmlns='"
    + b"u" * (MOST - 400_000)
    + b"'>"
    + b"<a/>" * 99_000
    + b"</a>",
    "attributes": b"<a" + b"".join(b" a%x=''" % n for n in range(MOST // 10)) + b"/>",
    "attributes with spaces": b"<a" + b"".join(b" a%x =\n''" % n for n in range(MOST // 12)) + b"/>",
    "attributes of many elements": b"<a>" + b"<a b='' c='' d=''/>" * 90_000 + b"</a>",
    "short lines": b"<a>" + b"ab\n" * (MOST // 3) + b"</a>",
    "what XML cannot hold": b"<a>" + b"\0" * MOST + b"</a>",
    "references to that": b"<a>" + b"&#1;" * (MOST // 4) + b"</a>",
    "a reference without end": b"<a>&#x" + b"0" * MOST + b"</a>",
    "nesting": b"<a>" * 49_000 + b"</a>" * 49_000,
    "one wide character": b"<a>\xf0\x9f\x98\x80" + b"x" * MOST + b"</a>",
}
MEMORY = 8 * markup.MAX_XML
"""Bytes that reading an answer may take: as text of four bytes a character, and once more."""


@pytest.mark.parametrize("body", BOMBS.values(), ids=BOMBS)
def test_no_answer_costs_more_than_a_few_times_its_bytes(body: bytes) -> None:
    """Before its length was bounded, each took from 150 MB of memory to eight minutes."""
    tracemalloc.start()
    try:
        markup.parsed(body)
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("root", [root for root in GOOD if not root.startswith(("List", "Tag"))])
def test_an_answer_about_one_thing_is_not_read_beyond_its_own_bound(root: str) -> None:
    whole = document(root).encode()
    assert replies._fields(whole) is not None
    assert replies._fields(whole.replace(b"</", b" " * markup.MAX_REPLY + b"</", 1)) is None
