"""What happens to a transfer, and what it wants done: the two sides of ``Transfer.handle``.

*Events* come from the shell (``proc.parent``); *actions* go back to it. The collector's messages are events
as they stand. Instances are values; those that cross a pipe carry slot numbers, never bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..values import Credentials, Digests, Job, Part, Role, Slot, Verdict

# --- events from the parent's own loop ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Filled:
    """The source gave ``length`` bytes into ``slot``: all that part could hold, or fewer at its end."""

    slot: Slot
    length: int
    ended: bool
    """The source has no more bytes after these."""
    crc: bytes = b""
    """CRC64NVME of the whole stream up to here, when the parent runs it."""
    began: float = 0.0
    """Monotonic second in which the slot was opened for it."""
    waited: float = 0.0
    """Seconds since then in which the source had nothing to read."""


@dataclass(frozen=True, slots=True)
class SourceFailed:
    """Reading the source failed; ``text`` is the operating system's word."""

    text: str
    slot: Slot | None = None
    """That was to be filled, where several sources are read."""


@dataclass(frozen=True, slots=True)
class Refused:
    """This machine does not give what the ring needs (a process); ``text`` says what. ``job``: one that was
    therefore never sent, by its id."""

    text: str
    job: int = 0


@dataclass(frozen=True, slots=True)
class Signalled:
    number: int


@dataclass(frozen=True, slots=True)
class Beat:
    """About once a second: the bytes that all workers have moved so far, as their shared page says."""

    moved: int
    cpu: Mapping[str, float] = field(default_factory=dict)
    """CPU seconds of each process so far: ``parent``, ``worker 1``..."""
    cores: int = 1
    """Of this machine, that we may use."""
    at: float = 0.0
    """Monotonic second in which the bytes were counted."""


@dataclass(frozen=True, slots=True)
class Silent:
    """Every part worker has ended: nothing of ours can reach the server any more."""


@dataclass(frozen=True, slots=True)
class CollectorLost:
    pass


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Whoever asked for this wants it no more, or has gone; ``text`` says which."""

    text: str


@dataclass(frozen=True, slots=True)
class Asked:
    """Of a ``Read``: ``length`` bytes from ``first`` on are wanted next; of the first one, a negative length
    means everything, verified as a download is."""

    first: int
    length: int


@dataclass(frozen=True, slots=True)
class Renewed:
    """``role`` signs with these from now on; ``lasts`` is the seconds until they expire, None for never."""

    role: Role
    credentials: Credentials
    lasts: float | None


@dataclass(frozen=True, slots=True)
class NotRenewed:
    """There are no newer credentials for ``role``; ``text`` says why."""

    role: Role
    text: str


# --- events from the collector ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Lost:
    """A worker's pipe ended; everything it had sent came before this."""

    worker: int


@dataclass(frozen=True, slots=True)
class Hashed:
    """put: the ``length`` bytes of ``slot`` are in the stream's digests, which took so many ``seconds``."""

    slot: Slot
    length: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Written:
    """get: ``part`` has reached the destination, and its slot is no longer read."""

    part: Part
    slot: Slot
    turn: float = 0.0
    """Seconds that it waited for parts before it."""
    hashing: float = 0.0
    """Seconds in which it went into the stream's digests."""
    writing: float = 0.0
    """Seconds in which it was written: those that the reader took included."""


@dataclass(frozen=True, slots=True)
class Digested:
    """The stream's digests, over all parts."""

    digests: Digests


@dataclass(frozen=True, slots=True)
class SinkFailed:
    """Writing the destination failed with ``errno``; ``text`` is the operating system's word."""

    errno: int
    text: str
    slot: Slot | None = None
    """That was to be written, where there are several destinations."""


Event = (
    Filled
    | SourceFailed
    | Refused
    | Signalled
    | Beat
    | Silent
    | CollectorLost
    | Cancelled
    | Asked
    | Renewed
    | NotRenewed
    | Verdict
    | Lost
    | Hashed
    | Written
    | Digested
    | SinkFailed
)

# --- messages to the collector ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Expect:
    """Compute ``digests`` over the whole stream; keep part ``held`` back until ``Release`` (0: none). The
    first ``there`` bytes are in the destination already."""

    digests: tuple[str, ...]
    held: int = 0
    there: int = 0


