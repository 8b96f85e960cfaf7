"""Each operation is the request that the S3 API reference describes."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gof3r.engine.s3 import operations
from gof3r.engine.values import Endpoint, Header, Request, Target

AT = Target(Endpoint("https", "s3.amazonaws.com"), "us-east-1", "b", "k", False)
VERSION = Target(Endpoint("https", "s3.amazonaws.com"), "us-east-1", "b", "k", False, "v/1=")
CHECKSUM_MODE = ("x-amz-checksum-mode", "ENABLED")


@pytest.mark.parametrize(
    ("request_", "operation", "method", "query", "headers"),
    [
        (
            operations.create_multipart_upload(AT, [("x-amz-acl", "private")]),
            "create_multipart_upload",
            "POST",
            "uploads=",
            (
                ("x-amz-acl", "private"),
                ("x-amz-checksum-algorithm", "CRC64NVME"),
                ("x-amz-checksum-type", "FULL_OBJECT"),
            ),
        ),
        (
            operations.create_multipart_upload(AT, crc=False),
            "create_multipart_upload",
            "POST",
            "uploads=",
            (),
        ),
        (operations.upload_part(AT, "a/b=", 7), "upload_part", "PUT", "partNumber=7&uploadId=a%2Fb%3D", ()),
        (
            operations.abort_multipart_upload(AT, "id"),
            "abort_multipart_upload",
            "DELETE",
            "uploadId=id",
            (),
        ),
        (operations.list_parts(AT, "id"), "list_parts", "GET", "max-parts=1&uploadId=id", ()),
        (operations.list_parts(AT, "id", 1000), "list_parts", "GET", "max-parts=1000&uploadId=id", ()),
        (operations.put_object(AT, [("a", "b")]), "put_object", "PUT", "", (("a", "b"),)),
        (operations.head_object(AT), "head_object", "HEAD", "", (CHECKSUM_MODE,)),
        (operations.head_object(AT, 1), "head_object", "HEAD", "partNumber=1", (CHECKSUM_MODE,)),
        (
            operations.head_object(VERSION, 1),
            "head_object",
            "HEAD",
            "partNumber=1&versionId=v%2F1%3D",
            (CHECKSUM_MODE,),
        ),
        (operations.get_object(AT), "get_object", "GET", "", ()),
        (operations.get_object(VERSION), "get_object", "GET", "versionId=v%2F1%3D", ()),
        (operations.get_object(AT, 0, 0), "get_object", "GET", "", (("Range", "bytes=0-0"),)),
        (operations.get_object(AT, 5), "get_object", "GET", "", (("Range", "bytes=5-"),)),
        (
            operations.get_object(AT, 5, 9, "e-2"),
            "get_object",
            "GET",
            "",
            (("Range", "bytes=5-9"), ("If-Match", '"e-2"')),
        ),
    ],
)
def test_an_operation_is_this_request(
    request_: Request, operation: str, method: str, query: str, headers: tuple[Header, ...]
) -> None:
    assert request_ == Request(
        operation, method, "https", "b.s3.amazonaws.com", "/k", query, headers, body=b""
    )


def test_complete_lists_the_parts_and_says_size_and_checksum() -> None:
    request = operations.complete_multipart_upload(
        AT, "id", [(2, "e2", "c2="), (1, "e1", "c1=")], 9, "whole=", [("If-None-Match", "*")]
    )
    assert request.body == (
        b'<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        b'<Part><PartNumber>1</PartNumber><ETag>"e1"</ETag><ChecksumCRC64NVME>c1=</ChecksumCRC64NVME></Part>'
        b'<Part><PartNumber>2</PartNumber><ETag>"e2"</ETag><ChecksumCRC64NVME>c2=</ChecksumCRC64NVME></Part>'
        b"</CompleteMultipartUpload>"
    )
    assert (request.operation, request.method, request.path) == ("complete_multipart_upload", "POST", "/k")
    assert request.query == "uploadId=id"
    assert request.headers == (
        ("If-None-Match", "*"),
        ("Content-Type", "application/xml"),
        ("Content-MD5", b64encode(hashlib.md5(request.body).digest()).decode()),
        ("x-amz-mp-object-size", "9"),
        ("x-amz-checksum-crc64nvme", "whole="),
        ("x-amz-checksum-type", "FULL_OBJECT"),
    )


def test_complete_without_checksums_names_none_but_still_the_size() -> None:
    request = operations.complete_multipart_upload(AT, "id", [(1, "e1", "")], 0)
    assert b"Checksum" not in request.body
    assert [name for name, _ in request.headers] == ["Content-Type", "Content-MD5", "x-amz-mp-object-size"]


PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=0xD7FF, exclude_characters="\x7f"))


@given(st.dictionaries(st.integers(1, 10000), PRINTABLE))
def test_complete_is_well_formed_whatever_the_etags_hold(etags: dict[int, str]) -> None:
    parts = [(number, etag, "") for number, etag in etags.items()]
    root = ElementTree.fromstring(operations.complete_multipart_upload(AT, "id", parts, 1).body)
    read = [(int(part[0].text or ""), part[1].text) for part in root]
    assert read == [(number, f'"{etags[number]}"') for number in sorted(etags)]


def test_an_inline_body_brings_its_content_md5() -> None:
    request = operations.put_object(AT, [("x-amz-meta-etag", "e")], b"123456789")
    assert request.headers == (("x-amz-meta-etag", "e"), ("Content-MD5", "JfnnlDI7RTiF9RgfG2JNCw=="))
    assert request.body == b"123456789"


@pytest.mark.parametrize("key", ["k", "a/b", "/a", "../a"])
def test_sidecars_live_in_the_objects_bucket_under_dot_md5(key: str) -> None:
    target = Target(AT.endpoint, "r", "my.bucket", key, True, "version")
    new, old = operations.sidecar_target(target), operations.old_sidecar_target(target)
    assert new == Target(AT.endpoint, "r", "my.bucket", f".md5/{key}.md5", True)
    assert old == Target(AT.endpoint, "r", "my.bucket", f".md5/my.bucket/{key}.md5", True)
