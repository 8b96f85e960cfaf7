"""An engine in a process of its own, seen from inside: whoever asked is at the other end of two pipes.

A library cannot fork in its user's process: there may be threads, a notebook, no ``__main__`` guard. So it
starts ``python -m gof3r.engine`` and talks to it: a ``Start`` first, then what else it wants; back come news
and, last, an ``Ended``. Bytes of objects take other descriptors.

The caller's pipe is also its life: its end cancels the order, so a killed caller leaves nothing behind. And
the end of its data is believed only after ``Commit``, since a killed caller's data ends as well.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import Gof3rError, one_line
from ..flow.events import Asked, Cancelled, Event, Progress, SourceFailed
from ..values import Failure
from .channel import Receiver, Sender
from .source import Committed

# --- from the caller ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Start:
    """Carry out ``order``, one of ``orders``. ``source`` and ``sink`` are descriptors that the engine has
    inherited. ``vouched``: the source is whole only if a ``Commit`` comes before its end."""

    order: object
    source: int | None = None
    sink: int | None = None
    vouched: bool = False
    debug: bool = False
    """Send ``Debugged`` lines."""


@dataclass(frozen=True, slots=True)
class Commit:
    """All bytes have been written: the source's end is the stream's."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop, and leave nothing behind."""


# --- to the caller ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Warned:
    text: str


@dataclass(frozen=True, slots=True)
class Debugged:
    text: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A piece of the result: an entry of a listing, an object that was opened."""

    value: object


@dataclass(frozen=True, slots=True)
class Ended:
    """The last message: an ``orders.Result``, or the error, by its class's name and its parts."""

    result: object = None
    error: str = ""
    text: str = ""
    failure: Failure | None = None
    kept: str = ""
    """As the error's."""
    trace: str = ""
    """Of the engine's own process, for whoever looks for a bug."""


News = Warned | Debugged | Shown | Progress | Ended


class Caller:
    """The caller as a witness (``source.Witness``) of the ring and a listener (``parent.Listener``) to it."""

    def __init__(self, wishes: Receiver, news: Sender) -> None:
        self._wishes = wishes
        self._news = news
        self._news.never_block()  # the parent of the ring must not wait for its caller
        self._debug = False
        self.ended = False

    @property
    def fd(self) -> int:
        return self._wishes.fd

    def start(self) -> Start | None:
        """The first message, waited for; None when the caller has gone before."""
        start: Start | None = self._wishes.receive_first()
        self._debug = start is not None and start.debug
        return start

    def hear(self) -> list[Committed | SourceFailed | Cancelled | Asked]:
        events: list[Committed | SourceFailed | Cancelled | Asked] = []
        for message in self._wishes.receive():
            match message:
                case Commit():
                    events.append(Committed())
                case Cancel():
                    events.append(Cancelled("cancelled by its caller"))
                case Asked():
                    events.append(message)
        if self._wishes.ended:
            self.ended = True
            events.append(Cancelled("its caller has gone"))
        return events

    # --- the listener ------------------------------------------------------------------

    def warning(self, text: str) -> None:
        self._say(Warned(one_line(text, 1000)))

    def debug(self, text: str) -> None:
        if self._debug:
            self._say(Debugged(one_line(text, 1000)))

    def show(self, value: object) -> None:
        """Waits while the caller has not taken what was shown before: a listing is as long as it likes, and
        whatever shows one moves no parts that would wait, too."""
        os.set_blocking(self._news.fd, True)
        self._say(Shown(value))
        os.set_blocking(self._news.fd, False)

    def progress(self, progress: Progress) -> None:
        self._say(progress)

    def happened(self, event: Event) -> None:
        """A caller wants what came of it, not each step."""

    def end(self, result: object = None, error: BaseException | None = None) -> None:
        """The last word, which is waited for."""
        ended = Ended(result)
        if error is not None:
            name = type(error).__name__ if isinstance(error, Gof3rError) else ""
            text = str(error) if name else f"internal error: {type(error).__name__}: {error}"
            trace = "".join(traceback.format_exception(error))
            failure, kept = getattr(error, "failure", None), getattr(error, "kept", "")
            ended = Ended(None, name or "Gof3rError", text, failure, kept, trace)
        os.set_blocking(self._news.fd, True)
        self._say(ended)

    def _say(self, news: News) -> None:
        try:
            self._news.send(news)
        except BrokenPipeError:
            pass  # the end of its other pipe says the same, and cancels


def serve(wishes: int, news: int, do: Callable[[Start, Caller], object]) -> int:
    """``do`` what the caller at the other ends of these descriptors wants, and say what it returned or
    raised. The exit code is for people who look at processes: callers read the last message."""
    for fd in (wishes, news):
        os.set_inheritable(fd, False)
    caller = Caller(Receiver(wishes), Sender(news))
    start = caller.start()
    if start is None:
        return 0
    try:
        caller.end(do(start, caller))
    except BaseException as error:
        caller.end(error=error)
        return 1
    return 0
