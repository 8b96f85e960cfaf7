"""Each operation is the request that the S3 API reference describes."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from xml.etree import ElementTree

import botocore.session
import pytest
from botocore.config import Config
from hypothesis import given
from hypothesis import strategies as st

from gof3r.engine.s3 import operations
from gof3r.engine.values import Endpoint, Header, Request, Role, Target

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
        (operations.delete_object(AT), "delete_object", "DELETE", "", ()),
        (operations.delete_object(VERSION), "delete_object", "DELETE", "versionId=v%2F1%3D", ()),
        (operations.get_object_tagging(AT), "get_object_tagging", "GET", "tagging=", ()),
        (
            operations.get_object_tagging(VERSION),
            "get_object_tagging",
            "GET",
            "tagging=&versionId=v%2F1%3D",
            (),
        ),
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
    host = "b.s3.amazonaws.com"
    assert request_ == Request(
        operation, method, "https", host, "/k", query, headers, b"", "b", "us-east-1", "main"
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


# listings and copies


@pytest.mark.parametrize(
    ("request_", "query"),
    [
        (operations.list_objects(AT), "encoding-type=url&list-type=2&max-keys=1000&prefix=k"),
        (
            operations.list_objects(VERSION, "t/+=", 5),
            "continuation-token=t%2F%2B%3D&encoding-type=url&list-type=2&max-keys=5&prefix=k",
        ),
        (operations.list_multipart_uploads(AT), "max-uploads=1000&prefix=k&uploads="),
        (
            operations.list_multipart_uploads(VERSION, "a b", "i/d"),
            "key-marker=a%20b&max-uploads=1000&prefix=k&upload-id-marker=i%2Fd&uploads=",
        ),
    ],
)
def test_a_listing_asks_the_bucket_for_the_keys_that_begin_with_the_targets(
    request_: Request, query: str
) -> None:
    assert (request_.method, request_.path, request_.query, request_.headers) == ("GET", "/", query, ())


SSE_C = "x-amz-server-side-encryption-customer-"
SOURCE = Target(
    Endpoint("https", "s3.amazonaws.com"),
    "eu-west-1",
    "from",
    "/a +?/\udcff",
    False,
    "v/1=",
    (
        (f"{SSE_C}algorithm", "AES256"),
        (f"{SSE_C.title()}Key", "theirs"),
        (f"{SSE_C}key-MD5", "md5="),
        ("X-Amz-Request-Payer", "requester"),
        ("x-amz-expected-bucket-owner", "111111111111"),
    ),
    "source",
)
COPIED_FROM = (
    ("x-amz-copy-source", "/from//a%20%2B%3F/%FF?versionId=v%2F1%3D"),
    ("x-amz-copy-source-if-match", '"e-2"'),
    (f"x-amz-copy-source-{SSE_C[6:]}algorithm", "AES256"),
    (f"x-amz-copy-source-{SSE_C[6:]}key", "theirs"),
    (f"x-amz-copy-source-{SSE_C[6:]}key-md5", "md5="),
    ("X-Amz-Request-Payer", "requester"),
    ("x-amz-source-expected-bucket-owner", "111111111111"),
)
CRC = ("x-amz-checksum-algorithm", "CRC64NVME")


def test_a_copy_names_its_source_by_the_bytes_of_its_key_and_by_its_etag() -> None:
    request = operations.copy_object(AT, SOURCE, "e-2", replace_metadata=False)
    assert (request.operation, request.method, request.path, request.query, request.role) == (
        *("copy_object", "PUT", "/k", ""),
        "main",
    )
    assert request.headers == (*COPIED_FROM, CRC)


def test_a_copy_replaces_what_it_is_told_to_replace() -> None:
    given = [("Content-Type", "a/b"), ("x-amz-tagging", "a=b")]
    request = operations.copy_object(
        AT, SOURCE, "e-2", given, replace_metadata=True, replace_tags=True, crc=False
    )
    assert request.headers == (
        *given,
        *COPIED_FROM,
        ("x-amz-metadata-directive", "REPLACE"),
        ("x-amz-tagging-directive", "REPLACE"),
    )


def test_a_copied_part_is_a_span_of_the_source() -> None:
    request = operations.upload_part_copy(AT, "id", 3, SOURCE, 10, 19, "e-2")
    assert (request.operation, request.method, request.path) == ("upload_part_copy", "PUT", "/k")
    assert request.query == "partNumber=3&uploadId=id"
    assert request.headers == (*COPIED_FROM, ("x-amz-copy-source-range", "bytes=10-19"))


def test_a_header_that_speaks_for_both_sides_of_a_copy_is_sent_once() -> None:
    payer = (("x-amz-request-payer", "requester"), ("x-amz-expected-bucket-owner", "2"))
    target = Target(AT.endpoint, "us-east-1", "b", "k", False, headers=payer)
    headers = operations.upload_part_copy(target, "id", 1, SOURCE, 0, 1, "e-2").headers
    assert headers[:2] == payer
    assert [name.lower() for name, _ in headers].count("x-amz-request-payer") == 1


def test_tags_become_a_query() -> None:
    assert operations.tagging_header([("a b", "c&d=é"), ("e", "")]) == (
        "x-amz-tagging",
        "a%20b=c%26d%3D%C3%A9&e=",
    )


# botocore's opinion

MINE = replace(AT, bucket="bucket")
NAMED = {"Bucket": "bucket", "Key": "k"}
PAGED = {"Bucket": "bucket", "Prefix": "k"}
KEY = "a +?/é"
FROM = Target(AT.endpoint, "us-east-1", "from", KEY, False, "v1")
FROM_SSE_C = Target(
    AT.endpoint,
    "us-east-1",
    "from",
    KEY,
    False,
    "v1",
    (
        (f"{SSE_C}algorithm", "AES256"),
        (f"{SSE_C}key", b64encode(b"k" * 32).decode()),
        (f"{SSE_C}key-MD5", b64encode(hashlib.md5(b"k" * 32).digest()).decode()),
        ("x-amz-expected-bucket-owner", "111111111111"),
    ),
)
COPY_SOURCE = {"CopySource": {"Bucket": "from", "Key": KEY, "VersionId": "v1"}, "CopySourceIfMatch": '"e"'}


@pytest.mark.parametrize(
    ("request_", "call", "arguments"),
    [
        (
            operations.delete_object(replace(MINE, version_id="v/1=")),
            "delete_object",
            {**NAMED, "VersionId": "v/1="},
        ),
        (
            operations.get_object_tagging(replace(MINE, version_id="v/1=")),
            "get_object_tagging",
            {**NAMED, "VersionId": "v/1="},
        ),
        (
            operations.list_objects(MINE, "t+", 7),
            "list_objects_v2",
            {**PAGED, "ContinuationToken": "t+", "MaxKeys": 7},
        ),
        (
            operations.list_multipart_uploads(MINE, "k m", "i"),
            "list_multipart_uploads",
            {**PAGED, "KeyMarker": "k m", "UploadIdMarker": "i", "MaxUploads": 1000},
        ),
        (
            operations.list_parts(MINE, "i"),
            "list_parts",
            {**NAMED, "UploadId": "i", "MaxParts": 1},
        ),
        (
            operations.copy_object(
                MINE,
                FROM_SSE_C,
                "e",
                [("x-amz-meta-a", "b"), ("x-amz-tagging", "c=d"), ("If-None-Match", "*")],
                replace_metadata=True,
                replace_tags=True,
            ),
            "copy_object",
            {
                **NAMED,
                **COPY_SOURCE,
                "CopySourceSSECustomerAlgorithm": "AES256",
                "CopySourceSSECustomerKey": "k" * 32,
                "ExpectedSourceBucketOwner": "111111111111",
                "Metadata": {"a": "b"},
                "MetadataDirective": "REPLACE",
                "Tagging": "c=d",
                "TaggingDirective": "REPLACE",
                "ChecksumAlgorithm": "CRC64NVME",
                "IfNoneMatch": "*",
            },
        ),
        (
            operations.upload_part_copy(MINE, "i", 2, FROM, 5, 9, "e"),
            "upload_part_copy",
            {**NAMED, **COPY_SOURCE, "UploadId": "i", "PartNumber": 2, "CopySourceRange": "bytes=5-9"},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_operation_is_the_request_that_botocore_makes(
    request_: Request, call: str, arguments: dict[str, Any]
) -> None:
    theirs = botocores(call, arguments)
    assert theirs.method == request_.method
    split = urlsplit(theirs.url)
    assert (split.path, parsed(split.query)) == (request_.path, parsed(request_.query))
    assert asked(theirs.headers.items()) == asked(request_.headers)


class _Caught(Exception):
    pass


def botocores(call: str, arguments: dict[str, Any]) -> Any:
    """The request that botocore would send."""
    session = botocore.session.Session()
    session.set_credentials("AKID", "SECRET")
    config = Config(s3={"addressing_style": "virtual"}, retries={"total_max_attempts": 1})
    client = session.create_client("s3", region_name="us-east-1", config=config)
    caught: list[Any] = []

    def catch(request: Any, **_: Any) -> None:
        caught.append(request)
        raise _Caught

    client.meta.events.register("before-send.s3", catch)
    with pytest.raises(_Caught):
        getattr(client, call)(**arguments)
    return caught[0]


def parsed(query: str) -> dict[str, str]:
    return dict(parse_qsl(query, keep_blank_values=True))


def asked(headers: Any) -> dict[str, str]:
    """What headers ask for, by lower-case name; the slash before a copy's source is optional."""
    signing = {"x-amz-date", "x-amz-content-sha256"}
    texts = {
        name.lower(): value.decode() if isinstance(value, bytes) else value
        for name, value in headers
        if name.lower().startswith(("x-amz-", "if-")) and name.lower() not in signing
    }
    if "x-amz-copy-source" in texts:
        texts["x-amz-copy-source"] = texts["x-amz-copy-source"].lstrip("/")
    return texts


