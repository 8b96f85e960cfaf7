"""What can go wrong with one request, as a value, and what an answer looks like after it."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace
from email.utils import formatdate
from typing import Literal

from tests.faults.messages import Answered, Headers

HUGE = 8 << 20
"""Bytes of an answer that is larger than anybody should keep."""
FAST_CLOCK = 3600
"""Seconds that a Date is ahead."""

When = Literal["before", "after"]
"""The server has seen the request, or has not."""


@dataclass(frozen=True)
class Fault:
    """What goes wrong: ``deed`` is a case of the proxy's, or of ``edited``."""

    deed: str
    when: When = "after"
    status: int = 0
    """Of an answer, as are ``code`` and ``headers``."""
    code: str = ""
    headers: Headers = ()
    name: str = ""
    """Of a header that is missing."""


@dataclass(frozen=True)
class Scenario:
    """``fault`` meets the ``nth`` request of ``operation``, and ``times`` in all; 0: every one from then."""

    operation: str
    nth: int
    fault: Fault
    times: int = 1


def edited(fault: Fault, answer: Answered) -> Answered:
    match fault.deed:
        case "answer":
            return _refusal(fault)
        case "corrupt request":
            return answer
        case "corrupt":
            return replace(answer, body=flipped(answer.body))
        case "broken xml":
            return replace(answer, body=answer.body[: len(answer.body) // 2])
        case "huge xml":
            return replace(
                answer, body=b"<?xml version='1.0'?><Huge>" + b"<a>b</a>" * (HUGE // 8) + b"</Huge>"
            )
        case "wrong range":
            return answer.having("Content-Range", _shifted(answer.header("content-range")))
        case "whole":
            return replace(answer.without("content-range"), status=200, body=answer.body * 3)
        case "other etag":
            return _with_other_etag(answer)
        case "without":
            name = fault.name.lower()
            if name == "x-amz-checksum":
                body = re.sub(rb"<Checksum\w+>[^<]*</Checksum\w+>", b"", answer.body)
                return replace(answer, body=body).without(name)
            return answer.without(name)
    raise AssertionError(fault.deed)


def _refusal(fault: Fault) -> Answered:
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{fault.code}</Code><Message>By the proxy.</Message>"
        "<RequestId>fault</RequestId></Error>"
    )
    headers: Headers = (("Content-Type", "application/xml"), *fault.headers)
    if fault.code == "RequestTimeTooSkewed":
        headers = (*headers, ("Date", formatdate(time.time() + FAST_CLOCK, usegmt=True)))
    if not fault.code:  # a gateway's own words
        body, headers = "<html><body><h1>Bad Gateway</h1><hr></body></html>", (("Content-Type", "text/html"),)
    return Answered(fault.status, headers, body.encode())


def flipped(body: bytes) -> bytes:
    at = len(body) // 2
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :] if body else body


def _shifted(content_range: str) -> str:
    first, last, total = re.findall("[0-9]+", content_range)
    return f"bytes {int(first) + 1}-{int(last) + 1}/{int(total) + 1}"


def _with_other_etag(answer: Answered) -> Answered:
    """Every md5 in it reversed: of the same form, and not what it was."""
    body = re.sub(rb"[0-9a-f]{32}", lambda found: found[0][::-1], answer.body[:4096]) + answer.body[4096:]
    if "xml" in answer.header("content-type"):
        answer = replace(answer, body=body)
    tag = answer.header("etag")
    return answer.having("ETag", re.sub("[0-9a-f]{32}", lambda found: found[0][::-1], tag)) if tag else answer
