"""What the user is told on standard error: warnings once, the duration and what was verified.

Theory: standard output is the object's, so everything else goes to standard error, and nothing that happens
there may fail a transfer. A terminal that hung up or a log reader that died is silence, not an error.

It must not know what a transfer is: numbers and texts in, lines out.
"""

from __future__ import annotations

import sys

from gof3r.engine.errors import one_line

_LONGEST = 1000  # characters of a line
_SIZE_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def say(text: str) -> None:
    """Write ``text`` and a newline to standard error, if there still is one. Never raises."""
    if sys.stderr is None:  # closed before we started, or below; print() would take standard output instead
        return
    try:
        print(text, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        # What failed to go out stays in the buffer; the interpreter would fail on it again at exit, and
        # replace our exit code by 120. Without a stream, it has nothing to flush.
        sys.stderr = None


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


def _size(value: float, places: int) -> str:
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
    return f"{_size(bytes, 1)}, {_size(rate, 2)}/s, verified: {proofs}"


class Report:
    """One transfer's voice. Texts may come from outside: each becomes one line without control characters."""

    def __init__(self, debug: bool = False) -> None:
        self._debug = debug
        self._warned: set[str] = set()

    def warning(self, text: str) -> None:
        """Say it the first time; a warning for each of ten thousand parts helps nobody."""
        if text not in self._warned:
            self._warned.add(text)
            say(f"gof3r warning: {one_line(text, _LONGEST)}")

    def debug(self, text: str) -> None:
        if self._debug:
            say(f"gof3r debug: {one_line(text, _LONGEST)}")

    def done(self, bytes: int, seconds: float, verified: tuple[str, ...]) -> None:
        """The last lines of a success: how long it took, how much it was, and how it was proven."""
        say(f"duration: {duration(seconds)}")
        say(summary(bytes, seconds, verified))