@dataclass(frozen=True, slots=True)
class Announce:
    """put: the bytes of ``part`` lie in ``slot``; hash them when their turn comes, then say ``Hashed``."""

    part: Part
    slot: Slot


@dataclass(frozen=True, slots=True)
class Total:
    """The stream has this many parts: say ``Digested`` when all of them are hashed."""

    parts: int


@dataclass(frozen=True, slots=True)
class Release:
    """get: the whole object is proven; write the part that was held back."""


ToCollector = Expect | Announce | Total | Release

# --- actions ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fill:
    """Read the source into ``slot`` until it holds ``length`` bytes or the source ends."""

    slot: Slot
    length: int
    look_ahead: bool
    """When full, find out whether the source has ended before saying so (one byte is read ahead)."""


@dataclass(frozen=True, slots=True)
class Load:
    """Read the next ``length`` bytes, or all that are left, of the file that the task ``task`` is about into
    ``slot``, and say ``Filled``."""

    task: int
    slot: Slot
    length: int


@dataclass(frozen=True, slots=True)
class Save:
    """Write ``part`` from ``slot`` to the file that the task ``task`` is about, which appears when its
    ``last`` part is there, and say ``Written``."""

    task: int
    part: Part
    slot: Slot
    last: bool


@dataclass(frozen=True, slots=True)
class Forget:
    """Nothing more of this task's file is to be written: it has failed."""

    task: int


@dataclass(frozen=True, slots=True)
class Send:
    """Give ``job`` to ``worker``; start that worker when it does not run yet."""

    worker: int
    job: Job


@dataclass(frozen=True, slots=True)
class Drop:
    """Tell ``worker`` to give up the job ``job``, if its answer has not begun, or ``begun`` in any case; an
    Outcome says so."""

    worker: int
    job: int
    begun: bool = False


@dataclass(frozen=True, slots=True)
class Tell:
    message: ToCollector


@dataclass(frozen=True, slots=True)
class Hush:
    """End all part workers, and say ``Silent`` when they are gone."""


@dataclass(frozen=True, slots=True)
class Dismiss:
    """End all part workers: no part will need one, and their memory is wanted back."""


@dataclass(frozen=True, slots=True)
class Warn:
    text: str


@dataclass(frozen=True, slots=True)
class Note:
    """A line for ``--debug``."""

    text: str


@dataclass(frozen=True, slots=True)
class Progress:
    """Once a second: how far a transfer is."""

    done: int
    """Bytes of the parts that are accepted."""
    total: int | None
    """Bytes of the object, when known."""
    in_flight: int
    """Parts on the wire."""
    retries: int
    binds: str = ""
    """The stage that binds, in a word; empty while nothing is known."""
    rate: float = 0.0
    """Bytes a second that were moved since the last one."""
    seconds: float = 0.0
    """Since the transfer's start."""


@dataclass(frozen=True, slots=True)
class Show:
    """A piece of the result, for whoever asked: an entry of a listing, an object removed."""

    value: object


@dataclass(frozen=True, slots=True)
class Renew:
    """Look up this role's credentials again, and say ``Renewed`` or ``NotRenewed``."""

    role: Role


@dataclass(frozen=True, slots=True)
class Receipt:
    """A transfer that succeeded: what was moved, and how it was proven."""

    size: int
    etag: str
    proofs: tuple[str, ...]
    """Digest names that were checked over the whole object, strongest first; empty: nothing could be."""
    version_id: str = ""
    digests: Digests = field(default_factory=dict)
    """Of the whole object, those that were computed."""
    there: int | None = None
    """Of a transfer that went on with an earlier one: bytes that were there already."""
    source_etag: str = ""
    """Of a copy's source, as it was read; ``source_version_id`` likewise."""
    source_version_id: str = ""


@dataclass(frozen=True, slots=True)
class Finish:
    """The story is over: what it returned, or the error to raise."""

    result: object
    error: BaseException | None = None


FileAction = Load | Save | Forget
"""About one of many files."""

Action = (
    Fill | FileAction | Send | Drop | Tell | Hush | Dismiss | Warn | Note | Show | Progress | Renew | Finish
)
