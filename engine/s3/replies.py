"""Replies: from an answer's status, headers and body to values of ours.

Theory: whatever a server, a proxy or a broken connection puts into an answer, only two things come out of
here besides a good value: a ``Failure`` (the server says no) and ``Unreadable`` (it says yes, and then not
what a yes must contain). S3 has habits to know: an ``<Error>`` inside a 200 (Complete, and copies, send the
status before the work is done), errors of HEAD without a body, ETags that are md5s only sometimes.

It must not know what is retried or what was expected; comparing is ``flow.verify``'s.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from http import HTTPStatus
from xml.etree import ElementTree

from ..errors import one_line
from ..values import Failure, Response

MAX_XML = 1 << 20
"""Bytes. S3's control replies have a few hundred; more than this is not one of them."""

_DIGEST_BYTES = {"crc64nvme": 8, "crc32": 4, "crc32c": 4, "sha1": 20, "sha256": 32}
_REDIRECTS = {301: "PermanentRedirect", 307: "TemporaryRedirect"}  # S3's codes, which HEAD cannot carry
_MD5 = re.compile("[0-9a-fA-F]{32}")
_COMPOSITE = re.compile("[0-9a-fA-F]{32}-([1-9][0-9]{0,4})")  # S3 has at most 10,000 parts
_RANGE = re.compile("bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19})")  # 19 digits: more than 64 bits hold

_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|&#(?:x0*1?[0-9a-fA-F]|0*(?:[12]?[0-9]|3[01]));"
)
"""What XML 1.0 cannot hold, not even as a reference. S3 repeats such a key in good answers all the same."""


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATE = re.compile(  # RFC 9110's IMF-fixdate, the only form that a server may send
    rf"[A-Z][a-z]{{2}}, ([0-9]{{2}}) ({'|'.join(_MONTHS)}) ([0-9]{{4}}) "
    r"([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"
)


class Unreadable(Exception):
    """A good status with an answer that is not what the operation promises. ``str()`` is one line."""


@dataclass(frozen=True)
class Completed:
    """What CompleteMultipartUpload made."""

    etag: str
    crc64nvme: str
    """Base64 as S3 gives it; "" from a store that keeps none."""
    version_id: str


@dataclass(frozen=True)
class ObjectHead:
    """What HEAD says about an object."""

    size: int
    """Bytes of the whole object, also when the HEAD was about one part."""
    etag: str
    opaque_etag: bool
    """The ETag follows from no md5 (SSE-KMS, SSE-C, or no known form): it identifies and proves nothing."""
    checksums: Mapping[str, bytes]
    """Raw digests of the whole object's bytes; composite ones are left out."""
    part_count: int
    """0 for an object that was not uploaded in parts."""
    part_length: int
    """Bytes of the part asked about; the object's size when none was."""
    version_id: str


def failure(response: Response) -> Failure | None:
    """Why the server refused, or None for a good answer."""
    root, fields = _xml(response.body)
    good = 200 <= response.status <= 299
    if root != "Error":
        if good:
            return None
        fields = {}
    headers = response.headers
    code = one_line(fields.get("Code", ""), 100) or _REDIRECTS.get(response.status, "")
    message = fields.get("Message", "") or _phrase(response.status)
    if 300 <= response.status <= 399 and (region := headers.get("x-amz-bucket-region", "")):
        message += f" (the bucket is in region {region})"
    server_time = _epoch(headers.get("date", ""))
    return Failure(
        kind="server",
        code=code,
        message=one_line(message),
        status=response.status,
        request_id=one_line(fields.get("RequestId", "") or headers.get("x-amz-request-id", ""), 100),
        retry_after=_retry_after(headers.get("retry-after", ""), server_time),
        server_time=server_time,
    )


def upload_id(response: Response) -> str:
    """CreateMultipartUpload's answer. Raises Unreadable."""
    return _required(response, "UploadId")


def completed(response: Response) -> Completed:
    """CompleteMultipartUpload's answer. Raises Unreadable, also for an answer cut short."""
    tag = _unquoted(_required(response, "ETag"))
    if not tag:
        raise Unreadable("the answer's ETag is empty")
    crc = _xml(response.body)[1].get("ChecksumCRC64NVME", "")
    return Completed(tag, crc, response.headers.get("x-amz-version-id", ""))


def object_head(response: Response) -> ObjectHead:
    """HeadObject's answer. Raises Unreadable when the size or the ETag is missing."""
    headers = response.headers
    tag = etag(response)
    if not tag:
        raise Unreadable("the answer to HEAD has no ETag")
    length = headers.get("content-length", "")
    if not re.fullmatch("[0-9]{1,19}", length):
        raise Unreadable(one_line(f"the answer to HEAD has Content-Length {length!r}"))
    part_length = size = int(length)
    if "content-range" in headers:
        span = content_range(response)
        if span is None:
            raise Unreadable(one_line(f"the answer to HEAD has Content-Range {headers['content-range']!r}"))
        size = span[2]
    composite = _COMPOSITE.fullmatch(tag)
    count = headers.get("x-amz-mp-parts-count", "")
    if not re.fullmatch("[0-9]{1,5}", count):
        count = composite[1] if composite else "0"
    return ObjectHead(
        size=size,
        etag=tag,
        opaque_etag=_encrypted(headers) or not (composite or _MD5.fullmatch(tag)),
        # Asked about one part, a server may answer with that part's checksum.
        checksums=_checksums(headers, composite is not None) if part_length == size else {},
        part_count=int(count),
        part_length=part_length,
        version_id=headers.get("x-amz-version-id", ""),
    )


