"""What proves a part, and what proves the whole object.

``judge`` is the collector's: an Outcome in, a Verdict out, for one attempt at one part. The rest is asked by
the stories when all parts are there: the whole follows from the parts (CRCs combine, md5s make the composite
ETag), so it can be proven without reading it twice.

An ETag proves bytes only where the store says that it is an md5: with SSE-KMS and SSE-C it is opaque, and
the proof is the server's acceptance of the Content-MD5 and checksum that were sent.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace

from ..s3 import checksums, replies
from ..s3.markup import parsed
from ..s3.redaction import redacted
from ..values import Digests, Failure, Outcome, Part, Response, Verdict
from .reorder import Reorder

CRC = "crc64nvme"
CRCS = (CRC, "crc32c", "crc32")
"""Whole-object checksums that combine from their parts', the strongest first."""


def text(digest: bytes) -> str:
    """A digest as S3 writes it."""
    return b64encode(digest).decode("ascii")


def judge(outcome: Outcome) -> Verdict:
    """Check everything that one attempt shows: status, position, length, ETag, digests. What is told of a bad
    answer has nothing in it that we sent in secret."""
    failure, response = outcome.failure, outcome.response
    if failure is None and response is not None:
        failure = _failure(outcome, response)
        told = redacted(response, outcome.job.request, outcome.job.credentials)
        if failure is not None:
            failure = _failure(outcome, told) or failure
        elif told is not response and parsed(response.body) is None:
            response = replace(response, body=told.body)  # not S3's: its beginning will be shown
    return Verdict(
        outcome.job, outcome.worker, response, failure, outcome.digests, outcome.at, outcome.timing
    )


def _failure(outcome: Outcome, response: Response) -> Failure | None:
    return replies.failure(response) or _check(outcome, response)


def _check(outcome: Outcome, response: Response) -> Failure | None:
    if outcome.job.direction == "send":
        return _check_sent(outcome, response)
    if outcome.job.direction == "receive":
        return _check_received(outcome, response)
    return None


def _check_sent(outcome: Outcome, response: Response) -> Failure | None:
    etag = replies.etag(response)
    if not etag:
        return _wrong("ETag", "the answer has none", response)
    md5 = outcome.digests.get("md5", b"").hex()
    if md5 and replies.etag_is_md5(response.headers) and etag.lower() != md5:
        return _wrong("md5", f"ETag {etag}, expected {md5}", response)
    crc = text(outcome.digests.get(CRC, b""))
    stored = response.headers.get("x-amz-checksum-crc64nvme", "")
    if crc and stored and stored != crc:
        return _wrong("CRC64NVME", f"the server has {stored}, expected {crc}", response)
    return None


def _check_received(outcome: Outcome, response: Response) -> Failure | None:
    job, part = outcome.job, outcome.job.part
    assert part is not None
    if response.status != 206:
        return _wrong("status", f"{response.status} to a range request, expected 206", response)
    wanted = (part.offset, part.offset + part.length - 1, job.object_size)
    if replies.content_range(response) != wanted:
        said = response.headers.get("content-range", "none")
        expected = f"bytes {wanted[0]}-{wanted[1]}/{wanted[2]}"
        return _wrong("Content-Range", f"{said}, expected {expected}", response)
    if replies.etag(response) != job.etag:
        return _wrong("ETag", f"{replies.etag(response)}, expected {job.etag}", response)
    if outcome.received != part.length:
        return _wrong("length", f"{outcome.received} bytes, expected {part.length}", response)
    return None


def _wrong(what: str, said: str, response: Response) -> Failure:
    return Failure(
        "check", what, said, response.status, request_id=response.headers.get("x-amz-request-id", "")
    )


# --- the whole object ------------------------------------------------------------------


class Whole:
    """What the parts' digests make together, folded in part order as they come, in constant memory."""

    def __init__(self) -> None:
        self._turns: Reorder[tuple[Part, Digests]] = Reorder()
        self._crcs: dict[str, bytes] = {}
        self._composites: dict[str, checksums.Digest] = {}
        self._count = 0

    def add(self, part: Part, digests: Digests) -> None:
        """``part`` is accepted, with these digests of its bytes; each part once, in any order."""
        for next_part, its in self._turns.put(part.number, (part, digests)):
            self._count += 1
            for name, digest in its.items():
                self._composites.setdefault(name, checksums.new(name)).update(memoryview(digest))
                if name in CRCS:
                    self._crcs[name] = checksums.combine(name, self.crc(name), digest, next_part.length)

    def crc(self, name: str) -> bytes:
        """The CRC ``name`` of all bytes; every part must have had it."""
        return self._crcs.get(name) or checksums.compute((name,), memoryview(b""))[name]

    def composite(self, name: str) -> bytes:
        """The digest ``name`` of the parts' own; every part must have had it."""
        return self._composites.setdefault(name, checksums.new(name)).digest()

    @property
    def composite_etag(self) -> str:
        """The ETag of a multipart object made of these parts; every part must have had its md5."""
        return f"{self.composite('md5').hex()}-{self._count}"
