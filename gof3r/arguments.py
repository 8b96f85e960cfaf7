"""The command line's words made into a ``Command``: what was asked, as text. Pure.

Theory: the texts in ``usage`` are the specification; docopt parses by them. Before it, ``normalise`` gives
all arguments one spelling, since docopt and the original's go-flags differ in details (``-k=x``, repeated
options) on which scripts rely. Every other place an option may come from is looked at later, by others.

It must not know what an option means, nor what a command does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from docopt import DocoptExit, docopt

from gof3r.engine.errors import UsageError, one_line

from . import __version__
from .usage import ALIASES, COMMANDS, GROUPS, TOP

NAMES = tuple(dict.fromkeys([*(name.split()[0] for name in COMMANDS), *ALIASES]))
"""Every word that a command can begin with."""

OLD_NAMES = {"md5Check-off": "no-md5"}  # s3gof3r's README; its later releases have --no-md5

_COLLECTED = frozenset({"header", "source-header", "include", "exclude"})
_EMPTY_ALLOWED = frozenset({"path"})  # the stream, as in s3gof3r
_ENDS_OPTIONS = "[--]"  # in a text: what `--` does there, and nothing more
_SHOWN = re.compile(
    # -k --key=NAME, two spaces at least, and the description with its further lines, which are indented more
    r"^ {2}(?:-([a-z]) )?--([\w-]+)(?:=([A-Z]+))? {2,}(\S.*(?:\n {12,}\S.*)*)$",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Command:
    """What was asked, as text: only what was given is in it."""

    name: str
    """``put``, ``uploads ls``: a key of ``usage.COMMANDS``."""
    options: Mapping[str, str]
    """Values by the long name of their option, without its dashes."""
    flags: frozenset[str] = frozenset()
    """Long names of the options given that take no value."""
    headers: tuple[str, ...] = field(default=(), repr=False)
    """Each ``NAME:VALUE``, in the order given; one may be a key."""
    source_headers: tuple[str, ...] = field(default=(), repr=False)
    """The same, of --source-header."""
    rules: tuple[tuple[str, str], ...] = ()
    """``include`` or ``exclude``, and its pattern, in the order given."""
    arguments: tuple[str, ...] = ()
    """URLs and paths, in the order given."""
    run: tuple[str, ...] = ()
    """The command and its arguments whose output is put."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Text for standard output, and nothing else to do."""

    text: str


@dataclass(frozen=True, slots=True)
class WriteIni:
    """The user asks for an ini file to fill in."""


@dataclass(frozen=True, slots=True)
class Option:
    """An option as a text shows it."""

    short: str
    """One letter, or empty."""
    long: str
    """Its name without dashes."""
    value: str
    """What stands for its value; empty where it takes none."""
    text: str
    """Its description, on one line."""

    @property
    def opposite(self) -> str:
        """The name that takes it back, if there is such an option."""
        return self.long.removeprefix("no-") if self.long.startswith("no-") else f"no-{self.long}"


def options_of(text: str) -> dict[str, Option]:
    """The options that ``text`` shows, by their long names."""
    return {
        long: Option(short, long, value, " ".join(description.split()))
        for short, long, value, description in _SHOWN.findall(text)
    }


def normalise(text: str, argv: Sequence[str], *, options_first: bool = False) -> tuple[list[str], list[str]]:
    """Options and arguments in ``argv``, by what ``text`` shows.

    An option becomes ``--name=VALUE`` or ``--flag``, each once: of a repeated one the last, of headers all.
    The arguments hold a ``--`` only where that is more than the options' end. With ``options_first``
    everything from the first argument on is left as it is. Raises UsageError for an option that ``text`` does
    not show, or that has a value too few or too many.
    """
    shown = options_of(text)
    longs = {option.short: option.long for option in shown.values()}
    options: dict[str, str] = {}
    collected: list[str] = []
    arguments: list[str] = []
    queue = list(argv)
    while queue:
        word = queue.pop(0)
        if options_first and (word in ("-", "--") or not word.startswith("-")):
            arguments = [word, *queue]
            break
        if word == "--":
            arguments += queue if _ENDS_OPTIONS in text else [word, *queue]
            break
        if word == "-" or not word.startswith("-"):
            arguments.append(word)
            continue
        if word.startswith("--"):
            given, equals, value = word.partition("=")
            name = OLD_NAMES.get(given[2:], given[2:])
        else:  # -kVALUE, -k=VALUE, -k VALUE
            given, equals, value = word[:2], word[2:], word[2:].removeprefix("=")
            name = longs.get(given[1:], "")
        option = shown.get(name)
        if option is None:
            raise UsageError(f"unknown option {given}")
        if not option.value:
            if equals:
                raise UsageError(f"option {given} takes no value")
            options.pop(option.opposite, None)
            options[name] = f"--{name}"
            continue
        if not equals:
            # As in go-flags, `--` is never a value here: a forgotten value must not swallow it.
            if not queue or queue[0] == "--":
                before = f" before '--' (to mean that itself: {given}=--)" if queue else ""
                raise UsageError(f"option {given} needs a value{before}")
            value = queue.pop(0)
        if not value and name not in _EMPTY_ALLOWED:
            raise UsageError(f"option {given} has an empty value (a variable that is not set?)")
        if name in _COLLECTED:
            collected.append(f"--{name}={value}")
        else:
            options[name] = f"--{name}={value}"
    return [*options.values(), *collected], arguments


