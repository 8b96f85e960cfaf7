"""Digests: what proves that the bytes at the other end are ours.

Theory: S3 knows three kinds. Content-MD5 guards one request. A CRC is linear: the CRC of a whole follows from
those of its parts and their lengths, so parts can be checked in any order and the whole still be proven
(``combine``). The composite ETag of a multipart object is the md5 of its parts' md5s, with their count
(``flow.verify.Whole`` folds both as parts come).

CRCs are big-endian bytes here, the form that S3 base64-encodes ("Checking object integrity", S3 User Guide).
It must not know slots, requests or what is done about a mismatch.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from ..values import Header

_CRC_BYTES = {"crc64nvme": 8, "crc32": 4, "crc32c": 4}

_HEADERS = {"md5": "Content-MD5", "crc64nvme": "x-amz-checksum-crc64nvme"}


class Digest(Protocol):
    """A digest in the making."""

    def update(self, data: memoryview, /) -> None: ...

    def digest(self) -> bytes: ...


class _Crc:
    def __init__(self, name: str) -> None:
        self._function: Callable[[memoryview, int], int] = _crt(name)
        self._bytes = _CRC_BYTES[name]
        self._value = 0

    def update(self, data: memoryview, /) -> None:
        self._value = self._function(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._bytes, "big")


def new(name: str) -> Digest:
    """A digest of nothing yet: md5, sha1, sha256, crc64nvme, crc32 or crc32c. ValueError for any other."""
    if name in _CRC_BYTES:
        return _Crc(name)
    # Not for security: a FIPS build of OpenSSL refuses md5 otherwise.
    return hashlib.new(name, usedforsecurity=False)


def compute(names: Iterable[str], data: memoryview) -> dict[str, bytes]:
    """Every digest of ``names`` over ``data``."""
    digests = {name: new(name) for name in names}
    for digest in digests.values():
        digest.update(data)
    return {name: digest.digest() for name, digest in digests.items()}


def combine(name: str, first: bytes, second: bytes, second_length: int) -> bytes:
    """The CRC ``name`` of two runs of bytes, from the CRC of each and the second's length in bytes."""
    joined: int = _crt(f"combine_{name}")(
        int.from_bytes(first, "big"), int.from_bytes(second, "big"), second_length
    )
    return joined.to_bytes(_CRC_BYTES[name], "big")


def digest_headers(digests: Mapping[str, bytes]) -> tuple[Header, ...]:
    """Headers that let S3 refuse a body that is not what was digested; other digests stay at home."""
    return tuple((_HEADERS[name], b64encode(digests[name]).decode()) for name in _HEADERS if name in digests)


def _crt(function: str) -> Callable[..., int]:
    # Imported when first asked for: it costs 50 to 90 ms, which --checksum md5 and --help need not pay.
    from awscrt import checksums

    found: Callable[..., int] = getattr(checksums, function)
    return found
