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
from .request import SSE_C, encode, request_for

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


def list_parts(target: Target, upload_id: str, after: int = 0, most: int = 1) -> Request:
    """Up to ``most`` of them (S3: 1000), from the number behind ``after`` on; one tells whether the upload is
    there at all."""
    query = [("max-parts", str(most)), ("uploadId", upload_id)]
    if after:
        query.append(("part-number-marker", str(after)))
    return request_for(target, "list_parts", "GET", query)


def list_multipart_uploads(target: Target, key_marker: str = "", id_marker: str = "") -> Request:
    """The bucket's uploads under way whose keys begin with the target's, up to 1000 after the markers.

    Keys are not asked for percent-encoded: SeaweedFS 4.48 says of this listing that it is, and sends it raw.
    """
    query = [("uploads", ""), ("max-uploads", "1000"), ("prefix", target.key)]
    if key_marker:
        query.append(("key-marker", key_marker))
    if id_marker:
        query.append(("upload-id-marker", id_marker))
    return request_for(_bucket(target), "list_multipart_uploads", "GET", query)


def list_objects(target: Target, token: str = "", max_keys: int = 1000) -> Request:
    """ListObjectsV2: the bucket's objects whose keys begin with the target's, up to ``max_keys`` (at most
    1000), from where the page with ``token`` ended. Keys are asked for percent-encoded, since XML cannot hold
    every one."""
    query = [
        ("list-type", "2"),
        ("encoding-type", "url"),
        ("max-keys", str(max_keys)),
        ("prefix", target.key),
    ]
    if token:
        query.append(("continuation-token", token))
    return request_for(_bucket(target), "list_objects", "GET", query)


def list_object_versions(target: Target) -> Request:
    """The first page of the bucket's versions and delete markers whose keys begin with the target's."""
    query = [("versions", ""), ("encoding-type", "url"), ("max-keys", "1000"), ("prefix", target.key)]
    return request_for(_bucket(target), "list_object_versions", "GET", query)


def delete_objects(target: Target, entries: Sequence[tuple[str, str]]) -> Request:
    """Up to 1000 keys of the target's bucket, with a version id each, or "". Only what is refused is named in
    the answer."""
    xml = [f'<Delete xmlns="{_NAMESPACE}"><Quiet>true</Quiet>']
    for key, version in entries:
        of_version = f"<VersionId>{_escaped(version)}</VersionId>" if version else ""
        xml.append(f"<Object><Key>{_escaped(key)}</Key>{of_version}</Object>")
    body = "".join([*xml, "</Delete>"]).encode()
    asked = (("Content-Type", "application/xml"), *_content_md5(body))
    return request_for(_bucket(target), "delete_objects", "POST", [("delete", "")], asked, body)


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


def delete_object(target: Target) -> Request:
    """Without a version, in a bucket that keeps them, S3 adds a delete marker."""
    return request_for(target, "delete_object", "DELETE", _version(target))


def get_object_tagging(target: Target) -> Request:
    return request_for(target, "get_object_tagging", "GET", [("tagging", ""), *_version(target)])


def tagging_header(tags: Sequence[tuple[str, str]]) -> Header:
    """What gives an object its tags when it is created: they are encoded as a query."""
    return "x-amz-tagging", "&".join(f"{encode(key)}={encode(value)}" for key, value in tags)


def copy_object(
    target: Target,
    source: Target,
    etag: str,
    headers: Sequence[Header] = (),
    *,
    replace_metadata: bool,
    replace_tags: bool = False,
    crc: bool = True,
) -> Request:
    """At most 5 GiB, and only while the source's ETag is ``etag``. With ``replace_metadata`` the object has
    the content headers and the metadata among ``headers`` and no others, with ``replace_tags`` their
    x-amz-tagging; else S3 takes the source's. ACL, storage class and encryption are never the source's.
    ``crc`` asks for a CRC64NVME of the new object, else S3 keeps the algorithm of the source's checksum."""
    asked = (*headers, *_copy_source(target, source, etag))
    if replace_metadata:
        asked += (("x-amz-metadata-directive", "REPLACE"),)
    if replace_tags:
        asked += (("x-amz-tagging-directive", "REPLACE"),)
    if crc:
        asked += (("x-amz-checksum-algorithm", "CRC64NVME"),)
    return request_for(target, "copy_object", "PUT", (), asked)


def upload_part_copy(
    target: Target, upload_id: str, number: int, source: Target, first: int, last: int, etag: str
) -> Request:
    """Bytes ``first`` to ``last`` of ``source``, both included, as a part: 5 MiB (but for the last one) to
    5 GiB, and only while the source's ETag is ``etag``."""
    query = [("partNumber", str(number)), ("uploadId", upload_id)]
    asked = (*_copy_source(target, source, etag), ("x-amz-copy-source-range", f"bytes={first}-{last}"))
    return request_for(target, "upload_part_copy", "PUT", query, asked)


def _copy_source(target: Target, source: Target, etag: str) -> tuple[Header, ...]:
    """What to copy, and the source's own headers under the names they have beside the target's."""
    path = f"/{encode(source.bucket)}/{encode(source.key, safe='/')}"
    if source.version_id:
        path += f"?versionId={encode(source.version_id)}"
    named: list[Header] = [("x-amz-copy-source", path), ("x-amz-copy-source-if-match", f'"{etag}"')]
    given = {name.lower() for name, _ in target.headers}
    for name, value in source.headers:
        lower = name.lower()
        if lower.startswith(SSE_C):
            named.append((f"x-amz-copy-source-{lower.removeprefix('x-amz-')}", value))
        elif lower == "x-amz-expected-bucket-owner":
            named.append(("x-amz-source-expected-bucket-owner", value))
        elif lower not in given:  # who pays: one header speaks for both sides
            named.append((name, value))
    return tuple(named)


def sidecar_target(target: Target) -> Target:
    """Where the object's md5 is kept."""
    return replace(target, key=f".md5/{target.key}.md5", version_id="")


def old_sidecar_target(target: Target) -> Target:
    """Where s3gof3r kept it for a bucket whose name has a dot: its path included the bucket."""
    return replace(target, key=f".md5/{target.bucket}/{target.key}.md5", version_id="")


def _escaped(text: str) -> str:
    """As xml.sax.saxutils.escape, which would bring urllib.request and http.client into every process."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _bucket(target: Target) -> Target:
    return replace(target, key="", version_id="")


def _version(target: Target) -> list[tuple[str, str]]:
    return [("versionId", target.version_id)] if target.version_id else []


def _content_md5(body: bytes) -> tuple[Header, ...]:
    return digest_headers(compute(("md5",), memoryview(body)))
