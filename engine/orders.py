"""What the engine can be asked to do: one value for each kind of work, complete and checked.

The front ends (the command line, the library) make an order from what their users gave; ``proc.session``
carries it out. An order is picklable, since a library's engine is another process. Local files are no part of
it: the engine is handed descriptors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from .books import Binding, Books
from .spans import Split, StoredPart
from .values import Begun, Credentials, Header, Seen, Stored, Target

MAX_WORKERS = 64
"""Processes; beyond the cores of a machine they only cost memory. The engine's board has 256 places."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Where the keys for one role come from."""

    sign: bool = True
    """False: requests go out unsigned."""
    profile: str = ""
    """A profile of AWS's shared files, where it overrules keys in the environment; empty: the usual chain."""
    keys: Credentials | None = None
    """Keys given outright: nothing is looked up."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for all requests of an order."""

    signer: Signer = field(default_factory=Signer)
    source_signer: Signer = field(default_factory=Signer)
    """For the source of a copy."""
    retries: int = 10
    """Attempts at one request, the first included."""
    concurrency: int | None = 10
    """Parts at once; None to find out (``flow.climb``)."""
    part_size: int = 20_971_520
    """Bytes, as asked for; S3's limits are the plan's to apply."""
    memory: int | None = None
    """Bytes of all slots; None for ``part_size`` times ``concurrency``, or where that is to be found out, for
    a quarter of what the machine has left."""
    workers: int | None = None
    """Processes; None to choose by the machine."""
    rate: int = 0
    """Bytes a second over all connections; 0: any."""
    ca_bundle: str = ""
    """A file of PEM certificates; empty for the usual ones."""
    weighed: bool = False
    """Whether the memory of all processes is looked at, now and before the workers end: 10 ms each time."""
    hurry: float = 1.0
    """Waits between attempts, and limits on silence, are divided by this. For trials of faults, which have no
    minutes to wait; a real network needs every second of them."""


@dataclass(frozen=True, slots=True)
class Put:
    """A stream to an object."""

    target: Target
    headers: tuple[Header, ...] = field(default=(), repr=False)
    """Of the object: metadata, storage class, encryption."""
    checksums: tuple[str, ...] = ("md5", "crc64nvme")
    sidecar: bool = True
    """Whether the md5 of the whole stream is computed and kept beside the object."""
    if_none_match: bool = False
    """Fail where there is an object already."""
    expected_size: int | None = None
    """Bytes: a hint by which parts are cut; a file's own size comes from its descriptor."""
    resume: bool = False
    """Go on with an upload of this key that is under way, and leave one that fails for another run."""
    upload_id: str = ""
    """That upload; empty for the newest."""
    anew: bool = False
    """Whether one that does not fit is ended, and another begun, instead of asking."""
    terms: Terms = field(default_factory=Terms)


@dataclass(frozen=True, slots=True)
class Get:
    """An object to a stream."""

    target: Target
    checksums: tuple[str, ...] = ("md5", "crc64nvme")
    sidecar: bool = True
    """Whether the md5 sidecar is read."""
    unproven: bool = False
    """Whether an object that nothing can prove is taken on its length and ETag."""
    resume: bool = False
    """Go on with what an earlier run has left in the destination, a file."""
    there: int = 0
    """Bytes that it has, from the object's first on; read again, and proven with the rest."""
    etag: str = ""
    """Of the object that they are from; empty: any."""
    terms: Terms = field(default_factory=Terms)
    serial: bool = False
    """Whether a long stream's md5 is computed where nothing else proves it, though no sidecar is read, and a
    CRC64NVME in any case: for who writes a receipt."""
    seen: Seen | None = None
    """What a listing has said of it: one part is then asked for without a look, and another object by now is
    ``errors.Unfit``."""


@dataclass(frozen=True, slots=True)
class Verify:
    """An object read and checked against every digest that is stored for it."""

    target: Target
    terms: Terms = field(default_factory=Terms)


@dataclass(frozen=True, slots=True)
class Copy:
    """An object to another place, and maybe another store."""

    source: Target
    """With role "source" when it is read as somebody else."""
    target: Target
    headers: tuple[Header, ...] = field(default=(), repr=False)
    """These replace the source's of the same name."""
    checksums: tuple[str, ...] = ("md5", "crc64nvme")
    sidecar: bool = True
    unproven: bool = False
    if_none_match: bool = False
    server_side: bool = True
    """One service and one identity serve both sides: no byte needs to come here."""
    terms: Terms = field(default_factory=Terms)
    serial: bool = False
    """As a get's md5."""
    resume: bool = False
    """A multipart upload through here is shown when it has begun (``values.Begun``), and left for another run
    when it fails."""
    begun: Begun | None = None
    """What an earlier run has left: gone on with if it fits, else ended."""
    seen: Seen | None = None
    """As a get's."""


@dataclass(frozen=True, slots=True)
class Shared:
    """Of one copy that passes through several machines."""

    copy: Copy

    @property
    def target(self) -> Target:
        return self.copy.target

    @property
    def terms(self) -> Terms:
        return self.copy.terms

    @property
    def checksums(self) -> tuple[str, ...]:
        return self.copy.checksums


@dataclass(frozen=True, slots=True)
class Begin(Shared):
    """Its multipart upload begun, or gone on with (``Copy.begun``), and cut into parts: a ``Split``; or
    ``Unsplit``, where it has to be copied as a whole, and nothing was begun."""


@dataclass(frozen=True, slots=True)
class Span(Shared):
    """Some of its parts: a tuple of ``StoredPart``. Whatever ends it, the upload stays, and anybody may send
    them again; ``Gof3rError.kept`` says that a later ``Begin`` may go on with it, too."""

    split: Split
    first: int
    """Part number, as ``last``, which is included."""
    last: int


