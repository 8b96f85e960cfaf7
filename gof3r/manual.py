"""The manual page, in roff, made of the texts of ``usage``.

Theory: a text is blocks between empty lines. A block with a heading holds entries (a term, and its
description from some column on) or, as usage and examples do, lines to be shown as they are; a block without
one is prose. What is the same for every command is told once. Beside the texts, the page tells what no
option does: environment, files, exit codes.

It must not know what the options mean: a new one needs no line here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from . import __version__
from .usage import COMMANDS, GROUPS, TOP

_HEADING = re.compile(r"([A-Z][a-z]+):\n")
_ENTRY = re.compile(r"^ {2}(\S(?:.*?\S)??) {2,}(\S.*(?:\n {12,}\S.*)*)$", re.MULTILINE)
_AS_IT_IS = frozenset({"Usage", "Examples"})
_OF_EVERY_COMMAND = "Connection"

_ORDER = "The command line comes first, then the environment, ~/.gof3r.ini, AWS's files, and the defaults."
_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN": (
        "The keys. Without them AWS's other places are asked: profiles, containers, instance metadata."
    ),
    "AWS_PROFILE": "The profile in AWS's files.",
    "AWS_REGION, AWS_DEFAULT_REGION": "The region.",
    "AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL": "The URL of the S3 service.",
    "AWS_CA_BUNDLE": "A file of certificates to trust.",
    "AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE": "AWS's files, where they are elsewhere.",
    "HTTPS_PROXY, http_proxy, NO_PROXY": "The proxy, as for curl(1).",
}
_FILES = {
    "~/.gof3r.ini": (
        "Options by their long names, in a section for each command: [put], [get], and so on. "
        "'gof3r --writeini' writes one to fill in."
    ),
    "~/.aws/config, ~/.aws/credentials": "AWS's files: profiles, keys, region, endpoint.",
}
_EXIT_STATUS = {
    "0": "Done, and verified: the destination holds exactly the bytes of the source.",
    "1": "Failed: standard error says what, and what to do.",
    "2": "Wrong usage.",
    "129, 130, 143": "Stopped by SIGHUP, SIGINT, SIGTERM; an upload under way is aborted.",
    "141": "The reader of standard output has gone.",
}


def man_page() -> str:
    """The page ``gof3r(1)``, for man(1)."""
    title, _, rest = TOP.partition("\n\n")
    lines = [
        f'.TH GOF3R 1 "" "gof3r {_escaped(__version__)}" "User Commands"',
        # What is typed must be copied as it is: no hyphenation, no spread words.
        ".nh",
        ".ad l",
        ".SH NAME",
        f"gof3r \\- {_escaped(title[0].lower() + title[1:].rstrip('.'))}",
    ]
    for heading, body in _blocks(rest):
        if heading:
            lines.append(f".SH {'SYNOPSIS' if heading == 'Usage' else heading.upper()}")
            lines += _literal(body) if heading in _AS_IT_IS else _entries(body)
        else:
            lines += [".PP", _prose(body)]
    for name, text in COMMANDS.items():
        lines += [f'.SH "GOF3R {name.upper()}"', *_command(text)]
        group = name.partition(" ")[0]
        if group in GROUPS:
            lines += [".PP", _prose(GROUPS[group].split("\n\n")[1])]
    lines += [".SH ENVIRONMENT", _escaped(_ORDER), *_terms(_ENVIRONMENT.items())]
    lines += [".SH FILES", *_terms(_FILES.items())]
    lines += [".SH EXIT STATUS", *_terms(_EXIT_STATUS.items())]
    return "\n".join(lines) + "\n"


def _command(text: str) -> Iterator[str]:
    for number, (heading, body) in enumerate(_blocks(text)):
        if not heading:
            yield from ([".PP"] if number else [])  # a section is a paragraph already
            yield _prose(body)
        elif heading in _AS_IT_IS:
            yield from (".PP", f"{heading}:", *_literal(body))
        elif heading != _OF_EVERY_COMMAND:
            yield from _entries(body)


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    """Heading (or nothing) and body of each block."""
    for block in text.strip("\n").split("\n\n"):
        heading = _HEADING.match(block)
        yield (heading[1], block[heading.end() :]) if heading else ("", block)


def _entries(body: str) -> Iterator[str]:
    return _terms(_ENTRY.findall(body))


def _terms(entries: Iterable[tuple[str, str]]) -> Iterator[str]:
    for term, description in entries:
        yield from (".TP", f".B {_escaped(term)}", _prose(description))


def _literal(body: str) -> Iterator[str]:
    yield from (".nf", *(_escaped(line) for line in body.splitlines()), ".fi")


def _prose(body: str) -> str:
    return _escaped(" ".join(body.split()))


def _escaped(text: str) -> str:
    """``text`` with nothing in it that roff acts on: groff_char(7), "Fundamental character set"."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    text = text.replace("^", "\\(ha").replace("~", "\\(ti").replace('"', "\\(dq")
    return f"\\&{text}" if text.startswith((".", " ")) else text
