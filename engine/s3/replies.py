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
from dataclasses import dataclass, field
from http import HTTPStatus

from ..errors import one_line
from ..values import Failure, Header, Response
from .dates import http_date, retry_after
from .markup import MAX_REPLY, fields, parsed
from .markup import MAX_XML as MAX_XML  # the bound of what is kept of an answer, too

_DIGEST_BYTES = {"crc64nvme": 8, "crc32": 4, "crc32c": 4, "sha1": 20, "sha256": 32}
_REDIRECTS = {301: "PermanentRedirect", 307: "TemporaryRedirect"}  # S3's codes, which HEAD cannot carry
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_META = "x-amz-meta-"
_CHECKSUM = "x-amz-checksum-"
_CONTENT = (
    *("Content-Type", "Content-Encoding", "Content-Language", "Content-Disposition"),
    *("Cache-Control", "Expires", "x-amz-website-redirect-location"),
)
"""The system metadata that a user may set, and that HEAD repeats ("Working with object metadata", S3 User
Guide). CopyObject copies all but the last by itself."""
_MD5 = re.compile("[0-9a-fA-F]{32}")
_COMPOSITE = re.compile("[0-9a-fA-F]{32}-([1-9][0-9]{0,4})")  # S3 has at most 10,000 parts
_PARTS_CHECKSUM = re.compile("(.+)-[1-9][0-9]{0,4}")
_REGION = re.compile("[a-z0-9-]{1,40}")  # it becomes part of a host's name
_RANGE = re.compile("bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19})")  # 19 digits: more than 64 bits hold


class Unreadable(Exception):
    """A good status with an answer that is not what the operation promises. ``str()`` is one line."""


@dataclass(frozen=True)
class Completed:
    """What CompleteMultipartUpload, CopyObject or UploadPartCopy made."""

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
    headers: Mapping[str, str] = field(repr=False)
    """Of the answer, with lower-case names."""

    @property
    def modified(self) -> float | None:
        """Epoch seconds."""
        return http_date(self.headers.get("last-modified", ""))

    @property
    def storage_class(self) -> str:
        """S3 leaves the usual one out."""
        return self.headers.get("x-amz-storage-class", "") or "STANDARD"

    @property
    def encryption(self) -> str:
        """``AES256``, ``aws:kms``...; "" with a customer's key and where none is named."""
        return self.headers.get("x-amz-server-side-encryption", "")

    @property
    def tag_count(self) -> int:
        count = self.headers.get("x-amz-tagging-count", "")
        return int(count) if re.fullmatch("[0-9]{1,5}", count) else 0

    @property
    def metadata(self) -> dict[str, str]:
        """The user's own, by names without ``x-amz-meta-``."""
        named = [item for item in self.headers.items() if item[0].startswith(_META)]
        return {name.removeprefix(_META): _utf8(value) for name, value in named}

    @property
    def content_headers(self) -> tuple[Header, ...]:
        """What the object says of its content: headers that a copy is to be created with again."""
        present = (name for name in _CONTENT if name.lower() in self.headers)
        return tuple((name, _utf8(self.headers[name.lower()])) for name in present)

    @property
    def composite_checksums(self) -> dict[str, str]:
        """Base64 with ``-N``: digests of the N parts' digests, by algorithm."""
        if self.headers.get("x-amz-checksum-type", "COMPOSITE").upper() != "COMPOSITE":
            return {}
        found = ((name, self.headers.get(_CHECKSUM + name, "")) for name in _DIGEST_BYTES)
        matched = ((name, _PARTS_CHECKSUM.fullmatch(value)) for name, value in found)
        return {name: match[0] for name, match in matched if match and _raw(name, match[1])}


def failure(response: Response) -> Failure | None:
    """Why the server refused, or None for a good answer."""
    said = _fields(response.body, "Error")
    if said is None:
        if 200 <= response.status <= 299:
            return None
        said = {}
    headers = response.headers
    code = one_line(said.get("Code", ""), 100) or _REDIRECTS.get(response.status, "")
    message = said.get("Message", "") or _PHRASES.get(response.status, "")
    region = _region(response, code, said)
    if region and 300 <= response.status <= 399:
        message += f" (the bucket is in region {region})"
    server_time = http_date(headers.get("date", ""))
    return Failure(
        kind="server",
        code=code,
        message=one_line(message),
        status=response.status,
        request_id=one_line(said.get("RequestId", "") or headers.get("x-amz-request-id", ""), 100),
        retry_after=retry_after(headers.get("retry-after", ""), server_time),
        server_time=server_time,
        region=region,
    )


def upload_id(response: Response) -> str:
    """CreateMultipartUpload's answer. Raises Unreadable."""
    return _required(response, "UploadId")


def completed(response: Response) -> Completed:
    """CompleteMultipartUpload's answer. Raises Unreadable, also for an answer cut short."""
    tag = unquoted(_required(response, "ETag"))
    if not tag:
        raise Unreadable("the answer's ETag is empty")
    crc = (_fields(response.body) or {}).get("ChecksumCRC64NVME", "")
    return Completed(_sent_again("ETag", tag), crc, version_id(response))


def copied(response: Response) -> Completed:
    """CopyObject's and UploadPartCopy's answer: the same fields under another root. Raises Unreadable."""
    return completed(response)


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
        version_id=version_id(response),
        headers=headers,
    )