@dataclass(frozen=True, slots=True)
class Finish(Shared):
    """All its parts made an object, proven as a copy's. Only what is disproved, or what no later run could go
    on with, is aborted; else (``Gof3rError.kept``) it may be tried again, also after a success that nobody
    heard of."""

    split: Split
    stored: tuple[StoredPart, ...] = field(repr=False)
    """Of all spans, in any order."""


@dataclass(frozen=True, slots=True)
class Filed:
    """A put of a whole file, or a get into one: who has ordered it reads and writes."""

    order: Put | Get

    @property
    def target(self) -> Target:
        return self.order.target


@dataclass(frozen=True, slots=True)
class Discard:
    """A source that has been moved: it is deleted if it and its copies are as they were."""

    source: Stored | None
    """None: it is no object, and who has ordered it deletes it when the copies have been seen."""
    copies: tuple[Stored, ...]
    """Those that are objects."""

    @property
    def targets(self) -> tuple[Target, ...]:
        return tuple(each.target for each in (self.source, *self.copies) if each is not None)

    @property
    def target(self) -> Target:
        return self.targets[0]


@dataclass(frozen=True, slots=True)
class Many:
    """Objects, as many at a time as the terms say, with ``size`` bytes of memory for each; what comes of each
    is shown (``flow.lane.Carried``). The items' own terms do not count, only this order's."""

    items: tuple[Copy | Filed | Discard, ...]
    size: int
    """No smaller than any part of them."""
    terms: Terms = field(default_factory=Terms)
    most: int = 0
    """Bytes of the largest; 0 for ``size``, where each is one part."""

    @property
    def target(self) -> Target:
        """Of the first."""
        return self.items[0].target


@dataclass(frozen=True, slots=True)
class Remove:
    """Objects and their md5 sidecars; a target's ``version_id`` removes that version."""

    targets: tuple[Target, ...]
    terms: Terms = field(default_factory=Terms)


@dataclass(frozen=True, slots=True)
class Apart:
    """Whether an object that is put at ``target``, a key that nobody uses, is then at ``places``: it is
    removed again."""

    target: Target
    places: tuple[Target, ...]
    headers: tuple[Header, ...] = field(default=(), repr=False)
    """Of the object."""
    terms: Terms = field(default_factory=Terms)


@dataclass(frozen=True, slots=True)
class Info:
    """What is stored about an object."""

    target: Target
    terms: Terms = field(default_factory=Terms)


@dataclass(frozen=True, slots=True)
class List:
    """The objects of a bucket whose keys begin with the target's."""

    target: Target
    terms: Terms = field(default_factory=Terms)


@dataclass(frozen=True, slots=True)
class Uploads:
    """The multipart uploads under way whose keys begin with the target's; ``abort`` ends them."""

    target: Target
    older_than: float = 0.0
    """Seconds since their beginning."""
    upload_id: str = ""
    """Only this one."""
    abort: bool = False
    terms: Terms = field(default_factory=Terms)


@dataclass(frozen=True, slots=True)
class Read:
    """An object opened for reading: the caller asks for spans of bytes as it goes."""

    whole: Get
    """What is done when it begins by asking for everything."""
    etag: str = ""
    """Only the object with this ETag; empty: whatever is there now."""

    @property
    def target(self) -> Target:
        return self.whole.target

    @property
    def terms(self) -> Terms:
        return self.whole.terms

    @property
    def checksums(self) -> tuple[str, ...]:
        return self.whole.checksums


@dataclass(frozen=True, slots=True)
class Made:
    """An object that was made to be read."""

    key: str
    etag: str


@dataclass(frozen=True, slots=True)
class Furnish:
    """Objects made to be read, below the target's key."""

    target: Target
    size: int
    """Bytes of each."""
    count: int
    checksums: tuple[str, ...] = ("crc64nvme",)
    terms: Terms = field(default_factory=Terms)


Mode = Literal["put", "get", "mixed"]


@dataclass(frozen=True, slots=True)
class Load:
    """Requests below the target's key, as many at a time as the terms say: what a store gives."""

    target: Target
    mode: Mode
    """``mixed``: one in two is a get."""
    size: int
    """Bytes of an object."""
    objects: tuple[Made, ...] = ()
    """Of that size each: what is read."""
    foreign: bool = False
    """Others have made them: what is read first must come again."""
    seconds: float = 10.0
    """For which it is measured, after ``warmup`` more."""
    warmup: float = 2.0
    checksums: tuple[str, ...] = ("crc64nvme",)
    terms: Terms = field(default_factory=Terms)


@dataclass(frozen=True, slots=True)
class Clear:
    """Everything below the target's key is removed, all versions and uploads."""

    target: Target
    late: bool = False
    """Requests that made something may still be on their way: look a second time."""
    terms: Terms = field(default_factory=Terms)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of an order."""

    value: object
    """What its story returned."""
    retries: Mapping[str, int]
    """How often each error code has led to another attempt."""
    seconds: float
    books: Books
    """How long each stage took."""
    binds: Binding
    """What was slowest, and what would help."""
    cpu: Mapping[str, float]
    """CPU seconds of each process: ``parent``, ``control``, ``collector``, ``worker 1``..."""
    memory: int = 0
    """Bytes that all processes held together at the most (PSS), as far as they were weighed."""
    concurrency: int = 0
    """Parts at once in the end."""
    found: bool = False
    """They were found out, in time enough to try."""


Single = (
    Put
    | Get
    | Verify
    | Copy
    | Begin
    | Span
    | Finish
    | Remove
    | Apart
    | Info
    | List
    | Uploads
    | Read
    | Furnish
    | Load
    | Clear
)
"""All but ``Many``, which has many stories."""

Order = Single | Many
