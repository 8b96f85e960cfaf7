"""The command line, from argv to an exit code.

Standard output carries objects, answers, help and version; everything else goes to standard error. It must
not know what a command does, only what each way of ending means to a shell.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from types import FrameType

from gof3r.engine.errors import Gof3rError, Interrupted, ReaderGone, UsageError, one_line
from gof3r.engine.proc.signals import STOPPING

from .arguments import NAMES, Command, Shown, WriteIni, parse
from .report import say
from .usage import COMMANDS

_KEY = 8  # characters of a secret that are no word like others
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
        _tell_kept(error, words)
        return error.exit_code
    except Gof3rError as error:
        if debug:
            say(_trace())
        say(f"gof3r error: {one_line(_without_keys(str(error)), _LONGEST)}")
        if isinstance(error, UsageError):
            say(f"run 'gof3r{_named(words)} --help' for usage.")
        _tell_kept(error, words)
        return error.exit_code
    except Exception as error:
        if scarce := _scarcity(error):
            say(f"{_trace()}\n{scarce}" if debug else scarce)
            return 1
        said = one_line(_without_keys(str(error)), _LONGEST)
        what = f"gof3r error: internal error: {type(error).__name__}: {said}"
        say(f"{_trace()}\n{what}" if debug else f"{what} (run again with --debug)")
        return 1


def _tell_kept(error: Gof3rError, words: list[str]) -> None:
    """Say which upload was kept for another run, and the command that goes on with it."""
    if error.kept_file:
        from .again import again

        say(f"gof3r: kept {one_line(error.kept_file, _LONGEST)}; go on with: {_without_keys(again(words))}")
    if error.kept:
        from .again import again  # late: hardly ever

        upload_id = one_line(error.kept, _LONGEST)
        say(f"gof3r: upload {upload_id} is kept; go on with: {_without_keys(again(words, error.kept))}")


def _named(words: list[str]) -> str:
    """The command among ``words``, with a space before it, as far as they name one."""
    at = next((index for index, word in enumerate(words) if word in NAMES), None)
    if at is None:
        return ""
    both = " ".join(words[at : at + 2])
    return f" {both if both in COMMANDS else words[at]}"


def _scarcity(error: Exception) -> str:
    """The error line for what the system has too little of; empty when ``error`` is of another kind."""
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return f"gof3r error: {os.strerror(error.errno)}: raise ulimit -n"
    # The loader knows no errno: "libcurl.so.4: failed to map segment from shared object".
    unloaded = isinstance(error, ImportError) and "failed to map segment" in str(error)
    out_of_memory = isinstance(error, OSError) and error.errno == errno.ENOMEM
    # Here and there the interpreter forgets to say what it failed for: "error return without exception set".
    unsaid = isinstance(error, SystemError) and "exception" in str(error)
    if unloaded or out_of_memory or unsaid or isinstance(error, MemoryError):
        return "gof3r error: the system gives no more memory: raise ulimit -v, or use a smaller -c or -s"
    return ""


def _trace() -> str:
    import traceback  # late, as much here: starting is half of a small transfer

    text = _without_keys(traceback.format_exc().rstrip())
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)  # servers' words are in it


def _without_keys(text: str) -> str:
    """``text`` without the environment's keys, also those that were cut short: usage errors repeat what was
    given, and that may have been given in the wrong place (``--region "$AWS_SECRET_ACCESS_KEY"``)."""
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"):
        key = os.environ.get(name, "")
        start = text.find(key[:_KEY]) if len(key) >= _KEY else -1
        while start >= 0:
            length = len(os.path.commonprefix([key, text[start:]]))
            text = f"{text[:start]}[{name}]{text[start + length :]}"
            start = text.find(key[:_KEY], start + len(name) + 2)
    return text


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
    from . import commands  # late: help needs none of it; before signals are minded (see signals.held)

    minded = [number for number in STOPPING if signal.getsignal(number) is not signal.SIG_IGN]
    handlers = {number: signal.signal(number, _interrupt) for number in minded}
    try:
        commands.run(_with_ini(command), os.environ)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _ini_path() -> str:
    """Where the user's ini file is, or would be; "" for a user without a home."""
    from . import dotfile

    home = dotfile.home(os.environ)
    return os.path.join(home, ".gof3r.ini") if home else ""


def _with_ini(command: Command) -> Command:
    """``command`` with what the user's ini file says beneath it. Raises UsageError."""
    from . import dotfile

    path = _ini_path()
    text = dotfile.read(path) if path else None
    if text is None:
        return command
    from . import ini, resolve  # late: hardly anybody has the file

    return ini.combine(command, resolve.beneath(ini.read(text, path), os.environ))


def _write_ini() -> None:
    """Write the ini file with every option in it as a comment; one that is there stays as it is."""
    from . import ini

    path = _ini_path()
    if not path:
        raise Gof3rError("there is no home directory to write .gof3r.ini to: set HOME")
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