def content_range(response: Response) -> tuple[int, int, int] | None:
    """First byte, last byte and the object's size; None when there is no such header or it makes no sense."""
    match = _RANGE.fullmatch(response.headers.get("content-range", ""))
    if match is None:
        return None
    first, last, total = (int(group) for group in match.groups())
    return (first, last, total) if first <= last < total else None


def etag(response: Response) -> str:
    """The ETag without quotes and without W/; "" when there is none."""
    return _unquoted(response.headers.get("etag", ""))


def etag_is_md5(headers: Mapping[str, str]) -> bool:
    """Whether the ETag is the md5 of the bytes sent: not with SSE-KMS or SSE-C, nor for a multipart object
    ("Object", S3 API reference). AES256 is S3's default and leaves it an md5."""
    return not _encrypted(headers) and _MD5.fullmatch(_unquoted(headers.get("etag", ""))) is not None


def is_composite(etag: str) -> bool:
    """Whether ``etag`` has the form md5-of-md5s-N."""
    return _COMPOSITE.fullmatch(etag) is not None


def sidecar(response: Response) -> tuple[str, str]:
    """The md5 in a sidecar, as 32 lower-case hex digits, and the ETag of the object it was written for (""
    when it names none, as s3gof3r's do). Raises Unreadable."""
    text = response.body[:100].decode("ascii", "replace").strip()
    if len(response.body) > 100 or not _MD5.fullmatch(text):
        raise Unreadable(one_line(f"the md5 sidecar holds {text!r} instead of 32 hex digits"))
    return text.lower(), _unquoted(response.headers.get("x-amz-meta-etag", ""))


def _checksums(headers: Mapping[str, str], composite: bool) -> dict[str, bytes]:
    kind = headers.get("x-amz-checksum-type", "") or ("COMPOSITE" if composite else "FULL_OBJECT")
    if kind.upper() != "FULL_OBJECT":
        return {}
    found = {}
    for name, length in _DIGEST_BYTES.items():
        if composite and name.startswith("sha"):  # a SHA of the whole does not follow from the parts'
            continue
        try:
            # A "-N" behind it marks a checksum of checksums: '-' is not base64, so it fails here.
            raw = b64decode(headers.get(f"x-amz-checksum-{name}", ""), validate=True)
        except ValueError:
            continue
        if len(raw) == length:
            found[name] = raw
    return found


def _encrypted(headers: Mapping[str, str]) -> bool:
    """Encrypted in a way that makes the ETag opaque."""
    return (
        headers.get("x-amz-server-side-encryption", "") not in ("", "AES256")
        or "x-amz-server-side-encryption-customer-algorithm" in headers
    )


def _unquoted(etag: str) -> str:
    return etag.strip().removeprefix("W/").strip('"')


def _required(response: Response, name: str) -> str:
    value = _xml(response.body)[1].get(name, "")
    if not value:
        start = response.body[:100].decode("utf-8", "replace")
        raise Unreadable(one_line(f"the answer has no {name}; it begins with {start!r}"))
    return value


def _xml(body: bytes) -> tuple[str, dict[str, str]]:
    """The root's name and the text of its children, namespaces dropped; ("", {}) for what is not such XML.

    Decoded before it is parsed, so that no declared encoding hides a DTD; and without a DTD there are no
    entities to expand.
    """
    if not body or len(body) > MAX_XML:
        return "", {}
    try:
        text = body.decode().strip()  # S3 sends white space while Complete is at work
        if "<!DOCTYPE" in text:
            return "", {}
        root = ElementTree.fromstring(_FORBIDDEN.sub("\ufffd", text))
    except (ElementTree.ParseError, ValueError):
        return "", {}
    return _local(root.tag), {_local(child.tag): (child.text or "").strip() for child in root}


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _epoch(date: str) -> float | None:
    """An HTTP date as epoch seconds; None for anything else and outside 1970 to 2106: it sets a clock.

    Not by ``email.utils``, whose imports would be a twelfth of the memory that all processes have.
    """
    match = _DATE.fullmatch(date.strip())
    if match is None:
        return None
    day, year, hour, minute, second = (int(match[group]) for group in (1, 3, 4, 5, 6))
    month = _MONTHS.index(match[2]) + 1
    try:
        seconds = datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc).timestamp()
    except ValueError:  # no such day
        return None
    return seconds if 0 <= seconds < 1 << 32 else None


def _retry_after(text: str, server_time: float | None) -> float | None:
    """Seconds. A date counts from the server's own clock, and only when the answer tells it."""
    if re.fullmatch("[0-9]{1,9}", text.strip()):
        return float(text)
    until = _epoch(text)
    return None if until is None or server_time is None else max(0.0, until - server_time)
