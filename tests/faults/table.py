"""What can go wrong with every request of every transfer, and what has to come of it.

Outcomes follow from the design, not from what the program was seen to do: what may succeed when it is tried
again is survived; what the server refuses for good fails; and where an answer is no answer of S3's at all,
either may come, as long as it is honest. Whatever the outcome, ``test_sweep`` holds the run to all promises.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from tests.faults.faults import Fault, Scenario, When

Outcome = Literal["survives", "fails", "either"]

CREATE, COMPLETE = "create_multipart_upload", "complete_multipart_upload"
ABORT, LIST = "abort_multipart_upload", "list_parts"
PART, PART_COPY, PUT, COPY = "upload_part", "upload_part_copy", "put_object", "copy_object"
HEAD, HEAD_PART, GET = "head_object", "head_part", "get_object"
DELETE = "delete_object"
READ_SIDECAR, WRITE_SIDECAR, DELETE_SIDECAR = "get_sidecar", "put_sidecar", "delete_sidecar"

# --- the transfers ------------------------------------------------------------------


@dataclass(frozen=True)
class Transfer:
    """A command line (see ``test_sweep.COMMANDS``), and the requests that it makes when nothing goes wrong,
    counted by operation. ``swept``: those that meet faults, all of them unless named."""

    name: str
    requests: dict[str, int]
    swept: tuple[str, ...] = ()
    always: tuple[Scenario, ...] = ()
    """What goes wrong in any case."""
    conditional: bool = False

    def places(self) -> Iterator[tuple[str, int]]:
        for operation, count in self.requests.items():
            if not self.swept or operation in self.swept:
                yield from ((operation, nth) for nth in range(1, count + 1))


DENIED = Fault("answer", "before", 403, "AccessDenied")
MULTIPART = {CREATE: 1, PART: 3, COMPLETE: 1, HEAD: 1, WRITE_SIDECAR: 1}
RANGES = {HEAD: 1, READ_SIDECAR: 1, GET: 3}

TRANSFERS = (
    Transfer("put", MULTIPART),
    Transfer("put single", {PUT: 1, HEAD: 1, WRITE_SIDECAR: 1}),
    Transfer("put single --if-none-match", {HEAD: 2, PUT: 1, WRITE_SIDECAR: 1}, (PUT,), conditional=True),
    Transfer("put --if-none-match", {**MULTIPART, HEAD: 2}, (COMPLETE,), conditional=True),
    Transfer(
        "put aborted",
        {CREATE: 1, PART: 3, ABORT: 1, LIST: 1},
        (ABORT, LIST),
        (Scenario(PART, 3, DENIED, 0),),
    ),
    Transfer("get", RANGES),
    Transfer("get -p", RANGES),
    Transfer("cp by the server", {HEAD: 2, COPY: 1, WRITE_SIDECAR: 1}),
    Transfer(
        "cp by the server in parts",
        {HEAD: 2, HEAD_PART: 1, CREATE: 1, PART_COPY: 3, COMPLETE: 1, READ_SIDECAR: 1, WRITE_SIDECAR: 1},
    ),
    Transfer(
        "cp streamed",
        {**MULTIPART, HEAD: 2, READ_SIDECAR: 1, HEAD_PART: 1, GET: 3},
    ),
    Transfer("rm", {DELETE: 1, DELETE_SIDECAR: 1}),
)

# --- the faults ------------------------------------------------------------------

READS = frozenset({HEAD, HEAD_PART, GET, READ_SIDECAR, LIST})
"""They leave nothing at the server: before and after it saw them are one."""
WRITES = frozenset(
    {CREATE, COMPLETE, ABORT, PART, PART_COPY, PUT, COPY, DELETE, WRITE_SIDECAR, DELETE_SIDECAR}
)
XML = frozenset({CREATE, COMPLETE, COPY, PART_COPY})
"""Answered in XML that matters; of ListParts only the refusal does."""
LATE = frozenset({COMPLETE, COPY, PART_COPY})
"""Their status comes before the work is done: an error can follow in the body."""
SENT = frozenset({PART, PUT})
UPLOADS = frozenset({PART, PART_COPY, COMPLETE, ABORT, LIST})


STALL, TRICKLE = "stall", "trickle"
SLOW = (f"{STALL} before", f"{STALL} after", f"always {STALL}", TRICKLE)
"""Faults of parts that curl takes 4 to 8 seconds to see, since it averages the speed of 5."""


def _is_met(kind: Kind, operation: str, nth: int) -> bool:
    """Whether ``kind`` meets this request. Parts are counted as they come, in any order: the first and the
    last of three stand for all of them, the first alone where it takes long."""
    if operation not in kind.operations:
        return False
    if operation not in (PART, PART_COPY, GET):
        return True
    return nth == 1 or (nth != 2 and kind.name not in SLOW)


@dataclass(frozen=True)
class Kind:
    """A fault, where it makes sense, and what it leads to by itself. ``times`` 0: whatever is tried again."""

    name: str
    fault: Fault
    operations: frozenset[str]
    outcome: Outcome
    times: int = 1
    refuses: bool = False
    """It says that the server has not acted."""
    then: Fault | None = None
    """What meets the request after it."""


def _both(name: str, fault: Fault, outcome: Outcome, refuses: bool = False) -> Iterator[Kind]:
    """``fault`` of all operations: before the server saw a request, and after it has acted on it."""
    times: tuple[tuple[When, frozenset[str]], ...] = (("before", READS | WRITES), ("after", WRITES))
    for when, operations in times:
        yield Kind(f"{name} {when}", replace(fault, when=when), operations, outcome, refuses=refuses)


def _answer(status: int, code: str, **headers: str) -> Fault:
    return Fault(
        "answer", "before", status, code, tuple((name.replace("_", "-"), headers[name]) for name in headers)
    )


def _kinds() -> Iterator[Kind]:
    yield from _both("SlowDown", _answer(503, "SlowDown"), "survives", True)
    asked = _answer(503, "SlowDown", Retry_After="2")
    yield Kind("SlowDown with Retry-After", asked, READS | WRITES, "survives")
    yield from _both("InternalError", _answer(500, "InternalError"), "survives")
    yield from _both("bad gateway", _answer(502, ""), "survives")
    yield from _both("RequestTimeout", _answer(400, "RequestTimeout"), "survives", True)
    yield from _both("RequestTimeTooSkewed", _answer(403, "RequestTimeTooSkewed"), "survives", True)
    yield from _both("ExpiredToken", _answer(400, "ExpiredToken"), "fails", True)
    yield from _both("AccessDenied", _answer(403, "AccessDenied"), "fails", True)
    elsewhere = _answer(307, "TemporaryRedirect", Location="http://127.0.0.1:9/elsewhere")
    yield from _both("redirect", elsewhere, "fails", True)
    gone = _answer(404, "NoSuchUpload")
    for each in _both("NoSuchUpload", gone, "fails", True):
        yield replace(each, operations=each.operations & UPLOADS)

    yield from _both("reset", Fault("reset"), "survives")
    yield from _both("closed", Fault("close"), "survives")
    yield from _both(STALL, Fault("stall"), "survives")
    yield Kind(TRICKLE, Fault("trickle"), READS | WRITES, "survives")
    yield Kind("truncated", Fault("truncate"), XML | {GET, READ_SIDECAR}, "survives")

    yield Kind("damaged answer", Fault("corrupt"), frozenset({GET}), "fails")
    yield Kind("damaged sidecar", Fault("corrupt"), frozenset({READ_SIDECAR}), "survives")
    yield Kind("always damaged sidecar", Fault("corrupt"), frozenset({READ_SIDECAR}), "fails", 0)
    yield Kind("damaged XML", Fault("corrupt"), XML, "either")
    yield Kind("damaged request", Fault("corrupt request"), SENT | {WRITE_SIDECAR}, "survives")
    yield Kind("damaged XML request", Fault("corrupt request"), frozenset({COMPLETE}), "either")
    yield Kind("broken XML", Fault("broken xml"), XML, "survives")
    yield Kind("huge XML", Fault("huge xml"), XML | {LIST}, "survives")
    yield Kind("huge sidecar", Fault("huge xml"), frozenset({READ_SIDECAR}), "survives")

    yield Kind("wrong range", Fault("wrong range"), frozenset({GET}), "survives")
    yield Kind("200 for a range", Fault("whole"), frozenset({GET}), "survives")
    yield Kind("other ETag of a part", Fault("other etag"), SENT | {GET}, "survives")
    yield Kind("other ETag", Fault("other etag"), frozenset({HEAD, COMPLETE, COPY}), "fails")
    yield Kind("other ETag aside", Fault("other etag"), frozenset({HEAD_PART, PART_COPY}), "either")
    yield Kind("other ETag of the sidecar", Fault("other etag"), frozenset({WRITE_SIDECAR}), "survives")
    for when in ("before", "after"):
        inside = Fault("answer", when, 200, "InternalError")
        yield Kind(f"error in a 200 {when}", inside, LATE, "survives")
    # A store whose Complete is not idempotent: the answer is lost, and the upload gone.
    lost = frozenset({COMPLETE})
    for fault in (Fault("reset"), Fault("stall"), _answer(500, "InternalError")):
        name = f"{fault.code or fault.deed} after, then NoSuchUpload"
        yield Kind(name, replace(fault, when="after"), lost, "survives", then=replace(gone, when="before"))
    yield Kind("blanks before the answer", Fault("spaces"), LATE, "survives")

    yield Kind("no ETag of a part", Fault("without", name="ETag"), SENT | {GET, WRITE_SIDECAR}, "survives")
    yield Kind("no ETag", Fault("without", name="ETag"), frozenset({HEAD}), "survives")
    yield Kind("no Content-Range", Fault("without", name="Content-Range"), frozenset({GET}), "survives")
    yield Kind("no Content-Length", Fault("without", name="Content-Length"), frozenset({HEAD}), "survives")
    sums = Fault("without", name="x-amz-checksum")
    yield Kind("no checksum", sums, SENT | LATE | {HEAD, HEAD_PART}, "survives")

    yield Kind("always InternalError", _answer(500, "InternalError"), READS | WRITES, "fails", 0)
    yield Kind("always reset", Fault("reset"), READS | WRITES, "fails", 0)
    yield Kind(f"always {STALL}", Fault("stall"), frozenset({CREATE, COMPLETE, COPY, GET}), "fails", 0)
    yield Kind("always another ETag", Fault("other etag"), SENT | {GET}, "fails", 0)
    yield Kind("always damaged", Fault("corrupt request"), SENT | {WRITE_SIDECAR}, "fails", 0)


KINDS = tuple(_kinds())

# --- where it is otherwise ------------------------------------------------------------------

RULES: tuple[tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], Outcome], ...] = (
    # Names of faults (their beginnings), operations, transfers (their beginnings), and what comes of it.
    # An error of HEAD has no body: 400 and 403 are looked into by a GET, and after an upload mean that the
    # look is not for us. Once only, so it is no refusal.
    (("ExpiredToken", "AccessDenied"), (HEAD, HEAD_PART), ("",), "survives"),
    # The layout of parts is a guess; without one, others do.
    (("redirect", "always InternalError"), (HEAD_PART,), ("",), "survives"),
    # 403 on reading the sidecar counts as absent; on removing it is told.
    (("AccessDenied",), (READ_SIDECAR, DELETE_SIDECAR), ("",), "survives"),
    # The server has done it and never says so: the look in the end shows it.
    (("always reset", f"always {STALL}"), (COMPLETE,), ("",), "survives"),
    # What cannot be read is not copied beside a copy by the server, which says so.
    (("always damaged sidecar",), (READ_SIDECAR,), ("cp by the server",), "survives"),
    # The second attempt meets the object of the first, and a look shows that it is right.
    (("always another ETag",), (PUT,), ("put single --if-none-match",), "survives"),
    # What the server refuses to copy passes through here; the first part tells.
    (("AccessDenied",), (COPY,), ("",), "survives"),
    (("AccessDenied",), (PART_COPY,), ("",), "either"),
    # The source's condition may be met all the same, and a CRC proves the copy.
    (("other ETag",), (HEAD,), ("cp",), "either"),
)


@dataclass(frozen=True)
class Case:
    """``kind`` meets the ``nth`` request of ``operation``."""

    transfer: Transfer
    operation: str
    nth: int
    kind: Kind

    @property
    def id(self) -> str:
        return f"{self.transfer.name}-{self.operation} {self.nth}-{self.kind.name}".replace(" ", "_")

    @property
    def scenarios(self) -> tuple[Scenario, ...]:
        first = Scenario(self.operation, self.nth, self.kind.fault, self.kind.times)
        then = [Scenario(self.operation, self.nth + 1, self.kind.then)] if self.kind.then else []
        return (first, *then, *self.transfer.always)

    @property
    def untrue(self) -> bool:
        """The server has acted and says that it has refused: nothing can be concluded from that."""
        return self.kind.refuses and self.kind.fault.when == "after"

    @property
    def outcome(self) -> Outcome:
        if self.transfer.name == "put aborted":
            return "fails"
        once = self.transfer.conditional or self.operation == COMPLETE
        if self.untrue and once and self.kind.outcome == "survives":
            return "either"  # it cannot be repeated, and was said not to have been done
        for names, operations, transfers, outcome in RULES:
            if (
                self.kind.name.startswith(names)
                and self.operation in operations
                and self.transfer.name.startswith(transfers)
            ):
                return outcome
        return self.kind.outcome

    @property
    def may_leave_upload(self) -> bool:
        """An upload may remain that is told of, with the command that finds or removes it."""
        if self.operation == CREATE:
            return not (self.kind.fault.when == "before" and self.kind.times)
        return self.operation in (ABORT, LIST) and (self.kind.outcome != "survives")

    @property
    def may_lack_sidecar(self) -> bool:
        """The md5 of a composite source is known by its sidecar alone."""
        return self.operation == READ_SIDECAR and self.transfer.name.startswith("cp by the server")

    @property
    def hides_upload(self) -> bool:
        """An upload may remain of which nobody can know: its id was damaged, or the server denies it."""
        if self.operation == CREATE:
            return self.untrue or self.kind.name == "damaged XML"
        return self.operation == ABORT and self.kind.name == "NoSuchUpload before"


def cases() -> list[Case]:
    return [
        Case(transfer, operation, nth, kind)
        for transfer in TRANSFERS
        for operation, nth in transfer.places()
        for kind in KINDS
        if _is_met(kind, operation, nth)
    ]
