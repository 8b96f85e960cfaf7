"""What is to be carried over: the values that everything about a migration is told in.

Theory: a place is named by one text, an ``s3://`` URL or an absolute path, and the text of a destination is
what its item is known by in every run. So a text has one spelling: keys are taken as they are, byte for byte,
and paths lose only what never means anything (``//``, ``/./``). ``..`` stays: behind a link it means another
place.

Names that are not UTF-8 have surrogate escapes, as everywhere in Python.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from posixpath import join

from gof3r.engine.errors import UsageError, one_line
from gof3r.engine.s3.request import check_names, parse_object_url

from ..resolve import STREAMS
from .options import NONE, Options

_URL = "s3://"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file of this machine."""

    path: str
    """Absolute."""

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True, slots=True)
class S3Object:
    """An object."""

    bucket: str
    key: str
    version_id: str = ""
    """Of a source: only this version; no part of its text."""

    def __str__(self) -> str:
        return f"{_URL}{self.bucket}/{self.key}"


Place = LocalFile | S3Object


@dataclass(frozen=True, slots=True)
class Identity:
    """What is known of a source's bytes without reading them."""

    size: int | None = None
    """Bytes."""
    etag: str = ""
    """Of an object."""
    version_id: str = ""
    mtime_ns: int | None = None
    """Of a file, nanoseconds since the epoch."""

    def is_still(self, now: Identity) -> bool:
        """Whether a source that was this then, and is ``now``, is the same: nothing that is known of both is
        different, and more is known to be equal than the size. What cannot be told has changed."""
        pairs = (
            (self.etag or None, now.etag or None),
            (self.version_id or None, now.version_id or None),
            (self.mtime_ns, now.mtime_ns),
        )
        known = [then == since for then, since in pairs if then is not None and since is not None]
        return self.size == now.size and bool(known) and all(known)


UNKNOWN = Identity()


@dataclass(frozen=True, slots=True)
class Item:
    """One object or file to be carried over."""

    source: Place
    destination: Place
    options: Options = NONE
    known: Identity = UNKNOWN
    """Of the source, as far as a listing says."""
    refused: str = ""
    """Why it cannot be done, in words; then its destination only names it. Empty for what can."""


def parse_place(text: str, folder: str) -> Place:
    """The place that a user names by ``text``; relative paths lie under ``folder``. Raises UsageError."""
    if text.startswith(_URL):
        bucket, key = parse_object_url(text)
        check_names(bucket, key)
        return S3Object(bucket, key)
    return LocalFile(parse_path(text, folder))


def parse_path(text: str, folder: str) -> str:
    """The absolute path of the file that ``text`` names. Raises UsageError."""
    if not text:
        why = "it is empty"
    elif text in STREAMS:
        why = "a stream cannot be read twice"
    elif _SCHEME.match(text):
        why = "its scheme is unknown (write ./ before a file's name that looks like a URL)"
    elif "\0" in text:
        why = "it has a NUL"
    elif text.endswith("/"):
        why = "it names a directory"
    elif not is_encodable(text):
        why = "no file can have such a name"
    else:
        return absolute(text, folder)
    raise UsageError(one_line(f"expected s3://BUCKET/KEY or a file's path, got {text!r}: {why}"))


def absolute(path: str, folder: str) -> str:
    """``path`` under ``folder``, without the pieces that mean nothing."""
    pieces = join(folder, path).split("/")
    return "/" + "/".join(piece for piece in pieces if piece not in ("", "."))


def place_of(text: str, version_id: str = "") -> Place:
    """The place whose text ``str`` gave."""
    if not text.startswith(_URL):
        return LocalFile(text)
    bucket, _, key = text.removeprefix(_URL).partition("/")
    return S3Object(bucket, key, version_id)


def is_encodable(text: str) -> bool:
    """Whether ``text`` stands for bytes: JSON can spell surrogates that are nothing's escape."""
    try:
        text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return False
    return True
