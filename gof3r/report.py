"""What the user is told on standard error: warnings once, progress, the duration, what was verified.

Theory: standard output is the object's, so everything else goes to standard error, and nothing that happens
there may fail a transfer. A terminal that hung up or a log reader that died is silence, not an error.

It must not know what a transfer is: numbers and texts in, lines out.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Literal

from gof3r.engine.errors import one_line
from gof3r.engine.flow.events import Event, Progress, Receipt
from gof3r.engine.orders import Result

if TYPE_CHECKING:
    from .trace import Trace

_LONGEST = 1000  # characters of a line
_SIZE_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_ERASE = "\r\x1b[K"  # to the line's beginning, and clear it (ECMA-48)

EVERY = 10.0
"""Seconds between two lines of progress in a log."""


def say(text: str, end: str = "\n") -> None:
    """Write ``text`` and a newline to standard error, if there still is one. Never raises."""
    if sys.stderr is None:  # closed before we started, or below; print() would take standard output instead
        return
    try:
        print(text, file=sys.stderr, end=end, flush=True)
    except (OSError, ValueError):
        # What failed to go out stays in the buffer; the interpreter would fail on it again at exit, and
        # replace our exit code by 120. Without a stream, it has nothing to flush.
        sys.stderr = None


def on_terminal() -> bool:
    """Whether standard error is a terminal: somebody may be watching."""
    try:
        return sys.stderr is not None and sys.stderr.isatty()
    except ValueError:
        return False


def _columns() -> int | None:
    """Characters that fit a line of the terminal: a longer one would wrap, and its first half stay. The
    terminal's own ^C must fit behind them."""
    try:
        return (os.get_terminal_size(sys.stderr.fileno()).columns or _LONGEST) - 3
    except (OSError, ValueError, AttributeError):
        return None


def duration(seconds: float) -> str:
    """``seconds`` as Go's time.Duration prints them: ``1m16.080800315s``, ``1h0m2.5s``, ``1.5ms``, ``0s``."""
    nanoseconds = round(seconds * 1e9)
    for unit, size in (("ns", 1), ("µs", 10**3), ("ms", 10**6)):
        if 0 < nanoseconds < min(size * 1000, 10**9):
            return _decimal(nanoseconds, size) + unit
    minutes, rest = divmod(nanoseconds, 60 * 10**9)
    text = _decimal(rest, 10**9) + "s"
    if minutes:
        text = f"{minutes % 60}m{text}"
    if minutes >= 60:
        text = f"{minutes // 60}h{text}"
    return text


def _decimal(value: int, unit: int) -> str:
    """``value / unit``, exactly, without trailing zeros; ``unit`` is a power of ten."""
    whole, fraction = divmod(value, unit)
    digits = f"{fraction:0{len(str(unit)) - 1}}".rstrip("0") if fraction else ""
    return f"{whole}.{digits}" if digits else str(whole)


def size_text(value: float, places: int = 1) -> str:
    """``value`` bytes in the unit that leaves less than 1024 of it, after rounding."""
    unit = 0
    while round(value, places if unit else 0) >= 1024 and unit < len(_SIZE_UNITS) - 1:
        value /= 1024
        unit += 1
    return f"{value:.{places if unit else 0}f} {_SIZE_UNITS[unit]}"


def summary(bytes: int, seconds: float, verified: tuple[str, ...]) -> str:
    """``8.0 GiB, 1.21 GiB/s, verified: md5+crc64nvme``; ``verified`` names the proofs of the whole object."""
    rate = bytes / max(seconds, 1e-9)
    proofs = "+".join(verified) or "none (length, ETag pin)"
    return f"{size_text(bytes)}, {size_text(rate, 2)}/s, verified: {proofs}"


def resumed(size: int, there: int, moved: str) -> str:
    """``resumed: 2.4 GiB of 4.0 GiB were there, 1.6 GiB sent``; ``moved``: sent, or received."""
    return f"resumed: {size_text(there)} of {size_text(size)} were there, {size_text(size - there)} {moved}"


