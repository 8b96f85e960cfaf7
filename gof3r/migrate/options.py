"""What can be said of a single item: those options of ``cp`` that are about one object.

Theory: how S3 is reached and how fast bytes move is the run's; which headers an object gets, by what it is
proven and how it is cut is its own. A name means what it means to ``cp``, and what is not said here is as it
was said for the run. Options are checked when they are read, against the places that they are for: a
manifest's millionth line should fail before its first object is moved.

A key of SSE-C is refused: what is read here is kept in the journal, and keys do not reach the disk.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import NoReturn

from gof3r.engine.errors import UsageError, one_line
from gof3r.engine.s3.request import SSE_C
from gof3r.engine.values import Header

from ..config import Config, parse_size
from ..header import parse_header, request_headers, sort_headers
from ..ordering import MIN_RANGE

VERSION = "versionId"
HEADERS = ("header", "source-header")
FLAGS = ("if-none-match", "no-md5")
TEXTS = ("acl", "checksum", "partsize", VERSION)
NAMES = tuple(sorted((*HEADERS, *FLAGS, *TEXTS)))

_ESCAPED = re.compile(r"\\(.)|(;)|\\$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Options:
    """Of one item; what is None or empty is as for the run."""

    acl: str = ""
    headers: tuple[Header, ...] = field(default=(), repr=False)
    source_headers: tuple[Header, ...] = field(default=(), repr=False)
    checksums: tuple[str, ...] | None = None
    md5: bool | None = None
    if_none_match: bool | None = None
    part_size: int | None = None
    """Bytes."""


NONE = Options()


def parse_text(text: str) -> dict[str, object]:
    """``NAME=VALUE;NAME=VALUE``, as a CSV's third column has it, in the form that ``read`` takes.

    A name ends at its first ``=``; a flag may do without (``no-md5`` is ``no-md5=true``). Headers may be
    repeated. In a value ``\\;`` is a semicolon and ``\\\\`` a backslash; a backslash before anything else is
    an error, and so is an empty piece. Spaces around names do not count, those in values do. Raises
    UsageError.
    """
    given: dict[str, object] = {}
    for piece in _pieces(text):
        name, equals, value = piece.partition("=")
        name = name.strip(" ")
        if name in FLAGS:
            flag = {"": True, "=true": True, "=false": False}.get(equals + value)
            if flag is None:
                _bad(name, "true or false", repr(value))
            new: object = flag
        elif name in HEADERS:
            before = given.get(name, [])
            assert isinstance(before, list)
            given[name] = [*before, value]
            continue
        elif not equals:
            raise UsageError(one_line(f"options: expected NAME=VALUE;NAME=VALUE, got {piece!r}"))
        else:
            new = value
        if name in given:
            _bad(name, "it once", "it twice")
        given[name] = new
    return given


def _pieces(text: str) -> list[str]:
    """``text`` at its bare semicolons, without the backslashes."""
    pieces = [""]
    end = 0
    for found in _ESCAPED.finditer(text):
        pieces[-1] += text[end : found.start()]
        end = found.end()
        if found[2]:
            pieces.append("")
        elif found[1] in (";", "\\"):
            pieces[-1] += found[1]
        else:
            raise UsageError(one_line(f"options: expected \\; or \\\\ after a backslash, got {found[0]!r}"))
    pieces[-1] += text[end:]
    return pieces


def read(given: object) -> Options:
    """Of a table of names and values, as a manifest's JSON has it: flags are true or false, headers a text or
    a list of them. ``versionId`` is the place's, and not read here. Raises UsageError."""
    if given == {}:
        return NONE
    if not isinstance(given, dict):
        raise UsageError(one_line(f"options: expected an object of names and values, got {given!r}"))
    for name in given:
        if name not in NAMES:
            raise UsageError(one_line(f"options: expected any of {', '.join(NAMES)}, got {name!r}"))
    size = given.get("partsize")
    if isinstance(size, int) and not isinstance(size, bool):
        size = str(size)
    checksum = text_of(given, "checksum")
    # Made once more for the run, of all settings; here for its checks of these two.
    config = Config()
    if checksum:
        config = Config(checksums=tuple(checksum.split(",")))
    if "partsize" in given:
        config = Config(checksums=config.checksums, part_size=text_of({"partsize": size}, "partsize"))
    md5 = _flag(given, "no-md5")
    return Options(
        acl=text_of(given, "acl"),
        headers=_headers(given, "header"),
        source_headers=_headers(given, "source-header"),
        checksums=config.checksums if checksum else None,
        md5=None if md5 is None else not md5,
        if_none_match=_flag(given, "if-none-match"),
        part_size=parse_size(config.part_size) if "partsize" in given else None,
    )


