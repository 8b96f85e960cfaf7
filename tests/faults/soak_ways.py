"""The ways in which the soak moves bytes: every kind of transfer there is, by command and by the library.

It must not know what goes wrong on the way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MIB = 1 << 20
MIN_PART = 5 * MIB
"""Of what is sent; S3's limit."""

Makes = Literal["object", "stdout", "file", "nothing"]
Moves = Literal["up", "down", "through", "there", "none"]
"""Where parts go: "there" when the server copies."""


@dataclass(frozen=True)
class Way:
    """How a transfer is asked for. In ``words`` capitals stand for objects, files, OPTIONS, and OTHER for the
    second address of the server; those of the library name its function and how bytes come and go."""

    words: tuple[str, ...]
    makes: Makes
    like: str
    """The transfer of the sweep that it is, as far as ``table.RULES`` are concerned."""
    moves: Moves
    weight: int = 2
    stdin: bool = False
    library: bool = False
    fails: bool = False
    """The command whose output it stores does not succeed."""


def _library(words: str, makes: Makes, like: str, moves: Moves) -> Way:
    return Way(tuple(words.split()), makes, like, moves, weight=1, library=True)


WAYS = {
    "put": Way(("put", "TARGET", "OPTIONS"), "object", "put", "up", 4, stdin=True),
    "put -p": Way(("put", "TARGET", "-p", "FILE", "OPTIONS"), "object", "put", "up"),
    "put -- CMD": Way(("put", "TARGET", "OPTIONS", "--", "cat", "FILE"), "object", "put", "up"),
    "put -- CMD that fails": Way(
        ("put", "TARGET", "OPTIONS", "--", "sh", "-c", 'cat "$0"; exit 3', "FILE"),
        "object",
        "put",
        "up",
        1,
        fails=True,
    ),
    "get": Way(("get", "SOURCE", "OPTIONS"), "stdout", "get", "down", 4),
    "get -p": Way(("get", "SOURCE", "-p", "out", "OPTIONS"), "file", "get -p", "down"),
    "cp to a file": Way(("cp", "SOURCE", "out", "OPTIONS"), "file", "get -p", "down"),
    "cp from a file": Way(("cp", "FILE", "TARGET", "OPTIONS"), "object", "put", "up"),
    "cp by the server": Way(("cp", "SOURCE", "TARGET", "OPTIONS"), "object", "cp by the server", "there"),
    "cp streamed": Way(
        ("cp", "SOURCE", "TARGET", "--source-endpoint", "OTHER", "OPTIONS"),
        "object",
        "cp streamed",
        "through",
        4,
    ),
    "rm": Way(("rm", "TARGET"), "nothing", "rm", "none", 1),
    "verify": Way(("verify", "SOURCE", "OPTIONS"), "nothing", "get", "down", 1),
    "library: put a path": _library("put path", "object", "put", "up"),
    "library: put bytes": _library("put bytes", "object", "put", "up"),
    "library: put pieces": _library("put pieces", "object", "put", "up"),
    "library: get a path": _library("get path", "file", "get -p", "down"),
    "library: get": _library("get stream", "stdout", "get", "down"),
    "library: copy": _library("copy", "object", "cp by the server", "there"),
    "library: verify": _library("verify", "nothing", "get", "down"),
    "library: remove": _library("remove", "nothing", "rm", "none"),
    "library: open to write": _library("open wb", "object", "put", "up"),
    "library: open to read": _library("open rb", "stdout", "get", "down"),
}