def progress_line(progress: Progress) -> str:
    """``1.2 GiB of 8.0 GiB (15%), 310.00 MiB/s, average 302.10 MiB/s, 23s left, 10 parts in flight,
    2 retries, network binds``: what matters most comes first, since a narrow terminal shows no more."""
    done, total = progress.done, progress.total
    average = done / max(progress.seconds, 1e-9)
    pieces = [size_text(done)]
    if total:
        pieces = [f"{size_text(done)} of {size_text(total)} ({done * 100 // total}%)"]
    pieces += [f"{size_text(progress.rate, 2)}/s", f"average {size_text(average, 2)}/s"]
    if total and done:
        pieces.append(f"{duration(round((total - done) / average))} left")
    pieces.append(f"{progress.in_flight} part{'' if progress.in_flight == 1 else 's'} in flight")
    if progress.retries:
        pieces.append("1 retry" if progress.retries == 1 else f"{progress.retries} retries")
    if progress.binds:
        pieces.append(f"{progress.binds} binds")
    return ", ".join(pieces)


class Report:
    """One command's voice, begun at the monotonic second ``now``. Texts may come from outside: each becomes
    one line without control characters. ``progress``: True for lines whoever reads them, None for a
    terminal's."""

    def __init__(
        self,
        now: float,
        debug: bool = False,
        progress: bool | None = None,
        stats: Literal["", "text", "json"] = "",
    ) -> None:
        self._began = now
        self._debug = debug
        self._terminal = on_terminal()
        self._progress = self._terminal if progress is None else progress
        self._stats = stats
        self.trace: Trace | None = None
        """Is told of each step."""
        self.heading = ""
        """What stands before a terminal's line of progress: which of several things goes on."""
        self.receiving = False
        """Bytes come, they do not go."""
        self._warned: set[str] = set()
        self._beats = 0
        self._drawn = False

    def warning(self, text: str) -> None:
        """Say it the first time; a warning for each of ten thousand parts helps nobody."""
        if text not in self._warned:
            self._warned.add(text)
            self._line(f"gof3r warning: {one_line(text, _LONGEST)}")

    def debug(self, text: str) -> None:
        if self._debug:
            self._line(f"gof3r debug: {one_line(text, _LONGEST)}")

    def show(self, value: object) -> None:
        """A transfer shows nothing but its receipt; commands with more to show listen by themselves."""

    def progress(self, progress: Progress) -> None:
        """About once a second."""
        self._beats += 1
        if not self._progress or self._beats == 1:
            return  # the first comes at the start
        text = self.heading + progress_line(progress)
        if self._terminal:
            say(_ERASE + text[: _columns()], end="")
            self._drawn = True
        elif (self._beats - 1) % EVERY == 0:
            say(f"gof3r: {text}")

    def happened(self, event: Event) -> None:
        """Each step, for ``--trace``."""
        if self.trace is not None:
            self.trace.happened(event)

    def done(self, receipt: Receipt, result: Result, now: float) -> None:
        """The last lines of a success: how long it took, how much it was, and how it was proven."""
        seconds = now - self._began
        self.debug(f"ETag {receipt.etag}, version {receipt.version_id or 'none'}")
        self._line(f"duration: {duration(seconds)}")
        if receipt.there is not None:
            say(resumed(receipt.size, receipt.there, "received" if self.receiving else "sent"))
        say(summary(receipt.size, seconds, receipt.proofs))
        if result.found:
            say(f"concurrency: {result.concurrency}, found by auto")
        if not self._stats:
            return
        from . import statistics  # late, as is json: most commands print none

        if self._stats == "json":
            import json

            say(json.dumps(statistics.values(receipt, result, seconds)))
            return
        for line in statistics.text(receipt, result, seconds):
            say(line)

    def close(self) -> None:
        """The last thing said: take a line of progress off the terminal, end the trace."""
        self.clear()
        if self.trace is not None:
            self.trace.close()
            if self.trace.lost:
                self.warning(self.trace.lost)

    def clear(self) -> None:
        """Take a line of progress off the terminal."""
        if self._drawn:
            say(_ERASE, end="")
            self._drawn = False

    def _line(self, text: str) -> None:
        self.clear()
        say(text)


class Quiet:
    """A listener that passes warnings on and shows nothing."""

    def __init__(self, report: Report) -> None:
        self.warning = report.warning
        self.debug = report.debug
        self.happened = report.happened

    def show(self, value: object) -> None:
        pass

    def progress(self, progress: Progress) -> None:
        pass
