"""The values that travel: between the layers, between the processes, and over the wire.

Everything here is frozen and picklable, holds no behaviour beyond reading itself, and knows nothing of
processes, sockets or clocks. Bytes of an object are never among them: a message names a slot, and the bytes
stay in the slab.

Words: a *part* is a run of the object's bytes, numbered from 1 as S3 does. A *slot* is a run of the slab's
bytes. A *job* is one attempt at one request. An *outcome* is what a worker saw of it, a *verdict* what the
collector makes of the outcome.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from operator import attrgetter
from typing import Literal, TypeVar

Header = tuple[str, str]
Direction = Literal["send", "receive", "digest", "none"]
"""Of a part's bytes: out of a slot, into one, nowhere (only their digests are wanted, and no request goes
out), or no bytes of ours at all."""
Role = Literal["main", "source"]
"""Whose credentials sign: a copy may read its source as somebody else."""
Digests = Mapping[str, bytes]
"""Digest name to its raw bytes, big-endian for CRCs (the form that S3 base64-encodes)."""


Value = TypeVar("Value")


def _sent(cls: type[Value]) -> type[Value]:
    """Pickled by its fields, in half the time that a dataclass with slots takes by itself: three
    such messages cross a pipe for each request."""
    values = attrgetter(*(each.name for each in fields(cls)))  # type: ignore[arg-type]

    def reduced(self: Value) -> tuple[type[Value], tuple[object, ...]]:
        return cls, values(self)

    cls.__reduce__ = reduced  # type: ignore[assignment]
    return cls


@_sent
@dataclass(frozen=True, slots=True)
class Credentials:
    """An S3 identity. The secrets never show in a repr, hence not in a log or a traceback."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str = field(default="", repr=False)
    expires: float | None = field(default=None, compare=False)
    """Epoch seconds after which S3 refuses them; None for keys that do not expire. It makes no other keys of
    the same: botocore tells a different time at each look for those of instance metadata in their last
    minutes."""


@_sent
@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where S3 answers: ``scheme://host[:port][/prefix]``; ``prefix`` has no trailing slash."""

    scheme: Literal["http", "https"]
    host: str
    port: int | None = None
    prefix: str = ""

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}" + (f":{self.port}" if self.port else "") + self.prefix


@dataclass(frozen=True, slots=True)
class Target:
    """One object at one endpoint; with an empty key, its bucket. ``key`` is text as the user gave it; its
    UTF-8 bytes go out as they are (surrogate escapes keep bytes of the command line that are not UTF-8)."""

    endpoint: Endpoint
    region: str
    bucket: str
    key: str
    path_style: bool
    version_id: str = ""
    headers: tuple[Header, ...] = field(default=(), repr=False)
    """What every request about the object carries: requester pays, the expected owner, and the key of SSE-C
    (which ``request_for`` gives only to the operations that know it)."""
    role: Role = "main"

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a listing has said of an object."""

    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class Begun:
    """A copy's multipart upload under way: what a later run needs to go on with it."""

    upload_id: str
    etag: str
    """Of the source."""
    headers: str
    """SHA-256 of those that it was created with, in hex."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as it was seen or made."""

    target: Target
    size: int
    """Bytes."""
    etag: str
    version_id: str = ""
    """Empty: not known, as the next."""
    crc64nvme: str = ""
    """Of all bytes, in base64."""


@_sent
@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request of S3, unsigned until ``sigv4.sign`` has added its headers.

    ``path`` and ``query`` are percent-encoded already, exactly as they go on the wire; ``query`` has its
    parameters in the order of the canonical request. ``body`` is for control requests only: the body of a
    part request is its slot.
    """

    operation: str
    """S3's API name in snake case (``upload_part``), for messages and statistics."""
    method: str
    scheme: str
    authority: str
    """Value of the Host header: host, with the port unless it is the scheme's own."""
    path: str
    query: str = ""
    headers: tuple[Header, ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    bucket: str = ""
    region: str = ""
    """To sign for."""
    role: Role = "main"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}" + (f"?{self.query}" if self.query else "")

    def with_headers(self, headers: tuple[Header, ...]) -> Request:
        """The same request with ``headers`` instead of its own."""
        return replace(self, headers=headers)


