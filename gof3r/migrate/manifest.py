"""The manifest: a file that says what goes where, one item a line, as JSON lines or CSV, plain or gzip.

JSON lines::

    {"source": "s3://old/a.tar", "destination": "s3://new/a.tar", "options": {"acl": "private"}}

CSV is RFC 4180's, with ``source,destination`` or ``source,destination,options`` as its first line or without
one; ``options.parse_text`` says how the third column is written. Both are UTF-8; blank lines do not count.

Theory: a manifest may have a hundred million lines, so it is read line by line and nothing of it is kept.
What is wrong with a line is told with its number, and ends the reading: whoever wrote it meant something else
than what would be done. A line has a limit, since without its line ends a manifest is one.
"""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Iterator
from hashlib import sha256
from typing import BinaryIO, cast

from gof3r.engine.errors import UsageError, one_line

from . import options as option
from .items import Item, LocalFile, S3Object, parse_place

MAX_LINE = 131_072
"""Bytes; csv's limit of a field as well. Two keys and two KiB of metadata, with every character escaped, are
a fifth of it."""

COLUMNS = ("source", "destination", "options")

_GZIP = b"\x1f\x8b"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_NUMBERED = Iterator[tuple[int, str]]


def read(path: str, folder: str) -> Iterator[Item]:
    """The items of the manifest ``path``; relative paths in it lie under ``folder``. What it is written in is
    seen from its first character. Raises UsageError, also on the way."""
    with opened(path) as file:
        first = _peek(file, path)
        reader = json_lines if first.lstrip()[:1] == b"{" else csv_lines
        yield from reader(file, path, folder)


def opened(path: str) -> BinaryIO:
    """``path`` for reading, unpacked if it is gzip. Raises UsageError."""
    try:
        file = open(path, "rb")
        if file.peek(2)[:2] == _GZIP:
            file.close()
            return cast(BinaryIO, gzip.open(path, "rb"))
        return file
    except OSError as error:
        raise UsageError(one_line(f"{path}: cannot be read: {error.strerror}")) from None


def fingerprint(path: str) -> str:
    """By which the journal knows this manifest again. Raises UsageError."""
    digest = sha256()
    try:
        with open(path, "rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    except OSError as error:
        raise UsageError(one_line(f"{path}: cannot be read: {error.strerror}")) from None
    return f"sha256:{digest.hexdigest()}"


def json_lines(file: BinaryIO, name: str, folder: str) -> Iterator[Item]:
    """The items of a file of JSON lines. Raises UsageError, which begins with the file's ``name``."""
    for number, line in numbered(file, name):
        if not line.isspace():
            try:
                found = json.loads(line, object_pairs_hook=_once)
                if not isinstance(found, dict):
                    raise ValueError(f"expected a JSON object, got {line.strip()[:60]!r}")
                yield _of_object(found, folder)
            except json.JSONDecodeError as error:
                raise _wrong(name, number, f"expected a JSON object, got {error}") from None
            except RecursionError:  # of a hundred thousand brackets
                raise _wrong(name, number, "expected a JSON object, got one nested too deeply") from None
            except (ValueError, UsageError) as error:
                raise _wrong(name, number, str(error)) from None


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """JSON takes the last of two of the same name, and somebody meant the first."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("expected each name once, got one twice")
    return found


def _of_object(found: dict[str, object], folder: str) -> Item:
    for name in found:
        if name not in COLUMNS:
            raise UsageError(f"expected {', '.join(COLUMNS)}, got {name!r}")
    texts = []
    for name in COLUMNS[:2]:
        value = found.get(name)
        if not isinstance(value, str):
            got = repr(value)[:60] if name in found else "none"
            raise UsageError(f"{name}: expected a text, got {got}")
        texts.append(value)
    return _item(texts[0], texts[1], found.get("options", {}), folder)


def csv_lines(file: BinaryIO, name: str, folder: str) -> Iterator[Item]:
    """The items of a CSV file. Raises UsageError, which begins with the file's ``name``."""
    first = True
    for number, row in rows(file, name):
        is_header = first and tuple(column.strip().lower() for column in row) in (COLUMNS[:2], COLUMNS)
        first = False
        if is_header:
            continue
        if len(row) not in (2, 3):
            raise _wrong(name, number, f"expected source,destination[,options], got {len(row)} columns")
        try:
            given = option.parse_text(row[2]) if len(row) == 3 and row[2].strip() else {}
            yield _item(row[0], row[1], given, folder)
        except UsageError as error:
            raise _wrong(name, number, str(error)) from None


def rows(file: BinaryIO, name: str) -> Iterator[tuple[int, list[str]]]:
    """The records of a CSV file that are not blank, each with the number of its first line. Raises
    UsageError."""
    reader = csv.reader((line for _, line in numbered(file, name)), strict=True)
    while True:
        number = reader.line_num + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise _wrong(name, number, f"expected CSV, got {error}") from None
        if row is None:
            return
        if row:
            yield number, row


def _item(source: str, destination: str, given: object, folder: str) -> Item:
    """Raises UsageError."""
    options = option.read(given)
    version = option.text_of(cast("dict[str, object]", given), option.VERSION)
    start, end = parse_place(source, folder), parse_place(destination, folder)
    if isinstance(start, S3Object):
        start = S3Object(start.bucket, start.key, version)
    elif version:
        raise UsageError("option 'versionId': expected a source in S3, got a file")
    if isinstance(start, LocalFile) and isinstance(end, LocalFile):
        raise UsageError("expected source or destination in S3 (s3://BUCKET/KEY), got two files")
    option.check(options, from_s3=isinstance(start, S3Object), to_s3=isinstance(end, S3Object))
    return Item(start, end, options)


def numbered(file: BinaryIO, name: str) -> _NUMBERED:
    """The lines of ``file`` with their numbers, from 1. Raises UsageError."""
    number = 0
    while True:
        number += 1
        try:
            line = file.readline(MAX_LINE + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise _wrong(name, number, f"cannot be read: {_said(error)}") from None
        if not line:
            return
        if len(line) > MAX_LINE:
            raise _wrong(name, number, f"expected at most {MAX_LINE} bytes a line, got more")
        if number == 1 and line.startswith(_UTF_16):
            raise _wrong(name, number, "expected UTF-8, got UTF-16")
        text = line.decode(errors="surrogateescape")
        yield number, text.removeprefix("\ufeff") if number == 1 else text


def _peek(file: BinaryIO, name: str) -> bytes:
    try:
        return cast("gzip.GzipFile", file).peek(1024)[:1024].removeprefix(b"\xef\xbb\xbf")
    except (OSError, EOFError, zlib.error) as error:
        raise _wrong(name, 1, f"cannot be read: {_said(error)}") from None


def _said(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def _wrong(name: str, number: int, why: str) -> UsageError:
    return UsageError(one_line(f"{name}: line {number}: {why}"))
