"""Signature Version 4 in S3's form.

Theory: "Signature Calculations for the Authorization Header" (S3 API reference). S3 differs from the other
services in that the path is signed as it is sent, encoded once and never normalised, and in that the body
need not be hashed: UNSIGNED-PAYLOAD leaves its protection to TLS and to the signed Content-MD5 and checksum
headers. (libcurl's own signer encodes some characters otherwise, and cannot be told to leave ``..`` alone.)

It must not know the clock, where credentials come from, or how to encode: ``request.path`` and
``request.query`` are canonical already.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone

from ..values import Credentials, Header, Request
from .request import encode

_ALGORITHM = "AWS4-HMAC-SHA256"
_UNSIGNED = "UNSIGNED-PAYLOAD"
_SIGNED = frozenset({"host", "content-md5", "content-type", "range", "if-match"})
"""Besides every x-amz-*: all that decides what is asked for. What a proxy may touch stays unsigned."""


def sign(
    request: Request, credentials: Credentials, now: float, payload: str = _UNSIGNED
) -> tuple[Header, ...]:
    """All headers to send: the request's own, Host, x-amz-*, Authorization.

    ``now`` is the server's time in epoch seconds (S3 refuses more than 15 minutes of skew); ``payload`` the
    hex SHA-256 of the body, or what S3 takes in its place.
    """
    stamp = _stamp(now)
    headers = (
        *request.headers,
        ("Host", request.authority),
        ("x-amz-date", stamp),
        ("x-amz-content-sha256", payload),
    )
    if credentials.token:
        headers += (("x-amz-security-token", credentials.token),)
    canonical, signed = canonical_request(request, headers, payload)
    scope = _scope(request, stamp)
    signature = _signature(canonical, credentials, stamp, scope)
    credential = f"Credential={credentials.access_key}/{scope}"
    authorization = f"{_ALGORITHM} {credential}, SignedHeaders={signed}, Signature={signature}"
    return (*headers, ("Authorization", authorization))


def presign(request: Request, credentials: Credentials, now: float, expires: int) -> str:
    """A URL that lets whoever has it make ``request`` for ``expires`` seconds (1 to 604,800) from ``now``, in
    epoch seconds. It must be sent with the headers of the request that are signed, as they are.

    ("Authenticating Requests: Using Query Parameters", S3 API reference.)
    """
    stamp = _stamp(now)
    scope = _scope(request, stamp)
    headers = (*request.headers, ("Host", request.authority))
    added = {
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{credentials.access_key}/{scope}",
        "X-Amz-Date": stamp,
        "X-Amz-Expires": str(expires),
        "X-Amz-SignedHeaders": canonical_request(request, headers, _UNSIGNED)[1],
    }
    if credentials.token:
        added["X-Amz-Security-Token"] = credentials.token
    pairs = [pair.split("=") for pair in request.query.split("&") if pair]
    pairs += [[name, encode(value)] for name, value in added.items()]
    query = "&".join("=".join(pair) for pair in sorted(pairs))
    asked = replace(request, query=query)
    signature = _signature(canonical_request(asked, headers, _UNSIGNED)[0], credentials, stamp, scope)
    return f"{asked.url}&X-Amz-Signature={signature}"


def canonical_request(request: Request, headers: Sequence[Header], payload: str) -> tuple[str, str]:
    """The text whose hash is signed, and the names of the headers in it."""
    values: dict[str, list[str]] = {}
    for name, value in headers:
        lower = name.lower()
        if lower in _SIGNED or lower.startswith("x-amz-"):
            values.setdefault(lower, []).append(" ".join(filter(None, value.split(" "))))
    names = sorted(values)
    lines = "".join(f"{name}:{','.join(values[name])}\n" for name in names)
    signed = ";".join(names)
    return f"{request.method}\n{request.path}\n{request.query}\n{lines}\n{signed}\n{payload}", signed


def _stamp(now: float) -> str:
    return datetime.fromtimestamp(now, timezone.utc).strftime("%Y%m%dT%H%M%SZ")


def _scope(request: Request, stamp: str) -> str:
    return f"{stamp[:8]}/{request.region}/s3/aws4_request"


def _signature(canonical: str, credentials: Credentials, stamp: str, scope: str) -> str:
    digest = hashlib.sha256(canonical.encode("utf-8", "surrogateescape")).hexdigest()
    key = b"AWS4" + credentials.secret_key.encode()
    for step in scope.split("/"):
        key = hmac.digest(key, step.encode(), "sha256")
    return hmac.digest(key, f"{_ALGORITHM}\n{stamp}\n{scope}\n{digest}".encode(), "sha256").hex()