def content_range(response: Response) -> tuple[int, int, int] | None:
    """First byte, last byte and the object's size; None when there is no such header or it makes no sense."""
    match = _RANGE.fullmatch(response.headers.get("content-range", ""))
    if match is None:
        return None
    first, last, total = (int(group) for group in match.groups())
    return (first, last, total) if first <= last < total else None


def etag(response: Response) -> str:
    """The ETag without quotes and without W/; "" when there is none that can be shown and sent again."""
    tag = unquoted(response.headers.get("etag", ""))
    return tag if tag.isprintable() else ""


def etag_is_md5(headers: Mapping[str, str]) -> bool:
    """Whether the ETag is the md5 of the bytes sent: not with SSE-KMS or SSE-C, nor for a multipart object
    ("Object", S3 API reference). AES256 is S3's default and leaves it an md5."""
    return not _encrypted(headers) and _MD5.fullmatch(unquoted(headers.get("etag", ""))) is not None


def is_composite(etag: str) -> bool:
    """Whether ``etag`` has the form md5-of-md5s-N."""
    return _COMPOSITE.fullmatch(etag) is not None


def sidecar(response: Response) -> tuple[str, str]:
    """The md5 in a sidecar, as 32 lower-case hex digits, and the ETag of the object it was written for (""
    when it names none, as s3gof3r's do). Raises Unreadable."""
    text = response.body[:100].decode("ascii", "replace").strip()
    if len(response.body) > 100 or not _MD5.fullmatch(text):
        raise Unreadable(one_line(f"the md5 sidecar holds {_shown(response)} instead of 32 hex digits"))
    return text.lower(), unquoted(response.headers.get("x-amz-meta-etag", ""))


def _checksums(headers: Mapping[str, str], composite: bool) -> dict[str, bytes]:
    kind = headers.get("x-amz-checksum-type", "") or ("COMPOSITE" if composite else "FULL_OBJECT")
    if kind.upper() != "FULL_OBJECT":
        return {}
    # A SHA of the whole does not follow from the parts'.
    names = (name for name in _DIGEST_BYTES if not (composite and name.startswith("sha")))
    return {name: raw for name in names if (raw := _raw(name, headers.get(_CHECKSUM + name, "")))}


def _raw(name: str, text: str) -> bytes:
    """The digest whose base64 is ``text``; b"" for anything else, as for one with a ``-N`` behind it."""
    try:
        raw = b64decode(text, validate=True)
    except ValueError:
        return b""
    return raw if len(raw) == _DIGEST_BYTES[name] else b""


def _encrypted(headers: Mapping[str, str]) -> bool:
    """Encrypted in a way that makes the ETag opaque."""
    return (
        headers.get("x-amz-server-side-encryption", "") not in ("", "AES256")
        or "x-amz-server-side-encryption-customer-algorithm" in headers
    )


def unquoted(etag: str) -> str:
    """An ETag without its quotes and without W/."""
    return etag.strip().removeprefix("W/").strip('"')


def _required(response: Response, name: str) -> str:
    value = (_fields(response.body) or {}).get(name, "")
    if not value:
        raise unreadable(response, f"no {name}")
    return value


def unreadable(response: Response, lacks: str) -> Unreadable:
    """The error that shows what came instead."""
    return Unreadable(one_line(f"the answer has {lacks}, and is {_shown(response)}"))


def _shown(response: Response) -> str:
    """What came instead: the beginning, which of S3's own XML says nothing."""
    root = parsed(response.body)
    return repr(response.body[:100].decode("utf-8", "replace")) if root is None else f"XML of <{root.tag}>"


def _fields(body: bytes, root: str = "") -> dict[str, str] | None:
    """The text of the root's children, stripped; None for what is not XML, and another root."""
    element = parsed(body, MAX_REPLY)
    if element is None or root not in ("", element.tag):
        return None
    return {name: text.strip() for name, text in fields(element).items()}


def version_id(response: Response) -> str:
    """Of the object that an answer is about; "" where none is named. Raises Unreadable."""
    return _sent_again("version", response.headers.get("x-amz-version-id", ""))


def _sent_again(what: str, value: str) -> str:
    """A name of the server's that goes into headers of ours, and before users. Raises Unreadable."""
    if not value.isprintable():  # the end of a line in it would begin a header of the server's choice
        raise Unreadable(one_line(f"the answer's {what} is {value!r}"))
    return value


def _region(response: Response, code: str, said: Mapping[str, str]) -> str:
    """Where the bucket is, from answers that are about that: redirects, and 400 for a signature that was made
    for another region (of HEAD a header is all there is). An error's <Endpoint> is never believed."""
    if not 300 <= response.status <= 400:
        return ""
    region = response.headers.get("x-amz-bucket-region", "")
    if not region and code == "AuthorizationHeaderMalformed":
        region = said.get("Region", "")
    return region if _REGION.fullmatch(region) else ""


def _utf8(value: str) -> str:
    """A header's bytes, which curl's border takes for Latin-1, as the UTF-8 that we send them in. (S3 itself
    answers in RFC 2047's form, and takes that back.)"""
    return value.encode("latin-1", "replace").decode("utf-8", "surrogateescape")
