"""Whether a transfer kept its promises: a pure function of what was planned and what was seen.

Theory: exit 0 is held against the bytes themselves. What must come of trouble is known where one thing goes
wrong (``table`` says so), where all that goes wrong passes, and where up to three workers are lost: those are
survived. Whatever else happens, either end is right as long as it is an honest one: one error line, or the
signal's own exit code; nothing left behind; no bytes that are not the object's.
"""

from __future__ import annotations

import hashlib
import signal
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tests.faults.faults import Scenario
from tests.faults.program import Ended
from tests.faults.soak_plan import Kill, Plan
from tests.faults.sweep import PRINTED
from tests.faults.table import Case, Outcome

SPARES = 3
"""Workers that a transfer can lose: ARCHITECTURE.md."""

BASE = 80 << 20
"""Bytes that a process may have beside its slots. An interpreter with everything imported has 30 MiB, which
its forks share; 57 were the most that was seen. A long object held in memory would show."""


@dataclass(frozen=True)
class Seen:
    """A case as it went."""

    ended: Ended
    data: bytes = field(repr=False)
    """What it was to move."""
    made: bytes | None = field(repr=False)
    """The object at its target afterwards, as is its ``sidecar``'s text."""
    sidecar: str | None
    files: Mapping[str, bytes] = field(repr=False)
    """Where it was to make one, by name."""
    struck: tuple[Scenario, ...] = ()
    killed: tuple[Kill, ...] = ()
    uploads: int = 0
    """Left unfinished at its key."""
    unreaped: int = 0
    """Of those, the ones still there after the printed commands were run."""
    strays: tuple[int, ...] = ()
    """Processes of it that live on."""

    @property
    def stopped(self) -> signal.Signals | None:
        """What its first process was sent."""
        return next((kill.signal for kill in self.killed if kill.victim == "parent"), None)


def met(plan: Plan, seen: Seen) -> list[Case]:
    """The planned faults that met a request."""
    return [case for case in plan.faults if {*case.scenarios} & {*seen.struck}]


def expected(plan: Plan, seen: Seen) -> Outcome:
    """What must come of it."""
    victims = Counter(kill.victim for kill in seen.killed)
    if plan.way.fails:
        return "fails"
    if victims["worker"] > SPARES or victims.keys() - {"worker"}:
        return "either"
    if seen.struck and seen.killed:
        return "either"
    if plan.rain:
        # An object of the first attempt, whose answer was lost, must not be taken for another's; a doubt
        # about that is an honest end.
        return "either" if plan.if_none_match and seen.struck else "survives"
    faults = met(plan, seen)
    if len(faults) > 1:
        return "either"
    if not faults or faults[0].outcome == "survives":
        return "survives"
    return "either"  # an error that the table expects may also not matter to this way


def broken(plan: Plan, seen: Seen) -> list[str]:
    """The promises that were not kept."""
    return [*_end(plan, seen), *_words(plan, seen), *_made(plan, seen), *_left(plan, seen)]


def _end(plan: Plan, seen: Seen) -> Iterator[str]:
    ended, outcome = seen.ended, expected(plan, seen)
    if ended.hung:
        yield f"hung: nothing for {ended.seconds:.0f} s"
    codes = {0, 1}
    if seen.stopped is not None and not plan.way.library:
        codes |= {-seen.stopped, 128 + seen.stopped}
    if ended.code not in codes:
        yield f"exit code {ended.code}"
    if outcome == "survives" and ended.code != 0:
        yield f"did not survive: exit code {ended.code}"
    if outcome == "fails" and ended.code == 0:
        yield "false success: what it stored has failed"
    if ended.peak > plan.slots + BASE:
        yield f"a process of {ended.peak >> 20} MiB with slots of {plan.slots >> 20} MiB"


def _words(plan: Plan, seen: Seen) -> Iterator[str]:
    ended = seen.ended
    errors = sum(line.startswith("gof3r error: ") for line in ended.lines)
    if ended.code in (0, 1) and errors != ended.code:
        yield f"exit code {ended.code} with {errors} error lines"
    if ended.code not in (0, 1) and errors:
        yield f"exit code {ended.code} with {errors} error lines"
    known = ("gof3r error: ", "gof3r warning: ", "duration: ")
    strange = [line for line in ended.lines if not line.startswith(known) and ", verified: " not in line]
    if strange:
        yield f"said something else: {strange}"
    if any("internal error" in line for line in ended.lines):
        yield "an internal error"


def _made(plan: Plan, seen: Seen) -> Iterator[str]:
    ended, data, way = seen.ended, seen.data, plan.way
    done = ended.code == 0
    if way.makes == "stdout":
        damaged = any(case.kind.name == "damaged answer" for case in met(plan, seen))  # nothing stored for it
        if not damaged and not data.startswith(ended.stdout):
            yield "bytes on standard output that are not the object's"
        if done and ended.stdout != data:
            yield f"false success: {len(ended.stdout)} of {len(data)} bytes on standard output"
        if not done and not seen.killed and data and len(ended.stdout) == len(data):
            yield "the whole object on standard output, and no success"
    elif ended.stdout:
        yield "something on standard output"
    files = {"out": data} if way.makes == "file" else {}
    if done and seen.files != files:
        yield f"false success: files {_sizes(seen.files)}"
    if not done and seen.files and not (seen.files == files and seen.killed):
        yield f"files are left: {_sizes(seen.files)}"
    if way.makes == "object":
        yield from _object(plan, seen)
    if way.moves == "none" and done and seen.made is not None:
        yield "false success: the object is there"
    if way.moves == "none" and done and seen.sidecar is not None and "the md5 sidecar" not in ended.stderr:
        yield "the sidecar is there, and nobody told"


def _object(plan: Plan, seen: Seen) -> Iterator[str]:
    if seen.ended.code == 0 and seen.made != seen.data:
        yield "false success: the object is not what was sent"
    spoilt = any(case.kind.fault.deed == "corrupt request" for case in met(plan, seen))
    if seen.ended.code != 0 and not spoilt and seen.made not in (None, seen.data):
        yield "an object that is not what was sent"
    if plan.way.fails and seen.made is not None:
        yield "an object of a command that failed"
    if seen.ended.code == 0:
        # The md5 of a composite source is known by its sidecar alone.
        without = not plan.sidecar or any(case.may_lack_sidecar for case in met(plan, seen))
        md5 = hashlib.md5(seen.data).hexdigest()
        if seen.sidecar != md5 and not (without and seen.sidecar is None):
            yield f"the sidecar holds {seen.sidecar}"


def _left(plan: Plan, seen: Seen) -> Iterator[str]:
    if seen.ended.left or seen.strays:
        yield f"processes are left: {seen.ended.left or seen.strays}"
    # Of some uploads nobody can know: their id was damaged, or the server denies them, or nobody lives.
    hidden = any(case.hides_upload for case in met(plan, seen)) or (
        seen.stopped == signal.SIGKILL and not plan.way.library
    )
    if seen.uploads and not hidden:
        if not PRINTED.search(seen.ended.stderr):
            yield f"{seen.uploads} uploads are left, and nobody told"
        elif seen.unreaped:
            yield f"{seen.unreaped} uploads are left after doing as was told"


def _sizes(files: Mapping[str, bytes]) -> dict[str, int]:
    return {name: len(data) for name, data in files.items()}
