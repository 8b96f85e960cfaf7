"""The command line, from argv to an exit code.

Standard output carries objects, answers, help and version; everything else goes to standard error. It must
not know what a command does, only what each way of ending means to a shell.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

from gof3r.engine.errors import Gof3rError, Interrupted, ReaderGone, UsageError, one_line
from gof3r.engine.proc.signals import STOPPING

from .arguments import NAMES, Command, Shown, WriteIni, parse
from .report import say
from .usage import COMMANDS

_LONGEST = 1000  # characters of an error line: room for a long key and what the server said


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 only for what was done and verified. Never raises."""
    _hold_standard_streams()
    words = sys.argv[1:] if argv is None else argv
    debug = "--debug" in words
    try:
        match parse(words):
            case Shown(text):
                _show(text)
            case WriteIni():
                _write_ini()
            case command:
                _run(command)
        return 0
    except (Interrupted, ReaderGone) as error:
        return error.exit_code
    except Gof3rError as error:
        if debug:
            say(_trace())
        say(f"gof3r error: {one_line(str(error), _LONGEST)}")
        if isinstance(error, UsageError):
            say(f"run 'gof3r{_named(words)} --help' for usage.")
        return error.exit_code
    except Exception as error:
        what = f"gof3r error: internal error: {type(error).__name__}: {one_line(str(error), _LONGEST)}"
        say(f"{_trace()}\n{what}" if debug else f"{what} (run again with --debug)")
        return 1


def _named(words: list[str]) -> str:
    """The command among ``words``, with a space before it, as far as they name one."""
    at = next((index for index, word in enumerate(words) if word in NAMES), None)
    if at is None:
        return ""
    both = " ".join(words[at : at + 2])
    return f" {both if both in COMMANDS else words[at]}"


def _trace() -> str:
    import traceback  # late, as much here: starting is half of a small transfer

    return traceback.format_exc().rstrip()


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


def _run(command: Command) -> None:
    minded = [number for number in STOPPING if signal.getsignal(number) is not signal.SIG_IGN]
    handlers = {number: signal.signal(number, _interrupt) for number in minded}
    try:
        from . import commands  # late: help needs none of it

        commands.run(_with_ini(command), os.environ)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _ini_path() -> str:
    return os.path.join(os.environ.get("HOME") or "/", ".gof3r.ini")


def _with_ini(command: Command) -> Command:
    """``command`` with what the user's ini file says beneath it. Raises UsageError."""
    path = _ini_path()
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except FileNotFoundError:
        return command
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from None
    from . import ini, resolve  # late: hardly anybody has the file

    return ini.combine(command, resolve.beneath(ini.read(text, path), os.environ))


def _write_ini() -> None:
    """Write the ini file with every option in it as a comment; one that is there stays as it is."""
    from . import ini

    path = _ini_path()
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(ini.write())
    except FileExistsError:
        raise Gof3rError(f"{path} exists and is left as it is; move it away to have a new one") from None
    except OSError as error:
        raise Gof3rError(f"cannot write {path}: {error.strerror}") from None
    say(f"written: {path}")


def _show(text: str) -> None:
    from .commands import write_lines

    write_lines([text.removesuffix("\n")])
