"""The command line: argv to a ``Command``, to a call, to an exit code.

Theory: the help texts below are the specification; docopt parses by them, and nothing is accepted that they
do not show. Before docopt, ``normalise`` gives every argument one spelling, since docopt and the original's
go-flags differ in details (``-k=x``, repeated options) on which scripts rely. The texts name no defaults to
docopt, so that given and not given stay apart for ``config``, which knows the other places a setting may come
from.

Standard output carries objects, help and version; everything else goes to standard error. It must not know
how a transfer works, only where its story begins.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType

from docopt import DocoptExit, docopt

from gof3r.engine.errors import Gof3rError, Interrupted, ReaderGone, UsageError, one_line

from . import __version__, config
from .report import Report, say

_COMMON = """\
  --endpoint=HOST       Host or URL of the S3 service.
  --region=NAME         Its region.
  --profile=NAME        Profile in AWS's files to take keys and region from.
  --no-sign-request     Send no credentials (public objects).
  --path-style          Put the bucket into the path, not into the host name.
  --no-ssl              Use http, unless the endpoint says https.
  --ca-bundle=FILE      Certificates (PEM) to trust instead of the usual ones.
  --retries=N           Attempts at each request (10).
  --debug               Explain; show tracebacks."""

_OBJECT = """\
  -h --help             Show this help.
  -b --bucket=NAME      Bucket.
  -k --key=NAME         Key of the object."""

_TRANSFER = """\
  -c --concurrency=N    Parts in flight at once (10).
  -s --partsize=SIZE    Size of parts: bytes, or 20MB, 64MiB (20971520).
  --no-md5              No md5 of the whole stream, no md5 object beside the
                        object. Also: --md5Check-off.
  --checksum=LIST       What to compute, send and prove (md5,crc64nvme).
  --workers=N           Processes that move parts, 1 to 64 (one for
                        ten connections, at most half of the cores)."""

TOP = f"""\
Stream objects of any size into and out of S3, verified.

Usage:
  gof3r [options] [<command> [<argument>...]]

Commands:
  put                   Upload standard input, or a file, to an object.
  get                   Download an object to standard output, or a file.

  'gof3r put --help' shows what put takes.

Options:
  -h --help             Show this help.
  -v --version          Show the version.

Options of every command, before or after its name:
{_COMMON}
"""

PUT = f"""\
Upload standard input, or a file, to an object of S3.

Usage:
  gof3r put [options] [--header=HEADER]... [--] [<url> [<path>]]

Arguments:
  <url>                 s3://BUCKET/KEY, instead of -b and -k.
  <path>                The file, instead of -p.

Options:
{_OBJECT}
  -p --path=PATH        File to upload; standard input with '-' or without.
  -m --header=HEADER    NAME:VALUE to store with the object, or to ask of S3
                        (x-amz-storage-class:STANDARD_IA). Repeatable.
{_TRANSFER}
{_COMMON}

Example:
  tar -c dir | gof3r put -b my-bucket -k backup/dir.tar -m x-amz-meta-by:me
"""

GET = f"""\
Download an object of S3 to standard output, or to a file.

Usage:
  gof3r get [options] [--] [<url> [<path>]]

Arguments:
  <url>                 s3://BUCKET/KEY, instead of -b and -k.
  <path>                The file, instead of -p.

Options:
{_OBJECT}
  -p --path=PATH        File to write; standard output with '-' or without.
  -v --versionId=ID     This version of the object.
{_TRANSFER}
{_COMMON}

Example:
  gof3r get -b my-bucket -k backup/dir.tar | tar -x
