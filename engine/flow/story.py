"""The words in which a transfer is told.

An upload or a download is a *story*: a generator that reads from top to bottom, yields one instruction at a
time, and is sent what came of it. ``Transfer`` carries the instructions out; if something fails that will
not change by trying again, it throws a ``TransferError`` (or ``Interrupted``) into the story at the line
where it waits, and the story's own ``except`` says how to clean up.

::

    answer = yield from ask(create_multipart_upload(target), upload_id)
    yield Until(self.complete)
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from ..s3 import operations, replies
from ..values import Digests, Request, Response, Target
from .dispatch import Reader
from .events import Dismiss, Show, Tell, Warn


@dataclass(frozen=True, slots=True)
class Answer:
    """A control request's success. ``doubtful``: an earlier attempt may have been carried out as well."""

    response: Response
    doubtful: bool
    value: Any = None
    """What the request's reader has made of the response."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Make a control request, with retries; sent back: an Answer."""

    request: Request
    reads: Reader | None = None
    """An answer that it cannot read counts as damaged on its way: the request is made once more."""
    patient: bool = False
    within: float | None = None
    """Seconds after which to give up, whatever the retries; None for the ordinary limits."""


@dataclass(frozen=True, slots=True)
class AskOn:
    """Go on waiting for the request that was under way when an error was thrown in; sent back: an Answer."""

    within: float
    """Seconds."""


@dataclass(frozen=True, slots=True)
class Until:
    """Wait until ``condition`` holds, a fact that the events change; sent back: None."""

    condition: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class StreamDigests:
    """Sent back when the collector has hashed all parts: the Digests."""

    parts: int


@dataclass(frozen=True, slots=True)
class Quiet:
    """End the part workers; sent back when nothing of theirs can reach the server any more: None."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Sent back after ``seconds``: the time, as a monotonic second."""

    seconds: float


Instruction = Ask | AskOn | Until | StreamDigests | Quiet | Pause | Tell | Warn | Show | Dismiss
"""The last four are actions that need no answer: they are passed on as they stand, and sent back is None."""
Telling = Generator[Instruction, Any, Any]
Story = Generator[Instruction, Any, object]
"""What it returns is the result: a Receipt of a transfer, whatever was asked for of the rest."""


def ask(
    request: Request, reads: Reader | None = None, *, patient: bool = False, within: float | None = None
) -> Generator[Instruction, Any, Answer]:
    answer: Answer = yield Ask(request, reads, patient, within)
    return answer


def ask_on(within: float) -> Generator[Instruction, Any, Answer]:
    answer: Answer = yield AskOn(within)
    return answer


def head_of(
    name: str, target: Target, part_number: int | None = None, *, within: float | None = None
) -> Generator[Instruction, Any, replies.ObjectHead]:
    """What HEAD says of ``target``, or of one part of it. Raises TransferError."""
    request = operations.head_object(target, part_number)
    answer = yield from ask(request, replies.object_head, within=within)
    head: replies.ObjectHead = answer.value
    return head


def stream_digests(parts: int) -> Generator[Instruction, Any, Digests]:
    digests: Digests = yield StreamDigests(parts)
    return digests
