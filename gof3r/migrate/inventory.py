"""An S3 Inventory as the list of what is to be carried over: its manifest.json, and its CSV files.

Theory ("Cataloging and analyzing your data with S3 Inventory" and "Locating your inventory list", S3 User
Guide): an inventory is a manifest.json, which names the columns (``fileSchema``) and the data files with
their md5s, and files of CSV without a header line, mostly gzip. Keys are URL-encoded, a space as ``+``. Where
all versions are listed, the current one is marked, and delete markers have neither size nor ETag: a migration
takes what a reader of the bucket would see, and of it the version that was listed. An inventory is up to days
old, so what it knows of a source serves for order and estimates, never to see whether it has changed since.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import md5
from typing import BinaryIO
from urllib.parse import unquote_plus

from gof3r import fields
from gof3r.engine.errors import UsageError, one_line
from gof3r.fields import field

from .items import Identity, Item, S3Object
from .manifest import opened, rows
from .mapping import Mapping

_SIZE = re.compile("[0-9]{1,18}")
_DIGEST = re.compile("[0-9a-fA-F]{32}")


@dataclass(frozen=True, slots=True)
class DataFile:
    """One of an inventory's files of CSV."""

    key: str
    """In the bucket that the inventory was delivered to."""
    md5: str
    """Of the file as it is, packed: 32 hex digits."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """What a manifest.json says."""

    bucket: str
    """That was listed."""
    columns: tuple[str, ...]
    files: tuple[DataFile, ...]


def from_json(text: str, name: str) -> Inventory:
    """Of a manifest.json. Raises UsageError, one line that begins with the file's ``name``, for anything
    else."""
    return fields.document(text, _inventory, f"{name} is no manifest.json of an S3 Inventory")


def _inventory(found: object) -> Inventory:
    form = field(found, "fileFormat", fields.text)
    if form != "CSV":
        raise ValueError(f"fileFormat: expected CSV, got {form!r}")
    columns = tuple(column.strip() for column in field(found, "fileSchema", fields.text).split(","))
    for needed in ("Bucket", "Key"):
        if needed not in columns:
            raise ValueError(f"fileSchema: expected a column {needed}, got {', '.join(columns)}")
    if len(set(columns)) < len(columns):
        raise ValueError(f"fileSchema: expected each column once, got {', '.join(columns)}")
    return Inventory(
        field(found, "sourceBucket", fields.text),
        columns,
        field(found, "files", fields.list_of(_data_file)),
    )


def _data_file(found: object) -> DataFile:
    digest = field(found, "MD5checksum", fields.text)
    if not _DIGEST.fullmatch(digest):
        raise ValueError("MD5checksum: no md5 in hex")
    return DataFile(field(found, "key", fields.text), digest.lower())


def items(path: str, mapping: Mapping) -> Iterator[Item]:
    """What the inventory whose manifest.json is ``path`` lists under the mapping's source. Its data files lie
    beside it, or in ``../data/``, as S3 delivers them. Each is checked before its first item. Raises
    UsageError, also on the way."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except UnicodeDecodeError:
        raise UsageError(one_line(f"{path}: expected UTF-8, got other bytes")) from None
    except OSError as error:
        raise UsageError(one_line(f"{path}: cannot be read: {error.strerror}")) from None
    inventory = from_json(text, path)
    for data in inventory.files:
        place = located(data, os.path.dirname(path))
        _check(place, data)
        with opened(place) as packed:
            yield from listed(packed, place, inventory, mapping)


def located(data: DataFile, folder: str) -> str:
    """The path of a data file of the manifest.json in ``folder``. Raises UsageError."""
    name = data.key.rpartition("/")[2]
    places = [os.path.join(folder, name), os.path.join(folder, os.pardir, "data", name)]
    for place in places if name not in ("", ".", "..") and "\0" not in name else ():
        if os.path.isfile(place):
            return place
    raise UsageError(
        one_line(f"{data.key}: expected the inventory's file as {' or '.join(places)}, got none")
    )


def _check(path: str, data: DataFile) -> None:
    digest = md5(usedforsecurity=False)
    try:
        with open(path, "rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    except OSError as error:
        raise UsageError(one_line(f"{path}: cannot be read: {error.strerror}")) from None
    if digest.hexdigest() != data.md5:
        raise UsageError(
            one_line(f"{path}: expected md5 {data.md5} by its manifest.json, got {digest.hexdigest()}")
        )


def listed(file: BinaryIO, name: str, inventory: Inventory, mapping: Mapping) -> Iterator[Item]:
    """The items of one file of CSV. Raises UsageError, which begins with the file's ``name``."""
    assert isinstance(mapping.source, S3Object)
    if mapping.source.bucket != inventory.bucket:
        raise UsageError(
            one_line(
                f"{name}: expected an inventory of {mapping.source.bucket}, got one of {inventory.bucket}"
            )
        )
    columns = inventory.columns
    for number, row in rows(file, name):
        if len(row) != len(columns):
            why = f"expected {len(columns)} columns by fileSchema, got {len(row)}"
            raise UsageError(one_line(f"{name}: line {number}: {why}"))
        said = dict(zip(columns, row, strict=True))
        if said["Bucket"] != inventory.bucket:
            why = f"expected bucket {inventory.bucket}, got {said['Bucket']!r}"
            raise UsageError(one_line(f"{name}: line {number}: {why}"))
        if said.get("IsLatest", "").lower() == "false" or said.get("IsDeleteMarker", "").lower() == "true":
            continue
        size = said.get("Size", "")
        if size and not _SIZE.fullmatch(size):
            raise UsageError(one_line(f"{name}: line {number}: Size: expected bytes, got {size!r}"))
        relative = mapping.name_of(unquote_plus(said["Key"], errors="surrogateescape"))
        if relative is not None:
            version = said.get("VersionId", "")
            known = Identity(int(size) if size else None, said.get("ETag", "").strip('"'), version)
            yield mapping.item(relative, known, version)