def check(options: Options, *, from_s3: bool, to_s3: bool) -> None:
    """Raise UsageError for what makes no sense for an item that comes from S3, and goes there, or does
    not."""
    if not from_s3 and options.source_headers:
        _bad("source-header", "a source in S3", "a file")
    if options == NONE:
        return
    if not to_s3:
        if options.part_size is not None and options.part_size < MIN_RANGE:
            _bad("partsize", f"at least {MIN_RANGE} bytes (16KiB) of what is read", str(options.part_size))
        for name, said in (("acl", options.acl), ("if-none-match", options.if_none_match)):
            if said:
                _bad(name, "a destination in S3", "a file")
        request_headers((*options.headers, *options.source_headers))
        return
    sort_headers((*options.headers, *([("x-amz-acl", options.acl)] if options.acl else [])))
    request_headers(options.source_headers)


def config_for(options: Options, run: Config) -> Config:
    """The run's settings, with those that an item has of its own."""
    return replace(
        run,
        checksums=run.checksums if options.checksums is None else options.checksums,
        md5=run.md5 if options.md5 is None else options.md5,
        part_size=run.part_size if options.part_size is None else options.part_size,
    )


def text_of(given: Mapping[str, object], name: str) -> str:
    """The text that ``given`` has for ``name``; "" for none. Raises UsageError, also for an empty one."""
    value = given.get(name, "")
    if not isinstance(value, str) or (not value and name in given):
        _bad(name, "a text", "an empty one (a variable that was not set?)" if value == "" else repr(value))
    return value


def _flag(given: Mapping[str, object], name: str) -> bool | None:
    value = given.get(name)
    if name in given and not isinstance(value, bool):
        _bad(name, "true or false", repr(value))
    return value if isinstance(value, bool) else None


def _headers(given: Mapping[str, object], name: str) -> tuple[Header, ...]:
    values = given.get(name, [])
    values = [values] if isinstance(values, str) else values
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        _bad(name, "NAME:VALUE or a list of them", "something else")  # which may be a key
    headers = tuple(parse_header(value) for value in values)
    if any(header.lower().startswith(SSE_C) for header, _ in headers):
        _bad(name, "no key of SSE-C, which would be kept in the journal", "one: give it for the whole run")
    return headers


def as_text(options: Options) -> str:
    """For the journal; "" for none."""
    if options == NONE:
        return ""
    given: dict[str, object] = {
        "acl": options.acl or None,
        "header": [f"{name}:{value}" for name, value in options.headers] or None,
        "source-header": [f"{name}:{value}" for name, value in options.source_headers] or None,
        "checksum": None if options.checksums is None else ",".join(options.checksums),
        "no-md5": None if options.md5 is None else not options.md5,
        "if-none-match": options.if_none_match,
        "partsize": options.part_size,
    }
    return json.dumps({name: value for name, value in given.items() if value is not None})


@lru_cache(maxsize=1024)  # a manifest's items mostly share a few
def from_text(text: str) -> Options:
    """What ``as_text`` made ``text`` of."""
    return read(json.loads(text)) if text else NONE


def _bad(name: str, expected: str, got: str) -> NoReturn:
    raise UsageError(one_line(f"option {name!r}: expected {expected}, got {got}"))
