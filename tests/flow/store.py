"""A server that keeps real bytes as values: S3's operations on objects, uploads and parts, as functions of
requests. It checks what S3 checks (Content-MD5, CRC64NVME, ETags of the parts, conditions, sources of copies)
and knows nothing of the code under test but the form of its requests.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import md5
from urllib.parse import parse_qsl
from xml.etree import ElementTree

from gof3r.engine.s3 import checksums
from gof3r.engine.values import Endpoint, Request, Response, Target

TARGET = Target(Endpoint("http", "127.0.0.1", 9000), "us-east-1", "bucket", "key", path_style=True)
OBJECT = "/bucket/key"
SIDECAR = "/bucket/.md5/key.md5"
SOURCE = replace(TARGET, bucket="source", key="its key")
FROM = "/source/its%20key"
FROM_SIDECAR = "/source/.md5/its%20key.md5"
"""Of copies."""

DESCRIBED = ("content-type", "content-language", "cache-control", "expires", "x-amz-meta-")
"""Beginnings of what is kept of an object's headers, as far as tests use them."""


def error(status: int, code: str = "", message: str = "", **headers: str) -> Response:
    """S3's form of a refusal; without a code as from a proxy."""
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>" if code else ""
    return Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, body.encode())


def base64_of(name: str, data: bytes) -> str:
    return b64encode(checksums.compute((name,), memoryview(data))[name]).decode()


def composite(pieces: Sequence[bytes]) -> str:
    """The ETag of a multipart object of these pieces, written down once more and independently."""
    return f"{md5(b''.join(md5(piece).digest() for piece in pieces)).hexdigest()}-{len(pieces)}"


@dataclass
class Stored:
    """An object: its bytes, and what HEAD and GET say about it."""

    data: bytes
    etag: str
    headers: dict[str, str] = field(default_factory=dict)
    cuts: tuple[int, ...] = ()
    """Lengths of its parts, when it was uploaded in parts."""
    tags: str = ""
    """Encoded as a query."""


@dataclass
class Upload:
    crc: bool
    headers: Mapping[str, str]
    """Create's."""
    parts: dict[int, tuple[bytes, int]] = field(default_factory=dict)
    """Part number to its bytes and its length, which is another where bytes are tokens."""
    twins: dict[int, list[bytes]] = field(default_factory=dict)
    """Bytes that a number had before it was sent again, where the store goes on listing them (SeaweedFS)."""
    key: str = "key"
    began: str = "2024-05-06T07:08:09.000Z"


