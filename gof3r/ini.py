"""The user's ini file, ``~/.gof3r.ini``: options for each command that need not be typed.

Theory: the file is the original's, as go-flags reads it: a section for each command, its long options as
keys in either case, ``;`` and ``#`` before comments, a value as it is or in double quotes. What it says lies
beneath the command line, so a ``Command`` is completed from it and nobody else needs to know it. Which object
is meant is never in it (go-flags: ``no-ini``).

Pure. It must not know where the file is, nor what an option means: whether a value can be used is asked of
those who know, so that what is wrong with it is told with its line.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import NoReturn

from gof3r.engine.errors import UsageError, one_line

from .arguments import OLD_NAMES, Command, Option, options_of
from .config import parse_age
from .header import check_header, parse_header
from .resolve import config_of
from .usage import ALIASES, COMMANDS

Values = tuple[str, ...]
"""What the file gives an option: one value, or for headers all of them. A flag's is ``true``."""

_OF_ONE_CALL = frozenset(
    {
        *("help", "bucket", "key", "path", "versionId", "expected-size", "upload-id", "older-than"),
        *("trace", "from", "to", "inventory", "include", "exclude", "receipts", "verify", "dry-run"),
        "delete-source",
        *("source-header", "source-endpoint", "source-region", "source-profile"),
    }
)
_OF_ONE_RUN = frozenset(
    {
        *("size", "partsize", "concurrency", "workers", "duration", "warmup", "checksum", "memory"),
        *("existing", "csv", "plot", "compare"),
    }
)
"""What a run of bench measures: lists of what a transfer's options name one of."""
_COLLECTED = "header"
_WRITTEN = ("put", "get", "cp", "rm")  # the original's commands

# go-flags also takes the names of s3gof3r's Go fields, where they differ from the options'.
_OLD_KEYS = {"nossl": "no-ssl", "nomd5": "no-md5"} | {old.lower(): new for old, new in OLD_NAMES.items()}
# Go's strconv.ParseBool, and nothing at all, which go-flags takes for true; in any case.
_TRUTH = {"": True, "true": True, "t": True, "1": True, "false": False, "f": False, "0": False}

_CHECKS: Mapping[str, Callable[[str], object]] = {
    "header": lambda value: check_header(*parse_header(value)),
    "acl": lambda value: check_header("x-amz-acl", value),
    "expires": parse_age,
}
"""By option; ``config_of`` checks those that are settings, the others whoever uses them."""

_DEFAULT = re.compile(r"\bDefault: (\S+)\.(?= |$)")
_WIDTH = 79  # columns of a terminal

_INTRODUCTION = """\
; Settings of gof3r, by command. The command line and the environment come
; first, then this file. Take the leading semicolon away to set an option; of
; header there may be several.
"""


def read(text: str, where: str) -> dict[str, dict[str, Values]]:
    """The options in ``text``, by command and long name; ``where`` is the file's name for messages.

    Sections of nobody are passed over, as the file may be another release's; what is wrong in any other is
    wrong for all commands. Raises UsageError, with the
    number of the line, for what cannot be understood or used.
    """
    found: dict[str, dict[str, Values]] = {}
    section: str | None = None
    names: dict[str, Option] = {}
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        line = line.strip()
        at = f"{where}:{number}"
        if not line or line[0] in ";#":
            continue
        if line[0] == "[":
            if line[-1] != "]":
                _bad(at, "a section's name has no ']'")
            section = " ".join(line[1:-1].lower().split())
            section = ALIASES.get(section, section)
            names = _names(section) if section in COMMANDS else {}
            continue
        if section is None:
            _bad(at, "no section, such as [put], comes before it")
        if section not in COMMANDS:
            continue
        key, equals, value = (piece.strip() for piece in line.partition("="))
        option = names.get(key.lower())
        if option is None:
            _bad(at, f"{section} has no option {key!r}")
        if option.long in _OF_ONE_CALL or (section == "bench" and option.long in _OF_ONE_RUN):
            _bad(at, f"{key!r} belongs on the command line")
        if not equals:
            _bad(at, f"expected {key} = VALUE")
        value = _unquoted(value, at)
        _set(found.setdefault(section, {}), option, value, at)
        if option.value and value:
            try:
                _check(section, option.long, value)
            except UsageError as error:
                _bad(at, str(error))
    return found


def combine(command: Command, ini: Mapping[str, Mapping[str, Values]]) -> Command:
    """``command``, and beneath it what ``ini`` says for its kind."""
    values = ini.get(command.name, {})
    shown = options_of(COMMANDS[command.name])
    options = {name: each[-1] for name, each in values.items() if shown[name].value and name != _COLLECTED}
    flags = {name for name in values if not shown[name].value and shown[name].opposite not in command.flags}
    given = {_header_name(header) for header in command.headers}
    headers = [header for header in values.get(_COLLECTED, ()) if _header_name(header) not in given]
    return replace(
        command,
        options={**options, **command.options},
        flags=command.flags | flags,
        headers=(*headers, *command.headers),
    )


def write() -> str:
    """A file to fill in: every option that may be in it, as a comment, with its default."""
    return "\n".join([_INTRODUCTION, *(line for name in _WRITTEN for line in _section(name))])


def _section(name: str) -> Iterator[str]:
    yield f"[{name}]"
    for option in options_of(COMMANDS[name]).values():
        if option.long not in _OF_ONE_CALL:
            yield from textwrap.wrap(option.text, _WIDTH, initial_indent="; ", subsequent_indent="; ")
            yield f"; {option.long} = {_default(option)}".rstrip()
            yield ""


def _default(option: Option) -> str:
    if not option.value:
        return "false"
    match = _DEFAULT.search(option.text)
    return match[1] if match else ""


def _names(section: str) -> dict[str, Option]:
    """The options of a command by every key that means them."""
    options = options_of(COMMANDS[section])
    short = {option.short: option for option in options.values() if option.short}
    old = {key: options[name] for key, name in _OLD_KEYS.items() if name in options}
    return {**short, **old, **{name.lower(): option for name, option in options.items()}}


def _set(values: dict[str, Values], option: Option, value: str, at: str) -> None:
    name = option.long
    if option.value:
        if value:  # an empty one is not given
            values[name] = (*(values.get(name, ()) if name == _COLLECTED else ()), value)
        return
    truth = _TRUTH.get(value.lower())
    if truth is None:
        _bad(at, f"{name}: {value!r} is neither true nor false")
    values.pop(name, None)
    if truth:
        values.pop(option.opposite, None)
        values[name] = ("true",)


def _check(section: str, name: str, value: str) -> None:
    check = _CHECKS.get(name) or (lambda value: config_of(Command(section, {name: value})))
    check(value)


def _unquoted(value: str, at: str) -> str:
    if not value.startswith('"'):
        return value
    try:
        return str(json.loads(value))  # Go's quoting, but for escapes that no setting needs
    except ValueError:
        _bad(at, "its value begins with a quote and is not quoted properly")


def _header_name(header: str) -> str:
    return header.partition(":")[0].strip().lower()


def _bad(at: str, why: str) -> NoReturn:
    raise UsageError(one_line(f"{at}: {why}"))