"""

_COMMANDS = {"put": PUT, "get": GET}

_LONGEST = 1000  # characters of an error line: room for a long key and what the server said
_ALIASES = {"--md5Check-off": "--no-md5"}  # s3gof3r's README; its later releases have --no-md5
_COLLECTED = frozenset({"--header"})
_EMPTY_ALLOWED = frozenset({"--path"})  # the stream, as in s3gof3r
_OPTION = re.compile(r"^ +(?:(-[a-z]) )?(--[\w-]+)(=[A-Z]+)?(?: |$)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Shown:
    """The answer to --help or --version: text for standard output, and nothing else to do."""

    text: str


def normalise(text: str, argv: Sequence[str], options_first: bool = False) -> list[str]:
    """``argv`` in one spelling, by the options that ``text`` shows: ``--name=VALUE`` and ``--flag``, each
    once (of a repeated one the last, of headers all), then ``--``, then the arguments.

    With ``options_first`` everything from the first argument on is left as it is, without a ``--``.
    Raises UsageError for an option that ``text`` does not show, or that has a value too few or too many.
    """
    shown = {long: bool(value) for _, long, value in _OPTION.findall(text)}  # name: whether it takes a value
    longs = {short: long for short, long, _ in _OPTION.findall(text) if short}
    options: dict[str, str] = {}
    collected: list[str] = []
    arguments: list[str] = []
    queue = list(argv)
    while queue:
        if options_first and (queue[0] in ("-", "--") or not queue[0].startswith("-")):
            return [*options.values(), *collected, *queue]
        word = queue.pop(0)
        if word == "--":
            arguments += queue
            break
        if word == "-" or not word.startswith("-"):
            arguments.append(word)
            continue
        if word.startswith("--"):
            given, equals, value = word.partition("=")
        else:  # -kVALUE, -k=VALUE, -k VALUE
            given, equals, value = word[:2], word[2:], word[2:].removeprefix("=")
        name = _ALIASES.get(given) or longs.get(given, given)
        if name not in shown:
            raise UsageError(f"unknown option {given}")
        if not shown[name]:
            if equals:
                raise UsageError(f"option {given} takes no value")
            options[name] = name
            continue
        if not equals:
            # As in go-flags, `--` is never a value here: a forgotten value must not swallow it.
            if not queue or queue[0] == "--":
                raise UsageError(f"option {given} needs a value")
            value = queue.pop(0)
        if not value and name not in _EMPTY_ALLOWED:
            raise UsageError(f"option {given} has an empty value")
        if name in _COLLECTED:
            collected.append(f"{name}={value}")
        else:
            options[name] = f"{name}={value}"
    return [*options.values(), *collected] + ([] if options_first else ["--", *arguments])


def parse(argv: Sequence[str]) -> config.Command | Shown:
    """What ``argv`` (without the program's name) asks for. Pure. Raises UsageError."""
    before = normalise(TOP, argv, options_first=True)
    asked = docopt(TOP, before, default_help=False, options_first=True)
    name, arguments = asked["<command>"], asked["<argument>"]
    if asked["--help"]:
        return Shown(TOP)
    if asked["--version"]:
        return Shown(f"gof3r {__version__}\n")
    if name is None:
        raise UsageError("no command is given: put or get")
    if name not in _COMMANDS:
        raise UsageError(f"unknown command {name!r}: put or get")
    text = _COMMANDS[name]
    common = before[: len(before) - len(arguments) - 1]
    words = normalise(text, [*common, *arguments])
    try:
        asked = docopt(text, [name, *words], default_help=False)
    except DocoptExit:
        raise UsageError("too many arguments: at most s3://BUCKET/KEY and PATH are expected") from None
    if asked["--help"]:
        return Shown(text)
    options = {key[2:]: value for key, value in asked.items() if key.startswith("--")}
    return config.Command(
        name=name,
        options={key: value for key, value in options.items() if isinstance(value, str)},
        flags=frozenset(key for key, value in options.items() if key and value is True),
        headers=tuple(asked.get("--header") or ()),
        url=asked["<url>"],
        path=asked["<path>"],
    )


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 only for what was done and verified. Never raises."""
    _hold_standard_streams()
    words = sys.argv[1:] if argv is None else argv
    debug = False
    try:
        asked = parse(words)
        if isinstance(asked, Shown):
            _show(asked.text)
        else:
            debug = "debug" in asked.flags
            _run(asked)
        return 0
    except (Interrupted, ReaderGone) as error:
        return error.exit_code
    except KeyboardInterrupt:  # before or after the time in which a transfer minds signals itself
        return 128 + signal.SIGINT
    except Gof3rError as error:
        if debug:
            say(traceback.format_exc().rstrip())
        say(f"gof3r error: {one_line(str(error), _LONGEST)}")
        if isinstance(error, UsageError):
            name = next((f" {word}" for word in words if word in _COMMANDS), "")
            say(f"run 'gof3r{name} --help' for usage.")
        return error.exit_code
    except Exception as error:
        what = f"gof3r error: internal error: {type(error).__name__}: {one_line(str(error), _LONGEST)}"
        say(traceback.format_exc() + what if debug else f"{what} (run again with --debug)")
        return 1


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Outside of the ring, which minds signals itself: end as an exception does, with all cleaning up."""
    raise Interrupted(number)


def _hold_standard_streams() -> None:
    """Put something in the place of standard streams that were closed before we started.

    Else the next file opened, or the memory of the slots, would get the number 0 or 1 and be taken for the
    stream. What is put there cannot be used: the missing input only written, the missing outputs only read.
    """
    for fd, mode in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_RDONLY)):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, mode)  # gets the lowest number that is free: this one


def _run(command: config.Command) -> None:
    for number in (signal.SIGTERM, signal.SIGHUP):  # SIGINT is an exception already
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    transfer = config.resolve(command, os.environ)
    from .transfers import get, put  # late: usage errors and help need no curl

    story = put if transfer.command == "put" else get
    story(transfer, Report(transfer.debug))


def _show(text: str) -> None:
    try:
        print(text, end="", flush=True)
    except OSError as error:
        sys.stdout = None  # or the interpreter fails on its buffer again at exit
        if isinstance(error, BrokenPipeError):
            raise ReaderGone("standard output's reader has gone") from None
        raise Gof3rError(f"cannot write to standard output: {error.strerror}") from None