class Store:
    """Objects by path. ``encryption``: ``aws:kms`` makes every ETag opaque. ``crc``: it keeps CRC64NVMEs."""

    def __init__(
        self, *, encryption: str = "", crc: bool = True, lists_crc: bool = True, page: int = 1000
    ) -> None:
        self.lists_crc = lists_crc and crc
        """ListParts tells the parts' CRC64NVME."""
        self.page = page
        """Entries of a listing."""
        self.objects: dict[str, Stored] = {}
        self.uploads: dict[str, Upload] = {}
        self._extra = {"x-amz-server-side-encryption": encryption} if encryption else {}
        self._crc = crc
        self._created = 0

    def keep(
        self,
        data: bytes,
        *,
        path: str = OBJECT,
        cuts: Sequence[int] = (),
        digests: Sequence[str] = (),
        **headers: str,
    ) -> Stored:
        """The object as another program has put it, in parts of ``cuts`` bytes, with full-object checksums
        ``digests`` and further ``headers``."""
        said = {f"x-amz-checksum-{name}": base64_of(name, data) for name in digests}
        if digests:
            said["x-amz-checksum-type"] = "FULL_OBJECT"
        said |= {name.replace("_", "-"): value for name, value in headers.items()}
        etag = composite(self._cut(data, cuts)) if cuts else md5(data).hexdigest()
        self.objects[path] = Stored(data, etag, said, tuple(cuts))
        return self.objects[path]

    def keep_sidecar(self, data: bytes, etag: str = "", path: str = SIDECAR) -> None:
        said = {"x-amz-meta-etag": etag} if etag else {}
        text = md5(data).hexdigest().encode()
        self.objects[path] = Stored(text, md5(text).hexdigest(), said)

    @staticmethod
    def _cut(data: bytes, cuts: Sequence[int]) -> list[bytes]:
        pieces, start = [], 0
        for length in cuts:
            pieces.append(data[start : start + length])
            start += length
        assert start == len(data), "the parts must be the object"
        return pieces

    # --- requests ------------------------------------------------------------------

    def answer(self, request: Request, headers: Mapping[str, str], body: bytes, length: int) -> Response:
        """Carry ``request`` out; ``headers`` has lower-case names, ``length`` is what the bytes stand for."""
        for name, header in (("md5", "content-md5"), ("crc64nvme", "x-amz-checksum-crc64nvme")):
            if request.method == "PUT" and header in headers and headers[header] != base64_of(name, body):
                return error(400, "BadDigest", f"the {name} did not match")
        query = dict(parse_qsl(request.query, keep_blank_values=True))
        upload_id = query.get("uploadId", "")
        if upload_id and upload_id not in self.uploads:
            return error(404, "NoSuchUpload", "The specified upload does not exist")
        if refusal := self._refusal(request, headers):
            return refusal
        match request.operation:
            case "put_object":
                return self._put(request.path, headers, body)
            case "copy_object":
                return self._copy(request.path, headers)
            case "upload_part_copy":
                return self._part_copy(self.uploads[upload_id], int(query["partNumber"]), headers)
            case "get_object_tagging":
                return self._tagging(self.objects[request.path])
            case "create_multipart_upload":
                self._created += 1
                crc = "x-amz-checksum-algorithm" in headers
                self.uploads[f"u{self._created}"] = Upload(crc, headers)
                return self._xml("InitiateMultipartUploadResult", UploadId=f"u{self._created}")
            case "upload_part":
                return self._part(self.uploads[upload_id], int(query["partNumber"]), headers, body, length)
            case "complete_multipart_upload":
                return self._complete(request.path, upload_id, headers, body)
            case "abort_multipart_upload":
                del self.uploads[upload_id]
                return Response(204, {})
            case "list_parts":
                return self._list_parts(self.uploads[upload_id], query)
            case "list_multipart_uploads":
                return self._list_uploads(query)
            case "head_object" | "get_object":
                return self._get(request.path, headers, query)
        raise AssertionError(f"no such operation: {request.operation}")

    def _refusal(self, request: Request, headers: Mapping[str, str]) -> Response | None:
        """Why the conditions of a write do not hold, or those of a copy's source."""
        unmet = error(412, "PreconditionFailed", "At least one of the pre-conditions did not hold")
        there = self.objects.get(request.path)
        if request.method != "GET" and request.method != "HEAD":
            if "if-none-match" in headers and there:
                return unmet
            if "if-match" in headers and (not there or headers["if-match"] != f'"{there.etag}"'):
                return unmet
        if source := headers.get("x-amz-copy-source", ""):
            if source not in self.objects:
                return error(404, "NoSuchKey", "The specified key does not exist")
            if headers["x-amz-copy-source-if-match"] != f'"{self.objects[source].etag}"':
                return unmet
        return None

    def _xml(self, root: str, **fields: str) -> Response:
        inner = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
        return Response(200, dict(self._extra), f"<{root}>{inner}</{root}>".encode())

    def _etag(self, body: bytes) -> str:
        return md5(body + (b"secret" if self._extra else b"")).hexdigest()

    def _put(self, path: str, headers: Mapping[str, str], body: bytes) -> Response:
        kept = self._described(headers) | self._extra
        if self._crc and "x-amz-checksum-crc64nvme" in headers:
            kept["x-amz-checksum-crc64nvme"] = headers["x-amz-checksum-crc64nvme"]
            kept["x-amz-checksum-type"] = "FULL_OBJECT"
        self.objects[path] = Stored(body, self._etag(body), kept, tags=headers.get("x-amz-tagging", ""))
        return Response(200, {"etag": f'"{self._etag(body)}"', **kept})

    @staticmethod
    def _described(headers: Mapping[str, str]) -> dict[str, str]:
        return {name: value for name, value in headers.items() if name.startswith(DESCRIBED)}

    def _tagging(self, stored: Stored) -> Response:
        pairs = parse_qsl(stored.tags)
        tags = "".join(f"<Tag><Key>{key}</Key><Value>{value}</Value></Tag>" for key, value in pairs)
        return self._xml("Tagging", TagSet=tags)

    def _copy(self, path: str, headers: Mapping[str, str]) -> Response:
        source = self.objects[headers["x-amz-copy-source"]]
        kept = dict(self._extra)
        kept |= self._described(headers if "x-amz-metadata-directive" in headers else source.headers)
        tags = headers.get("x-amz-tagging", "") if "x-amz-tagging-directive" in headers else source.tags
        if self._crc and "x-amz-checksum-algorithm" in headers:
            kept["x-amz-checksum-crc64nvme"] = base64_of("crc64nvme", source.data)
            kept["x-amz-checksum-type"] = "FULL_OBJECT"
        copy = Stored(source.data, self._etag(source.data), kept, tags=tags)
        self.objects[path] = copy
        crc = kept.get("x-amz-checksum-crc64nvme", "")
        return self._xml("CopyObjectResult", ETag=f'"{copy.etag}"', ChecksumCRC64NVME=crc)

    def _part_copy(self, upload: Upload, number: int, headers: Mapping[str, str]) -> Response:
        source = self.objects[headers["x-amz-copy-source"]]
        span = headers["x-amz-copy-source-range"].removeprefix("bytes=").split("-")
        first, last = (int(place) for place in span)
        if not first <= last < len(source.data):
            return error(400, "InvalidArgument", "The range is not valid for the source object")
        body = source.data[first : last + 1]
        upload.parts[number] = body, len(body)
        crc = base64_of("crc64nvme", body) if upload.crc and self._crc else ""
        return self._xml("CopyPartResult", ETag=f'"{self._etag(body)}"', ChecksumCRC64NVME=crc)

    def _part(
        self, upload: Upload, number: int, headers: Mapping[str, str], body: bytes, length: int
    ) -> Response:
        said = {"etag": f'"{self._etag(body)}"', **self._extra}
        if upload.crc:
            if "x-amz-checksum-crc64nvme" not in headers:
                return error(400, "InvalidRequest", "the part has no checksum")
            said["x-amz-checksum-crc64nvme"] = headers["x-amz-checksum-crc64nvme"]
        upload.parts[number] = body, length
        return Response(200, said)

    def _list_parts(self, upload: Upload, query: Mapping[str, str]) -> Response:
        listed = [
            (number, body)
            for number, (latest, _) in sorted(upload.parts.items())
            for body in (*upload.twins.get(number, ()), latest)
            if number > int(query.get("part-number-marker", "0"))
        ]
        most = min(self.page, int(query["max-parts"]))
        shown = listed[:most]
        kind = "CRC64NVME" if upload.crc and self.lists_crc else ""
        xml = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>&quot;{self._etag(body)}&quot;</ETag>"
            f"<Size>{len(body)}</Size>"
            + (f"<ChecksumCRC64NVME>{base64_of('crc64nvme', body)}</ChecksumCRC64NVME>" if kind else "")
            + "</Part>"
            for number, body in shown
        )
        more = len(listed) > most
        after = f"<NextPartNumberMarker>{shown[-1][0]}</NextPartNumberMarker>" if more else ""
        said = f"<ChecksumAlgorithm>{kind}</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>"
        inner = f"<IsTruncated>{str(more).lower()}</IsTruncated>{after}{said if kind else ''}{xml}"
        return Response(200, {}, f"<ListPartsResult>{inner}</ListPartsResult>".encode())

    def _list_uploads(self, query: Mapping[str, str]) -> Response:
        marker = (query.get("key-marker", ""), query.get("upload-id-marker", ""))
        begun = sorted((upload.key, name, upload.began) for name, upload in self.uploads.items())
        begun = [each for each in begun if each[0].startswith(query["prefix"]) and each[:2] > marker]
        shown = begun[: self.page]
        xml = "".join(
            f"<Upload><Key>{key}</Key><UploadId>{name}</UploadId><Initiated>{date}</Initiated></Upload>"
            for key, name, date in shown
        )
        more = len(begun) > self.page
        after = (
            f"<NextKeyMarker>{shown[-1][0]}</NextKeyMarker>"
            f"<NextUploadIdMarker>{shown[-1][1]}</NextUploadIdMarker>"
            if more
            else ""
        )
        inner = f"<IsTruncated>{str(more).lower()}</IsTruncated>{after}{xml}"
        root = "ListMultipartUploadsResult"
        return Response(200, {}, f"<{root}>{inner}</{root}>".encode())

    def _complete(self, path: str, upload_id: str, headers: Mapping[str, str], body: bytes) -> Response:
        upload = self.uploads[upload_id]
        named = [
            (int(part[0].text or 0), (part[1].text or "").strip('"'))
            for part in ElementTree.fromstring(body.decode())
        ]
        if not {number for number, _ in named} <= upload.parts.keys():
            return error(400, "InvalidPart", "the list has parts that are not there")
        meant = [upload.parts[number] for number, _ in named]
        for at, (number, etag) in enumerate(named):  # of twins the one that is named
            for twin in upload.twins.get(number, ()):
                meant[at] = (twin, len(twin)) if self._etag(twin) == etag else meant[at]
        pieces = [body for body, _ in meant]
        if [etag for _, etag in named] != [self._etag(piece) for piece in pieces]:
            return error(400, "InvalidPart", "an ETag is not the part's")
        data = b"".join(pieces)
        if int(headers["x-amz-mp-object-size"]) != sum(length for _, length in meant):
            return error(400, "InvalidRequest", "the size is not the parts'")
        kept = self._described(upload.headers) | self._extra
        if upload.crc and self._crc:
            crc = base64_of("crc64nvme", data)
            if headers.get("x-amz-checksum-crc64nvme", crc) != crc:
                return error(400, "BadDigest", "the checksum is not the object's")
            kept |= {"x-amz-checksum-crc64nvme": crc, "x-amz-checksum-type": "FULL_OBJECT"}
        etag = composite([piece + (b"secret" if self._extra else b"") for piece in pieces])
        cuts = tuple(len(piece) for piece in pieces)
        self.objects[path] = Stored(data, etag, kept, cuts, upload.headers.get("x-amz-tagging", ""))
        del self.uploads[upload_id]
        crc = kept.get("x-amz-checksum-crc64nvme", "")
        return self._xml("CompleteMultipartUploadResult", ETag=f'"{etag}"', ChecksumCRC64NVME=crc)

    def _get(self, path: str, headers: Mapping[str, str], query: Mapping[str, str]) -> Response:
        if path not in self.objects:
            return error(404, "NoSuchKey", "The specified key does not exist")
        stored = self.objects[path]
        if headers.get("if-match", f'"{stored.etag}"') != f'"{stored.etag}"':
            return error(412, "PreconditionFailed", "the object is another")
        said = {"etag": f'"{stored.etag}"', **stored.headers}
        if stored.tags:
            said["x-amz-tagging-count"] = str(len(parse_qsl(stored.tags)))
        first, last, status = 0, len(stored.data) - 1, 200
        if "partNumber" in query and stored.cuts:
            number = int(query["partNumber"])
            first, status = sum(stored.cuts[: number - 1]), 206
            last = first + stored.cuts[number - 1] - 1
            said["x-amz-mp-parts-count"] = str(len(stored.cuts))
        elif "range" in headers:
            first, last = (int(number) for number in headers["range"].removeprefix("bytes=").split("-"))
            last, status = min(last, len(stored.data) - 1), 206
            if first > last:
                return error(416, "InvalidRange", "no such bytes")
        if status == 206:
            said["content-range"] = f"bytes {first}-{last}/{len(stored.data)}"
        body = stored.data[first : last + 1]
        return Response(status, {**said, "content-length": str(len(body))}, body)
