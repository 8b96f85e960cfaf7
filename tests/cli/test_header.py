"""Headers: which are taken, which belong to requests, and that a key is never shown."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gof3r.engine.errors import UsageError
from gof3r.engine.values import Header
from gof3r.header import parse_header, request_headers, sort_headers

SSE_C = "x-amz-server-side-encryption-customer-"
RAW = bytes(range(32))
KEY = base64.b64encode(RAW).decode()
MD5 = base64.b64encode(hashlib.md5(RAW).digest()).decode()


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("x-amz-meta-a:1", ("x-amz-meta-a", "1")),
        ("X-Amz-Server-Side-Encryption: AES256", ("X-Amz-Server-Side-Encryption", "AES256")),
        ("Content-Type:text/plain; charset=utf-8", ("Content-Type", "text/plain; charset=utf-8")),
        ("x-amz-meta-url:http://h:1/", ("x-amz-meta-url", "http://h:1/")),
        ("x-amz-meta-text:häuser", ("x-amz-meta-text", "häuser")),
        ("x-amz-meta-bytes:\udcff", ("x-amz-meta-bytes", "\udcff")),
    ],
)
def test_a_header_is_split_at_its_first_colon(text: str, header: Header) -> None:
    assert parse_header(text) == header
    assert sort_headers([header]) == ((), (header,))


RESERVED = """Host Authorization Content-MD5 Content-Length Range If-Match If-None-Match Date x-amz-date
    x-amz-content-sha256 x-amz-security-token x-amz-checksum-crc64nvme x-amz-checksum-type Transfer-Encoding
    Expect Connection x-amz-mp-object-size x-amz-copy-source x-amz-sdk-checksum-algorithm
    x-amz-metadata-directive x-amz-tagging-directive x-amz-source-expected-bucket-owner""".split()


@pytest.mark.parametrize("name", RESERVED + [name.upper() for name in RESERVED])
def test_a_header_that_is_gof3rs_own_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"header '{name}': gof3r decides"):
        sort_headers([(name, "1")])


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (("", "1"), "'' is not a header's name"),
        (("a b", "1"), "'a b' is not a header's name"),
        (("a\r\nb", "1"), "is not a header's name"),
        (("ä", "1"), "is not a header's name"),
        (("a", "1\r\nHost: evil"), "control characters"),
        (("a", "1\x00"), "control characters"),
        (("a", "1\x85"), "control characters"),
        (("a", ""), "its value is empty"),
        (("a", "\ud800"), "not UTF-8"),
        ((f"{SSE_C}kye", KEY), "S3 has no such header"),
    ],
)
def test_a_header_that_cannot_be_sent_is_refused_in_one_line(header: Header, said: str) -> None:
    with pytest.raises(UsageError, match=said) as raised:
        sort_headers([header])
    assert str(raised.value).isprintable()


def test_a_header_without_a_colon_is_refused() -> None:
    with pytest.raises(UsageError, match="no colon .expected NAME:VALUE"):
        parse_header("x-amz-meta-a")


def test_a_header_given_twice_is_refused_in_any_case() -> None:
    with pytest.raises(UsageError, match="header 'X-Amz-Meta-A': it is given twice"):
        sort_headers([("x-amz-meta-a", "1"), ("X-Amz-Meta-A", "2")])


def test_headers_of_requests_and_of_the_object_are_told_apart_in_their_order() -> None:
    given = [("x-amz-meta-b", "2"), ("X-Amz-Request-Payer", "requester"), ("x-amz-meta-a", "1")]
    owner = ("x-amz-expected-bucket-owner", "111122223333")
    assert sort_headers([*given, owner]) == ((given[1], owner), (given[0], given[2]))


def test_where_nothing_is_stored_only_headers_of_requests_are_taken() -> None:
    assert request_headers([("x-amz-request-payer", "requester")]) == (("x-amz-request-payer", "requester"),)
    with pytest.raises(
        UsageError, match="header 'Content-Type': nothing is stored here.*x-amz-request-payer"
    ):
        request_headers([("Content-Type", "text/plain")])


def test_a_key_of_ones_own_brings_its_algorithm_and_its_md5() -> None:
    full = {f"{SSE_C}key": KEY, f"{SSE_C}algorithm": "AES256", f"{SSE_C}key-md5": MD5}
    assert dict(request_headers([(f"{SSE_C}key", KEY)])) == full
    assert dict(request_headers(full.items())) == full
    upper = f"{SSE_C}Key".upper()
    assert dict(request_headers([(upper, KEY), (f"{SSE_C}key-md5", MD5)])) == {
        **{name: value for name, value in full.items() if name != f"{SSE_C}key"},
        upper: KEY,
    }


OTHER = base64.b64encode(b"0" * 16).decode()


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ([(f"{SSE_C}key", KEY[:-4])], "not 32 bytes in base64"),
        ([(f"{SSE_C}key", KEY + "!")], "not 32 bytes in base64"),
        ([(f"{SSE_C}key", "häuser" + KEY)], "not 32 bytes in base64"),
        ([(f"{SSE_C}key", RAW.hex())], "not 32 bytes in base64"),
        ([(f"{SSE_C}key", KEY), (f"{SSE_C}key-md5", OTHER)], "key-md5': it is not the md5 of the key"),
        ([(f"{SSE_C}algorithm", "AES256")], "customer-key, which is not given"),
        ([(f"{SSE_C}key-md5", OTHER)], "customer-key, which is not given"),
        ([(f"{SSE_C}key", KEY), (f"{SSE_C}KEY", KEY)], "given twice"),
    ],
)
def test_a_key_that_is_none_is_refused_without_showing_it(headers: list[Header], said: str) -> None:
    with pytest.raises(UsageError, match=said) as raised:
        sort_headers(headers)
    assert KEY[:12] not in str(raised.value) and RAW.hex()[:12] not in str(raised.value)


@given(
    before=st.text(" :=-\n", max_size=3), between=st.text(" :=-\nab", max_size=4), after=st.text(max_size=4)
)
def test_no_error_shows_a_key_however_it_is_misspelled(before: str, between: str, after: str) -> None:
    text = f"{before}{SSE_C}key{between}{KEY}{after}"
    try:
        sort_headers([parse_header(text)])
    except UsageError as error:
        assert KEY[:12] not in str(error) and "\n" not in str(error)


@given(st.lists(st.tuples(st.text(), st.text() | st.just(KEY)), max_size=3))
def test_any_headers_are_sorted_or_a_usage_error(headers: list[Header]) -> None:
    try:
        of_requests, of_the_object = sort_headers(headers)
    except UsageError as error:
        assert "\n" not in str(error)
    else:
        assert len(of_requests) + len(of_the_object) >= len(headers)