def parse(argv: Sequence[str]) -> Command | Shown | WriteIni:
    """What ``argv`` (without the program's name) asks for. Raises UsageError."""
    options, words = normalise(TOP, argv, options_first=True)
    if "--help" in options:
        return Shown(TOP)
    if "--version" in options:
        return Shown(f"gof3r {__version__}\n")
    if "--writeini" in options:
        return WriteIni()
    if "--manpage" in options:
        from .manual import man_page  # late: transfers need no manual

        return Shown(man_page())
    name, words = _command(words, NAMES, "command")
    name = ALIASES.get(name, name)
    if name in GROUPS:
        options, words = normalise(GROUPS[name], [*options, *words], options_first=True)
        if "--help" in options:
            return Shown(GROUPS[name])
        within = [each.split()[1] for each in COMMANDS if each.startswith(f"{name} ")]
        second, words = _command(words, within, f"command of {name}")
        name = f"{name} {second}"
    text = COMMANDS[name]
    options, words = normalise(text, [*options, *words])
    if "--help" in options:
        return Shown(text)
    asked = _checked(name, options, words)
    if name == "completion":
        from .completion import completion

        return Shown(completion(words[0]))
    return asked


def _command(words: list[str], names: Sequence[str], what: str) -> tuple[str, list[str]]:
    """The command's name and what follows it."""
    if not words:
        raise UsageError(f"no {what} is given: {', '.join(names)}")
    if words[0] not in names:
        raise UsageError(one_line(f"unknown {what} {words[0]!r}: {', '.join(names)}"))
    return words[0], words[1:]


def _checked(name: str, options: list[str], words: list[str]) -> Command:
    """The command, with as many arguments as its text shows. Raises UsageError."""
    text = COMMANDS[name]
    run: list[str] = []
    if _ENDS_OPTIONS not in text and "--" in words:
        # Taken off for docopt, which never goes back: it would take the `--` for the URL that is not there.
        at = words.index("--")
        words, run = words[:at], words[at + 1 :]
        if not run:
            raise UsageError("no command follows '--'")
    end = ["--"] if _ENDS_OPTIONS in text else []
    try:
        docopt(text, [*name.split(), *options, *end, *words], default_help=False)
    except DocoptExit:
        raise UsageError(f"these arguments do not fit; expected {_usage(text)}") from None
    # Not as docopt returns them: where a usage has two lines, it has every repeatable option twice.
    pairs = [option[2:].partition("=") for option in options]
    if run and (len(words) > 1 or any(option == "path" for option, _, _ in pairs)):
        raise UsageError("a file and a command after '--': only one of them can be uploaded")
    return Command(
        name=name,
        options={option: value for option, given, value in pairs if given and option not in _COLLECTED},
        flags=frozenset(option for option, given, _ in pairs if not given),
        headers=tuple(value for option, _, value in pairs if option == "header"),
        source_headers=tuple(value for option, _, value in pairs if option == "source-header"),
        rules=tuple((option, value) for option, _, value in pairs if option in ("include", "exclude")),
        arguments=tuple(words),
        run=tuple(run),
    )


def _usage(text: str) -> str:
    """``gof3r cp <source> <destination>``: the usage that ``text`` shows, without its options."""
    section = text.partition("\nUsage:\n")[2].partition("\n\n")[0]
    words = [word for word in section.split() if word != "[options]" and not word.startswith("[--")]
    return " ".join(words).replace(" gof3r", ", or gof3r")