@_sent
@dataclass(frozen=True, slots=True)
class Response:
    """What a server answered. ``headers`` has lower-case names; ``body`` is empty when a slot took it."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)


@_sent
@dataclass(frozen=True, slots=True)
class Failure:
    """Why one attempt did not succeed: an error as a value, raised only where someone can act on it.

    ``kind``: ``server`` (it answered with an error), ``transport`` (curl gave up), ``check`` (the bytes or
    their digests are not what they should be), ``lost`` (the worker died).
    """

    kind: Literal["server", "transport", "check", "lost"]
    code: str
    """S3's error code (``SlowDown``), curl's number (``28``), or the check that failed (``md5``)."""
    message: str = ""
    """One line, control characters stripped, at most 300 characters."""
    status: int = 0
    """HTTP status; 0 when there was no answer."""
    request_id: str = ""
    retry_after: float | None = None
    """Seconds the server asks us to wait."""
    server_time: float | None = None
    """Epoch seconds of the answer's Date header."""
    connected: bool = True
    """False when the attempt ended before a connection stood: nothing can have reached the server."""
    region: str = ""
    """Where the bucket is, when the server says so: the request belongs there."""


@_sent
@dataclass(frozen=True, slots=True)
class Part:
    """Bytes ``offset`` to ``offset + length`` of the object; ``number`` counts from 1."""

    number: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Claim:
    """Something stored about an object's bytes."""

    digest: str
    expected: bytes
    source: str
    """Who says so: ``its sidecar``, ``its ETag``, ``its checksum``."""
    way: Literal["stream", "combined", "composite"]


@_sent
@dataclass(frozen=True, slots=True)
class Slot:
    """Bytes ``offset`` to ``offset + size`` of the slab."""

    index: int
    offset: int
    size: int


@_sent
@dataclass(frozen=True, slots=True)
class Job:
    """One attempt at one request, from the parent to a worker.

    With a ``part``, ``slot`` holds its bytes (``direction`` ``send`` or ``digest``) or takes them
    (``receive``).
    """

    id: int
    """Unique over the transfer: every attempt has its own."""
    attempt: int
    request: Request
    credentials: Credentials | None
    """None: the request goes out unsigned."""
    skew: float = 0.0
    """Seconds to add to the local clock when signing (server's clock minus ours)."""
    part: Part | None = None
    slot: Slot | None = None
    direction: Direction = "none"
    digests: tuple[str, ...] = ()
    """What to compute of the part's bytes; of a sent part, what to send along."""
    known: Digests = field(default_factory=dict)
    """Of a sent part whose bytes have been digested already: what to send along."""
    etag: str = ""
    """For a received part: the ETag that it must come from."""
    object_size: int = 0
    """For a received part: the size that Content-Range must name."""
    local: bool = False
    """A received part whose bytes an earlier run has left in the destination: they are read from there, and
    no request goes out."""
    fresh: bool = False
    """Use a new connection (after a failed check, the old one is suspect)."""
    patient: bool = False
    """The server may be silent for minutes (CompleteMultipartUpload, server-side copies)."""
    rate: int = 0
    """Bytes a second that this request may move at most; 0: any."""


@_sent
@dataclass(frozen=True, slots=True)
class Timing:
    """What happened when to one attempt, in seconds of the monotonic clock, which all processes share; 0 for
    what has not happened."""

    taken: float = 0.0
    """The worker had the job."""
    started: float = 0.0
    """It went to libcurl, with its digests, should it have any."""
    connected: float = 0.0
    """The connection stood, TLS included; as ``started`` where it was kept from before."""
    sent: float = 0.0
    """The request's last byte was taken for sending; as ``connected`` without a body."""
    answered: float = 0.0
    """The answer began."""
    ended: float = 0.0
    """It was there, or given up."""
    reported: float = 0.0
    """The outcome went out, with digests of what was received."""

    @property
    def waited(self) -> float:
        """Seconds until the answer began; 0 when none did."""
        return self.answered - self.started if self.answered else 0.0

    @property
    def digesting(self) -> float:
        """Seconds in which the part waited for its digests, before it was sent or after it was received."""
        return (self.started - self.taken) + (self.reported - self.ended)


@_sent
@dataclass(frozen=True, slots=True)
class Outcome:
    """What a worker saw of a job: an answer, or the failure to get one. From worker to collector."""

    job: Job
    worker: int
    response: Response | None = None
    failure: Failure | None = None
    digests: Digests = field(default_factory=dict)
    received: int = 0
    """Body bytes that arrived in the slot."""
    at: float = 0.0
    """Epoch seconds on the worker's clock when the exchange had ended."""
    timing: Timing = Timing()


@_sent
@dataclass(frozen=True, slots=True)
class Verdict:
    """An outcome after every check that one part allows. ``failure`` is None when the part is accepted."""

    job: Job
    worker: int
    response: Response | None
    failure: Failure | None
    digests: Digests = field(default_factory=dict)
    at: float = 0.0
    """As the outcome's, as is the next."""
    timing: Timing = Timing()
