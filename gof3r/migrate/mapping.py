"""From a listing to items: what lies under one folder goes to the same name under another. Pure.

Theory: ``--from s3://A/p`` means the folder ``p/``, as it does for other tools that mirror, and never the
keys that merely begin with ``p``: what nobody meant would be moved as well. Keys are taken as they are,
whatever they are. A path is not: a key is anybody's text, and as a path it must name a file under the
destination's folder, this one and no other key's. So what a path cannot spell is refused, for that item and
not for the run.

What is in the way on the disk is ``folder``'s to see.
"""

from __future__ import annotations

from dataclasses import dataclass

from gof3r.engine.errors import UsageError, one_line
from gof3r.engine.s3.request import check_names, parse_bucket_url

from . import options as option
from .items import UNKNOWN, Identity, Item, LocalFile, Place, S3Object, absolute, is_encodable
from .options import NONE, Options

MAX_NAME = 255
"""Bytes of a file's name: NAME_MAX, <linux/limits.h>. File systems with less say so themselves."""

MAX_PATH = 4095
"""Bytes of a path: PATH_MAX without its NUL."""

Folder = LocalFile | S3Object
"""A directory, or a prefix that ends in a slash or is empty (as the key)."""


@dataclass(frozen=True, slots=True)
class Mapping:
    """What is under ``source`` goes under ``destination``, with ``options``."""

    source: Folder
    destination: Folder
    options: Options = NONE

    def name_of(self, key: str) -> str | None:
        """What a key that was listed is called under the source; None where it is not there."""
        assert isinstance(self.source, S3Object)
        prefix = self.source.key
        return key[len(prefix) :] if key.startswith(prefix) else None

    def item(self, name: str, known: Identity = UNKNOWN, version_id: str = "") -> Item:
        """The item of the object or file ``name`` (relative, with slashes) under the source."""
        source, _ = _under(self.source, name)
        if isinstance(source, S3Object) and version_id:
            source = S3Object(source.bucket, source.key, version_id)
        destination, refused = _under(self.destination, name)
        return Item(source, destination, self.options, known, refused)

    @property
    def is_nested(self) -> bool:
        """Whether the destination lies in what is listed, if one service serves both: a listing would meet
        what the migration itself has written."""
        source, destination = self.source, self.destination
        if not isinstance(source, S3Object) or not isinstance(destination, S3Object):
            return False
        return source.bucket == destination.bucket and destination.key.startswith(source.key)


def mapping(source: str, destination: str, folder: str, options: Options = NONE) -> Mapping:
    """Of ``--from`` and ``--to``: ``s3://BUCKET[/PREFIX]`` or a directory, relative ones under ``folder``.
    Raises UsageError."""
    start, end = _folder(source, "--from", folder), _folder(destination, "--to", folder)
    if isinstance(start, LocalFile) and isinstance(end, LocalFile):
        raise UsageError("--from, --to: expected one of them in S3 (s3://BUCKET/PREFIX), got two directories")
    option.check(options, from_s3=isinstance(start, S3Object), to_s3=isinstance(end, S3Object))
    return Mapping(start, end, options)


def _folder(text: str, name: str, folder: str) -> Folder:
    if text.startswith("s3://"):
        bucket, prefix = parse_bucket_url(text)
        check_names(bucket, prefix or "any key")
        return S3Object(bucket, prefix if not prefix or prefix.endswith("/") else f"{prefix}/")
    if not text or "://" in text or "\0" in text or not is_encodable(text):
        raise UsageError(one_line(f"{name}: expected s3://BUCKET/PREFIX or a directory, got {text!r}"))
    return LocalFile(absolute(text, folder))


def _under(folder: Folder, name: str) -> tuple[Place, str]:
    """The place of ``name`` under ``folder``, and why there can be none, or ""."""
    if isinstance(folder, LocalFile):
        # As it is, also where it is refused: the item is known by it.
        return LocalFile(f"{folder.path.rstrip('/')}/{name}"), no_path(folder.path, name)
    key = folder.key + name
    try:
        check_names(folder.bucket, key)
    except UsageError as error:
        return S3Object(folder.bucket, key), str(error)
    return S3Object(folder.bucket, key), ""


def no_path(root: str, name: str) -> str:
    """Why the key ``name`` names no file under the directory ``root``, and only there; "" if it does."""
    pieces = name.split("/")
    if not name:
        why = "it is empty"
    elif "\0" in name:
        why = "it has a NUL"
    elif name.startswith("/"):
        why = "it begins with a slash"
    elif "" in pieces:
        why = "a piece of it is empty" if pieces[-1] else "it ends in a slash"
    elif "." in pieces or ".." in pieces:
        why = "a piece of it is . or .."
    elif not is_encodable(name):
        why = "no file can have such a name"
    elif (longest := max(map(_length, pieces))) > MAX_NAME:
        why = f"a piece of it has {longest} bytes, and a file's name at most {MAX_NAME}"
    elif (length := _length(root.rstrip("/")) + 1 + _length(name)) > MAX_PATH:
        why = f"its path has {length} bytes, and a path at most {MAX_PATH}"
    else:
        return ""
    return one_line(f"the key {name[:100]!r} names no file under {root}: {why}")


def _length(text: str) -> int:
    return len(text.encode(errors="surrogateescape"))