# what a target brings along

OPERATIONS = [
    operations.create_multipart_upload,
    lambda at: operations.upload_part(at, "id", 1),
    lambda at: operations.upload_part_copy(at, "id", 1, AT, 0, 1, "e"),
    lambda at: operations.complete_multipart_upload(at, "id", [(1, "e", "")], 1),
    lambda at: operations.list_parts(at, "id"),
    operations.put_object,
    lambda at: operations.copy_object(at, AT, "e", replace_metadata=False),
    operations.head_object,
    operations.get_object,
    operations.delete_object,
    operations.get_object_tagging,
    operations.list_objects,
    operations.list_multipart_uploads,
    lambda at: operations.abort_multipart_upload(at, "id"),
]
NAMES = {"list_objects": "ListObjectsV2"}
MODEL = botocore.session.Session().get_service_model("s3")


@pytest.mark.parametrize("role", ["main", "source"])
@pytest.mark.parametrize("make", OPERATIONS)
def test_every_operation_carries_its_targets_role_and_those_of_its_headers_that_it_knows(
    make: Any, role: Role
) -> None:
    headers = (
        ("x-amz-request-payer", "requester"),
        ("x-amz-expected-bucket-owner", "1"),
        (f"{SSE_C}algorithm", "AES256"),
        (f"{SSE_C}key", "k"),
        (f"{SSE_C}key-MD5", "m"),
    )
    request = make(Target(AT.endpoint, "r", "b", "k", False, headers=headers, role=role))
    name = NAMES.get(request.operation) or request.operation.title().replace("_", "")
    shape: Any = MODEL.operation_model(name).input_shape
    known = {member.serialization.get("name", "").lower() for member in shape.members.values()}
    expected = [header for header in headers if header[0].lower() in known]
    assert [header for header in request.headers if header in headers] == expected
    assert (request.bucket, request.region, request.role) == ("b", "r", role)
