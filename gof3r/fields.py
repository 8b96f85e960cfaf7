"""JSON from anybody, checked: each reader takes what was found at a place, and raises ValueError for what is
not of its kind, or a number that no measurement can have; the error names the place.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TypeVar

from gof3r.engine.errors import UsageError, one_line

Value = TypeVar("Value")
Read = Callable[[object], Value]
"""Takes what JSON had at a place and gives the value; raises ValueError."""

LARGEST = 10**18
"""Of any number: an exabyte. Sums and quotients of such are numbers still."""

LAST_SECOND = 253_402_300_799
"""Since the epoch: the end of the year 9999, and of Python's calendar."""


def field(found: object, name: str, read: Read[Value]) -> Value:
    if not isinstance(found, dict):
        raise ValueError("no object")
    if name not in found:
        raise ValueError(f"{name} is missing")
    return _at(name, read, found[name])


def _at(place: str, read: Read[Value], value: object) -> Value:
    try:
        return read(value)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None


def text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("no text")
    return value


def whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST:
        raise ValueError(f"no whole number from 0 to {LARGEST:.0e}")
    return value


def whole_or_none(value: object) -> int | None:
    return None if value is None else whole(value)


def number(value: object) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value <= LARGEST:
        # NaN and Infinity are none either, which JSON in Python has.
        raise ValueError(f"no number from 0 up to {LARGEST:.0e}")
    return value


def time(value: object) -> float:
    seconds = number(value)
    if not 0 <= seconds <= LAST_SECOND:
        raise ValueError("no time")
    return seconds


def one_of(known: Sequence[Value], value: object) -> Value:
    for each in known:
        if each == value:
            return each
    raise ValueError(f"none of {', '.join(map(repr, known))}")


def list_of(read: Read[Value]) -> Read[tuple[Value, ...]]:
    def each(value: object) -> tuple[Value, ...]:
        if not isinstance(value, list):
            raise ValueError("no list")
        return tuple(_at(f"{number}.", read, one) for number, one in enumerate(value, 1))

    return each


def table_of(read: Read[Value]) -> Read[dict[str, Value]]:
    def each(value: object) -> dict[str, Value]:
        if not isinstance(value, dict):
            raise ValueError("no object")
        return {name: _at(name, read, one) for name, one in value.items()}

    return each


def fact(value: object) -> object:
    """Of the machine: as ``machine.machine`` has them, no deeper."""
    for one in value.values() if isinstance(value, dict) else (value,):
        if isinstance(one, (int, float)) and not isinstance(one, bool):
            number(one)
        elif not isinstance(one, (str, bool, type(None))):
            raise ValueError("neither text nor number, nor a table of them")
    return value


def document(text: str | bytes, read: Read[Value], wrong: str) -> Value:
    """What ``read`` makes of the JSON document ``text``. Raises UsageError, one line: ``wrong``, and why."""
    try:
        return read(json.loads(text))
    except RecursionError:  # of a hundred thousand brackets
        why = "nested too deeply"
    except json.JSONDecodeError as error:
        why = f"no JSON: {error}"
    except ValueError as error:
        why = str(error)
    raise UsageError(one_line(f"{wrong}: {why}"))
