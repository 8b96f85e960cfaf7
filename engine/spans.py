"""What machines that make one object together tell one another: all small, all picklable, never its bytes.

One of them has begun a multipart upload (``Split``), each has sent spans of its parts (``StoredPart``), and
one completes it. What proves the source travels along as claims.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .values import Begun, Claim, Digests, Part


@dataclass(frozen=True, slots=True)
class Split:
    """A multipart upload that is to be filled from one object. ``size``, ``etag`` and ``version_id`` are the
    source's, as it was seen: every part comes from that one."""

    begun: Begun
    size: int
    version_id: str
    parts: tuple[Part, ...]
    """Two at least, in order."""
    claims: tuple[Claim, ...]
    """What proves the source's bytes, of its parts' digests alone; () for a source that is taken unproven."""
    digests: tuple[str, ...]
    """Of every part that is received."""
    sent: tuple[str, ...]
    """Those among them that go out with a part."""
    resumed: bool = False
    """An earlier run has begun it, and may have sent parts."""

    @property
    def upload_id(self) -> str:
        return self.begun.upload_id

    @property
    def etag(self) -> str:
        return self.begun.etag


@dataclass(frozen=True, slots=True)
class Unsplit:
    """One machine has to copy the object as a whole; nothing was begun, and what an earlier run has left is
    still there."""

    why: str


@dataclass(frozen=True, slots=True)
class StoredPart:
    """What the server has of one part."""

    part: Part
    etag: str
    crc64nvme: str
    """Base64 as S3 has it; "" where none was sent."""
    opaque: bool
    """The ETag is no md5."""
    listed: bool
    """It was there already, and not sent."""
    digests: Digests = field(repr=False)
    """Of the bytes as they were received: every one of ``Split.digests``, at least."""
