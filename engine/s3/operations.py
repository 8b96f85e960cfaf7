"""S3's operations: one function each, from what is asked to the request that asks it.

Theory: the S3 API reference (2006-03-01). A request made here is complete but for two things that others know
better: the digests of a slot's bytes (``checksums.digest_headers``, added by whoever holds the slot) and the
signature (``sigv4.sign``).

It must not know how replies are read, who retries, or that processes exist.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..values import Header, Request, Target
from .checksums import compute, digest_headers
from .request import request_for

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


def create_multipart_upload(target: Target, headers: Sequence[Header] = (), crc: bool = True) -> Request:
    """``headers`` are the object's own (Content-Type, x-amz-meta-...); ``crc`` asks S3 to keep a CRC64NVME of
    the whole object, which it then demands with every part."""
    asked = (*headers,)
    if crc:
        asked += (("x-amz-checksum-algorithm", "CRC64NVME"), ("x-amz-checksum-type", "FULL_OBJECT"))
    return request_for(target, "create_multipart_upload", "POST", [("uploads", "")], asked)


def upload_part(target: Target, upload_id: str, number: int) -> Request:
    """The part's bytes, and the headers of their digests, come from its slot."""
    query = [("partNumber", str(number)), ("uploadId", upload_id)]
    return request_for(target, "upload_part", "PUT", query)


def complete_multipart_upload(
    target: Target,
    upload_id: str,
    parts: Sequence[tuple[int, str, str]],
    size: int,
    crc: str = "",
    headers: Sequence[Header] = (),
) -> Request:
    """``parts`` are number, ETag, and base64 CRC64NVME or ""; ``size`` is the object's, in bytes; ``crc`` is
    the whole object's base64 CRC64NVME, "" for a store that knows no checksums. ``headers`` are for
    conditions (``If-None-Match: *`` belongs to this request, not to Create)."""
    xml = [f'<CompleteMultipartUpload xmlns="{_NAMESPACE}">']
    for number, etag, part_crc in sorted(parts):
        checksum = f"<ChecksumCRC64NVME>{_escaped(part_crc)}</ChecksumCRC64NVME>" if part_crc else ""
        xml.append(f'<Part><PartNumber>{number}</PartNumber><ETag>"{_escaped(etag)}"</ETag>{checksum}</Part>')
    xml.append("</CompleteMultipartUpload>")
    body = "".join(xml).encode()
    asked = (*headers, ("Content-Type", "application/xml"), *_content_md5(body))
    asked += (("x-amz-mp-object-size", str(size)),)
    if crc:
        asked += (("x-amz-checksum-crc64nvme", crc), ("x-amz-checksum-type", "FULL_OBJECT"))
    query = [("uploadId", upload_id)]
    return request_for(target, "complete_multipart_upload", "POST", query, asked, body)


def abort_multipart_upload(target: Target, upload_id: str) -> Request:
    return request_for(target, "abort_multipart_upload", "DELETE", [("uploadId", upload_id)])


def list_parts(target: Target, upload_id: str, max_parts: int = 1) -> Request:
    query = [("max-parts", str(max_parts)), ("uploadId", upload_id)]
    return request_for(target, "list_parts", "GET", query)


def put_object(target: Target, headers: Sequence[Header] = (), body: bytes = b"") -> Request:
    """An inline ``body`` brings its Content-MD5; a slot's bytes get theirs where the slot is."""
    digests = _content_md5(body) if body else ()
    return request_for(target, "put_object", "PUT", (), (*headers, *digests), body)


def head_object(target: Target, part_number: int | None = None) -> Request:
    """With ``part_number`` S3 answers about that part, and says how many there are."""
    query = _version(target)
    if part_number is not None:
        query.append(("partNumber", str(part_number)))
    return request_for(target, "head_object", "HEAD", query, [("x-amz-checksum-mode", "ENABLED")])


def get_object(target: Target, first: int | None = None, last: int | None = None, etag: str = "") -> Request:
    """Bytes ``first`` to ``last``, both included (to the end without ``last``; everything without ``first``),
    and only of the object whose ETag is ``etag``."""
    headers: list[Header] = []
    if first is not None:
        headers.append(("Range", f"bytes={first}-{'' if last is None else last}"))
    if etag:
        headers.append(("If-Match", f'"{etag}"'))
    return request_for(target, "get_object", "GET", _version(target), headers)


def sidecar_target(target: Target) -> Target:
    """Where the object's md5 is kept."""
    return replace(target, key=f".md5/{target.key}.md5", version_id="")


def old_sidecar_target(target: Target) -> Target:
    """Where s3gof3r kept it for a bucket whose name has a dot: its path included the bucket."""
    return replace(target, key=f".md5/{target.bucket}/{target.key}.md5", version_id="")


def _escaped(text: str) -> str:
    """As xml.sax.saxutils.escape, which would bring urllib.request and http.client into every process."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _version(target: Target) -> list[tuple[str, str]]:
    return [("versionId", target.version_id)] if target.version_id else []


def _content_md5(body: bytes) -> tuple[Header, ...]:
    return digest_headers(compute(("md5",), memoryview(body)))
