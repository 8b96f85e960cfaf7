"""Headers that users give: checked, and told apart into those of requests and those of the object.

Theory: a header on the command line can be meant for two things. Most belong to the object and are stored
with it: they go out once, with the request that makes it. A few belong to every request about it: who pays,
whose bucket it must be, and the key of SSE-C, under which S3 encrypts without keeping the key. What the
transfer itself rests on (the connection, the body, the signature, the digests) nobody else may set.

A key of SSE-C is a secret: no error shows it, nor anything that may hold it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NoReturn

from gof3r.engine.errors import UsageError, one_line
from gof3r.engine.values import Header

_SSE_C = "x-amz-server-side-encryption-customer-"
_KEY, _ALGORITHM, _KEY_MD5 = f"{_SSE_C}key", f"{_SSE_C}algorithm", f"{_SSE_C}key-md5"
_OF_REQUESTS = frozenset({"x-amz-request-payer", "x-amz-expected-bucket-owner", _KEY, _ALGORITHM, _KEY_MD5})

_KEY_BYTES = 32  # S3 User Guide, "Using server-side encryption with customer-provided keys": AES-256

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token of RFC 9110
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_RESERVED = re.compile(
    # The connection and the body are ours to describe ...
    r"host|connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect|content-length|range|date"
    # ... a condition would hold for one request of many ...
    r"|if-.*"
    # ... and the signature, the digests and the operation are what the transfer is verified by.
    r"|authorization|content-md5|x-amz-date|x-amz-content-sha256|x-amz-security-token|x-amz-checksum-.*"
    r"|x-amz-sdk-checksum-algorithm|x-amz-trailer|x-amz-decoded-content-length|x-amz-mp-object-size"
    r"|x-amz-copy-source.*|x-amz-metadata-directive|x-amz-tagging-directive|x-amz-source-.*",
    re.IGNORECASE,
)


def parse_header(text: str) -> Header:
    """``NAME:VALUE``, split at the first colon; ``sort_headers`` checks them. Raises UsageError."""
    name, colon, value = text.partition(":")
    if not colon:
        raise UsageError("a header has no colon (expected NAME:VALUE)")  # its text may be a key: not shown
    return name.strip(" "), value.strip(" ")


def sort_headers(headers: Iterable[Header]) -> tuple[tuple[Header, ...], tuple[Header, ...]]:
    """The headers of every request, and those of the object, each in the order given.

    A key of SSE-C gets its algorithm and its digest beside it where they are not given. Raises UsageError for
    a header that cannot be sent, that is ours to set, or that is given twice.
    """
    given = tuple(headers)
    seen = set()
    for name, value in given:
        check_header(name, value)
        if name.lower() in seen:
            _bad(name, "it is given twice, and S3 keeps one")
        seen.add(name.lower())
    of_requests = tuple(header for header in given if header[0].lower() in _OF_REQUESTS)
    of_the_object = tuple(header for header in given if header[0].lower() not in _OF_REQUESTS)
    return _with_key(of_requests), of_the_object


def request_headers(headers: Iterable[Header]) -> tuple[Header, ...]:
    """The same where nothing is stored: raises UsageError also for a header that belongs to an object."""
    of_requests, of_the_object = sort_headers(headers)
    for name, _ in of_the_object:
        _bad(name, f"nothing is stored here, and requests take only {', '.join(sorted(_OF_REQUESTS))}")
    return of_requests


def check_header(name: str, value: str) -> None:
    """Raise UsageError for a header that cannot be sent, or is ours to set."""
    if not _NAME.fullmatch(name):
        shown = "a header's name with a key in it" if _SSE_C in name.lower() else repr(name)
        raise UsageError(one_line(f"{shown} is not a header's name"))
    if _RESERVED.fullmatch(name):
        _bad(name, "gof3r decides on this header itself")
    if name.lower().startswith(_SSE_C) and name.lower() not in _OF_REQUESTS:
        _bad(name, "S3 has no such header")
    if _CONTROL.search(value):
        _bad(name, "its value has control characters")
    if not value:
        _bad(name, "its value is empty")
    try:
        value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        _bad(name, "its value is not UTF-8")


def _with_key(headers: tuple[Header, ...]) -> tuple[Header, ...]:
    """``headers`` with all three of SSE-C, if there is one of them."""
    values = {name.lower(): value for name, value in headers}
    key = values.get(_KEY)
    if key is None:
        for name in values.keys() & {_ALGORITHM, _KEY_MD5}:
            _bad(name, f"it goes with {_KEY}, which is not given")
        return headers
    from base64 import b64decode, b64encode  # late, both: few have a key of their own
    from hashlib import md5

    try:
        raw = b64decode(key, validate=True)
    except ValueError:
        raw = b""
    if len(raw) != _KEY_BYTES:
        _bad(_KEY, f"its value is not {_KEY_BYTES} bytes in base64")
    digest = b64encode(md5(raw, usedforsecurity=False).digest()).decode()
    if values.get(_KEY_MD5, digest) != digest:
        _bad(_KEY_MD5, "it is not the md5 of the key")
    beside = {_ALGORITHM: "AES256", _KEY_MD5: digest}
    return (*headers, *((name, value) for name, value in beside.items() if name not in values))


def _bad(name: str, why: str) -> NoReturn:
    raise UsageError(one_line(f"header {name!r}: {why}"))
