"""Receipts: what is known of each object that was carried over, one line of JSON each.

Theory: a receipt is the truth about an object that has arrived, for whoever checks a migration from outside.
It is written when the destination has been verified and never changed. An object whose source has changed
since is carried over again; its new receipt names the line that no longer holds, so the file alone tells what
does (``current``). A file may come from anybody: what is read is checked field by field, and any text is a
receipt or one UsageError.

Lines are ASCII: names in any script, and those that are no text, are spelled in JSON's escapes. ``appended``
writes the file.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gof3r import fields
from gof3r.engine.errors import UsageError, one_line
from gof3r.fields import field as at

from .items import Identity, LocalFile, Place, is_encodable, parse_place

FORMAT = 1
"""Of a line: another number for another meaning of a field."""

BEGINNING = b'{"gof3r_receipt": '
"""Of every line: what begins otherwise was not written by us."""

MAX_LINE = 131_072
"""Bytes; as a manifest's."""

_MD5 = re.compile("[0-9a-f]{32}")
_CRC_BYTES = 8


@dataclass(frozen=True, slots=True)
class Receipt:
    """One object that has arrived, and was verified."""

    source: Place
    """With the version that was read, where it is known."""
    destination: Place
    size: int
    """Bytes."""
    source_etag: str = ""
    """Empty of a file."""
    source_mtime_ns: int | None = None
    """Of a file, nanoseconds since the epoch, when it was opened."""
    etag: str = ""
    """Of the destination; empty of a file."""
    version_id: str = ""
    """Of the destination."""
    crc64nvme: str = ""
    """Of all bytes, in base64; empty where it is not known."""
    md5: str = ""
    """Of all bytes, in hex; empty where it is not known."""
    verified: tuple[str, ...] = ()
    """Digests that were checked over the whole object, strongest first."""
    retries: Mapping[str, int] = field(default_factory=dict)
    """By the error's code."""
    seconds: float = 0.0
    """That it took."""
    when: float = 0.0
    """Seconds since the epoch, at its end."""
    supersedes: int | None = None
    """Byte of the file at which the line begins that no longer holds; None for none."""

    @property
    def identity(self) -> Identity:
        """The source's, as it was read."""
        version = "" if isinstance(self.source, LocalFile) else self.source.version_id
        return Identity(self.size, self.source_etag, version, self.source_mtime_ns)


def as_line(receipt: Receipt) -> bytes:
    """With its line end."""
    source_version = "" if isinstance(receipt.source, LocalFile) else receipt.source.version_id
    document = {
        "gof3r_receipt": FORMAT,
        "source": str(receipt.source),
        "destination": str(receipt.destination),
        "size_bytes": receipt.size,
        "source_etag": receipt.source_etag,
        "source_version_id": source_version,
        "source_mtime_ns": receipt.source_mtime_ns,
        "etag": receipt.etag,
        "version_id": receipt.version_id,
        "crc64nvme": receipt.crc64nvme,
        "md5": receipt.md5,
        "verified": receipt.verified,
        "retries": dict(receipt.retries),
        "seconds": receipt.seconds,
        "when_epoch_seconds": receipt.when,
        "supersedes": receipt.supersedes,
    }
    return json.dumps(document).encode() + b"\n"


def from_line(line: bytes, name: str) -> Receipt:
    """The receipt that ``as_line`` made ``line`` of, with its line end or without. Raises UsageError, one
    line that begins with ``name``."""
    return fields.document(line, _receipt, f"{name} is no receipt of gof3r migrate")


def _receipt(found: object) -> Receipt:
    if not isinstance(found, dict) or "gof3r_receipt" not in found:
        raise ValueError("it does not say gof3r_receipt")
    if found["gof3r_receipt"] != FORMAT or found["gof3r_receipt"] is True:
        raise ValueError(f"its format is {found['gof3r_receipt']!r}, and this version reads {FORMAT}")
    source, version = at(found, "source", _place), at(found, "source_version_id", _text)
    if isinstance(source, LocalFile):
        if version:
            raise ValueError("source_version_id: a file has none")
    else:
        source = type(source)(source.bucket, source.key, version)
    return Receipt(
        source=source,
        destination=at(found, "destination", _place),
        size=at(found, "size_bytes", fields.whole),
        source_etag=at(found, "source_etag", _text),
        source_mtime_ns=at(found, "source_mtime_ns", _nanoseconds),
        etag=at(found, "etag", _text),
        version_id=at(found, "version_id", _text),
        crc64nvme=at(found, "crc64nvme", _crc),
        md5=at(found, "md5", _md5),
        verified=at(found, "verified", fields.list_of(_text)),
        retries=at(found, "retries", fields.table_of(fields.whole)),
        seconds=at(found, "seconds", fields.number),
        when=at(found, "when_epoch_seconds", fields.time),
        supersedes=at(found, "supersedes", fields.whole_or_none),
    )


def _place(value: object) -> Place:
    text = fields.text(value)
    try:
        place = parse_place(text, "/")
    except UsageError as error:
        raise ValueError(str(error)) from None
    if str(place) != text:
        raise ValueError("neither an s3:// URL nor an absolute path")
    return place


def _text(value: object) -> str:
    text = fields.text(value)
    if not is_encodable(text):
        raise ValueError("no text")
    return text


def _nanoseconds(value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not -(2**63) <= value < 2**63:
        raise ValueError("no time in nanoseconds")  # SQLite's integers, and the kernel's times
    return value


def _md5(value: object) -> str:
    digest = fields.text(value)
    if digest and not _MD5.fullmatch(digest):
        raise ValueError("no md5 in hex")
    return digest


def _crc(value: object) -> str:
    digest = fields.text(value)
    if digest and len(b64decode(digest, validate=True)) != _CRC_BYTES:
        raise ValueError("no CRC64NVME in base64")
    return digest


# --- the file -----------------------------------------------------------------------


def read(path: str) -> Iterator[tuple[int, Receipt]]:
    """The receipts of the file ``path``, each with the byte at which it begins. Raises UsageError, also on
    the way: nothing is passed over."""
    position = 0
    try:
        with open(path, "rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(MAX_LINE + 1), b""), 1):
                if not line.endswith(b"\n"):
                    todo = "it is cut off: run the migration again, which writes it anew or says what is lost"
                    raise UsageError(one_line(f"{path}: line {number}: {todo}"))
                yield position, from_line(line, f"{path}: line {number}")
                position += len(line)
    except OSError as error:
        raise UsageError(one_line(f"{path}: cannot be read: {error.strerror}")) from None


def current(path: str) -> Iterator[Receipt]:
    """The receipts that hold: those that no later one supersedes. The file is read twice, and what is kept of
    it are the superseded ones' positions. Raises UsageError."""
    over = {receipt.supersedes for _, receipt in read(path)}
    yield from (receipt for position, receipt in read(path) if position not in over)
