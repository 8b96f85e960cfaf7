"""Whatever a server answers becomes a value of ours, a Failure, or Unreadable."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gof3r.engine.s3 import replies
from gof3r.engine.s3.replies import Completed, ObjectHead, Unreadable
from gof3r.engine.values import Failure, Response

MD5 = "0123456789abcdef0123456789abcdef"
DATE = "Thu, 01 Jan 1970 00:01:40 GMT"
ERROR = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>SlowDown</Code>'
    b"<Message>Reduce your\nrate.</Message><RequestId>R1</RequestId><HostId>H</HostId></Error>"
)
XMLNS = b' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


def crc(length: int = 8) -> str:
    return b64encode(bytes(range(length))).decode()


# failure


@pytest.mark.parametrize("status", [200, 204, 206])
def test_a_good_answer_is_no_failure(status: int) -> None:
    assert replies.failure(Response(status, {}, b"")) is None
    assert replies.failure(Response(status, {}, b"<ListPartsResult/>")) is None
    assert replies.failure(Response(status, {}, b"\x00not xml")) is None


def test_an_error_is_read_from_its_body() -> None:
    assert replies.failure(Response(503, {"date": DATE, "retry-after": "7"}, ERROR)) == Failure(
        "server", "SlowDown", "Reduce your rate.", 503, "R1", retry_after=7.0, server_time=100.0
    )


@pytest.mark.parametrize(
    "body",
    [ERROR, b" \n\r\n" + ERROR, b"\xef\xbb\xbf" + ERROR, ERROR.replace(b"<Error>", b"<Error%b>" % XMLNS)],
)
def test_an_error_inside_a_200_is_a_failure(body: bytes) -> None:
    failed = replies.failure(Response(200, {}, body))
    assert failed is not None
    assert (failed.code, failed.status) == ("SlowDown", 200)


@pytest.mark.parametrize(
    ("status", "headers", "code", "message"),
    [
        (404, {}, "", "Not Found"),
        (503, {}, "", "Service Unavailable"),
        (599, {}, "", ""),
        (0, {}, "", ""),
        (304, {}, "", "Not Modified"),
        (301, {}, "PermanentRedirect", "Moved Permanently"),
        (307, {}, "TemporaryRedirect", "Temporary Redirect"),
        (
            301,
            {"x-amz-bucket-region": "eu-west-1"},
            "PermanentRedirect",
            "Moved Permanently (the bucket is in region eu-west-1)",
        ),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html><p>oops</html>", b"<html><Code>No</Code></html>", b"\xff\xfe"])
def test_an_error_without_a_readable_body_is_told_by_its_status(
    status: int, headers: dict[str, str], code: str, message: str, body: bytes
) -> None:
    failed = replies.failure(Response(status, {**headers, "x-amz-request-id": "R2"}, body))
    region = headers.get("x-amz-bucket-region", "")
    assert failed == Failure("server", code, message, status, "R2", region=region)


def test_a_redirects_own_code_is_kept_and_its_region_named() -> None:
    body = b"<Error><Code>Redirect</Code><Message>Over there.</Message></Error>"
    failed = replies.failure(Response(307, {"x-amz-bucket-region": "eu-west-1"}, body))
    assert failed is not None
    assert failed.code == "Redirect"
    assert failed.message == "Over there. (the bucket is in region eu-west-1)"
    assert failed.region == "eu-west-1"


MALFORMED = (
    b"<Error><Code>AuthorizationHeaderMalformed</Code><Region>%b</Region><Endpoint>evil</Endpoint></Error>"
)


@pytest.mark.parametrize(
    ("status", "header", "body", "region"),
    [
        (301, "eu-west-1", b"", "eu-west-1"),
        (307, "us-gov-west-1", ERROR, "us-gov-west-1"),
        (400, "eu-west-1", b"", "eu-west-1"),
        (400, "eu-west-1", MALFORMED % b"eu-west-2", "eu-west-1"),
        (400, "", MALFORMED % b" eu-west-2 ", "eu-west-2"),
        (400, "", MALFORMED % b"", ""),
        (400, "", MALFORMED % b"x.evil.com/", ""),
        (400, "", MALFORMED.replace(b"AuthorizationHeaderMalformed", b"InvalidArgument") % b"eu-west-2", ""),
        (301, "", b"<Error><Endpoint>b.s3.eu-west-1.amazonaws.com</Endpoint></Error>", ""),
        (301, "x.evil.com", b"", ""),
        (301, "EU", b"", ""),
        (301, "a" * 41, b"", ""),
        (301, "eu-west-1\n", b"", ""),
        (403, "eu-west-1", b"", ""),
        (404, "eu-west-1", b"", ""),
        (503, "eu-west-1", ERROR, ""),
    ],
)
def test_the_buckets_region_is_believed_where_a_request_went_to_the_wrong_one_and_only_as_a_name(
    status: int, header: str, body: bytes, region: str
) -> None:
    failed = replies.failure(Response(status, {"x-amz-bucket-region": header}, body))
    assert failed is not None
    assert failed.region == region
    assert "evil" not in failed.message


@pytest.mark.parametrize(
    ("retry_after", "date", "seconds"),
    [
        ("0", "", 0.0),
        ("120", "", 120.0),
        ("", "", None),
        ("-1", "", None),
        ("1e9", "", None),
        ("nan", "", None),
        ("9" * 5000, "", None),
        ("Thu, 01 Jan 1970 00:02:10 GMT", "", None),
        ("Thu, 01 Jan 1970 00:02:10 GMT", DATE, 30.0),
        ("Thu, 01 Jan 1970 00:00:10 GMT", DATE, 0.0),
        ("soon", DATE, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_by_the_servers_own_clock(
    retry_after: str, date: str, seconds: float | None
) -> None:
    failed = replies.failure(Response(503, {"retry-after": retry_after, "date": date}))
    assert failed is not None
    assert failed.retry_after == seconds


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        (DATE, 100.0),
        ("Thu, 01 Jan 1970 00:01:40 -0000", None),
        ("Thu, 01 Jan 1970 02:01:40 +0200", None),
        ("Thu, 31 Foo 1970 00:01:40 GMT", None),
        ("Thu, 01 Jan 99999999 00:01:40 GMT", None),
        ("Thu, 01 Jan 99999999999999999999 00:01:40 GMT", None),
        ("Wed, 31 Dec 1969 23:59:59 GMT", None),
        ("Fri, 01 Jan 2500 00:00:00 GMT", None),
        ("Thu, 01 Jan 1970 00:01:40 -999999999999999", None),
        ("garbage", None),
        ("", None),
    ],
)
def test_the_servers_clock_is_epoch_seconds_wherever_we_are(date: str, seconds: float | None) -> None:
    failed = replies.failure(Response(403, {"date": date}))
    assert failed is not None
    assert failed.server_time == seconds


BOMB = b'<!DOCTYPE a [<!ENTITY x "SlowDown">]><Error><Code>&x;</Code></Error>'


@pytest.mark.parametrize(
    "body",
    [
        BOMB,
        BOMB.decode().encode("utf-16"),
        b'<?xml version="1.0" encoding="UTF-7"?>' + BOMB.replace(b"<!DOCTYPE", b"+ADw-!DOCTYPE"),
        b"<Error><Code>SlowDown</Code><Message>" + b"x" * replies.MAX_XML + b"</Message></Error>",
        b"<Error><Code>SlowDown</Code>" + b"<a/>" * 100_000 + b"</Error>",
    ],
    ids=["dtd", "dtd in utf-16", "dtd in utf-7", "huge", "of many tags"],
)
def test_hostile_xml_is_not_read(body: bytes) -> None:
    failed = replies.failure(Response(400, {}, body))
    assert failed is not None
    assert failed.code == ""
    assert replies.failure(Response(200, {}, body)) is None
    with pytest.raises(Unreadable):
        replies.completed(Response(200, {}, body))


def test_deeply_nested_xml_is_survived() -> None:
    assert replies.failure(Response(200, {}, b"<a>" * 50_000 + b"</a>" * 50_000)) is None


def test_what_a_server_says_is_one_printable_line() -> None:
    body = b"<Error><Code>\n A \t</Code><Message>a\r\nb&#x85;\xc2\x9bx" + b"y" * 1000 + b"</Message></Error>"
    failed = replies.failure(Response(400, {"x-amz-request-id": "\x1b[31mR"}, body))
    assert failed is not None
    assert failed.code == "A"
    assert failed.message.startswith("a b x")
    assert failed.message.isprintable() and len(failed.message) <= 300
    assert failed.request_id == "[31mR"


# upload_id, completed


def test_the_upload_id_is_taken_as_it_is() -> None:
    body = b"<InitiateMultipartUploadResult%b><UploadId>a/+=~._-</UploadId></InitiateMultipartUploadResult>"
    assert replies.upload_id(Response(200, {}, body % XMLNS)) == "a/+=~._-"


@pytest.mark.parametrize(
    "body", [b"", b"<a/>", b"<a><UploadId/></a>", b"<a><UploadId>x</Upl", b"\xff", ERROR]
)
def test_an_answer_without_an_upload_id_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable, match="no UploadId"):
        replies.upload_id(Response(200, {}, body))


COMPLETED = (
    b"<CompleteMultipartUploadResult%b><Location>l</Location><ETag>&quot;%b-2&quot;</ETag>"
    b"<ChecksumCRC64NVME>AAECAwQFBgc=</ChecksumCRC64NVME></CompleteMultipartUploadResult>"
) % (XMLNS, MD5.encode())


def test_complete_tells_etag_checksum_and_version() -> None:
    answer = Response(200, {"x-amz-version-id": "v"}, b"\n\n" + COMPLETED)
    assert replies.completed(answer) == Completed(f"{MD5}-2", "AAECAwQFBgc=", "v")


@pytest.mark.parametrize(
    "key", [b"\x01", b"&#x1;", b"&#x001F;", b"&#0;", b"&#31;", b"&#10;", b"\xef\xbf\xbf"]
)
def test_a_key_that_xml_cannot_hold_does_not_spoil_the_answer(key: bytes) -> None:
    body = COMPLETED.replace(b"<Location>l", b"<Key>a" + key + b"b</Key><Location>l")
    assert replies.completed(Response(200, {}, body)).etag == f"{MD5}-2"


def test_complete_of_a_store_without_checksums_and_versions_tells_the_etag() -> None:
    body = b"<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>"
    assert replies.completed(Response(200, {}, body)) == Completed("e", "", "")


@pytest.mark.parametrize("root", [b"CopyObjectResult", b"CopyPartResult"])
@pytest.mark.parametrize("etag", [b"%b" % MD5.encode(), b"&quot;%b&quot;" % MD5.encode()])
def test_a_copy_tells_etag_checksum_and_version(root: bytes, etag: bytes) -> None:
    body = b" <%b%b><LastModified>2009-10-12T17:50:30.000Z</LastModified><ETag>%b</ETag>%b</%b>" % (
        *(root, XMLNS, etag, b"<ChecksumCRC64NVME>AAECAwQFBgc=</ChecksumCRC64NVME>", root),
    )
    answer = Response(200, {"x-amz-version-id": "v"}, body)
    assert replies.copied(answer) == Completed(MD5, "AAECAwQFBgc=", "v")


def test_a_copy_without_an_etag_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="no ETag"):
        replies.copied(Response(200, {}, b"<CopyObjectResult><LastModified/></CopyObjectResult>"))


@pytest.mark.parametrize("length", range(0, len(COMPLETED) - 1, 7))
def test_a_complete_cut_short_anywhere_is_unreadable(length: int) -> None:
    with pytest.raises(Unreadable):
        replies.completed(Response(200, {}, COMPLETED[:length]))


@pytest.mark.parametrize("etag", [b"", b'""', b" "])
def test_a_complete_with_an_empty_etag_is_unreadable(etag: bytes) -> None:
    with pytest.raises(Unreadable):
        replies.completed(Response(200, {}, b"<R><ETag>" + etag + b"</ETag></R>"))


# object_head


def head(**headers: str) -> ObjectHead:
    given = {"content-length": "10", "etag": f'"{MD5}"'}
    given.update({name.replace("_", "-"): value for name, value in headers.items()})
    return replies.object_head(Response(200, given))


def test_a_head_tells_all_about_a_plain_object() -> None:
    answer = head(
        x_amz_version_id="v",
        x_amz_server_side_encryption="AES256",
        x_amz_checksum_crc64nvme=crc(),
        x_amz_checksum_type="FULL_OBJECT",
    )
    assert answer == ObjectHead(
        size=10,
        etag=MD5,
        opaque_etag=False,
        checksums={"crc64nvme": bytes(range(8))},
        part_count=0,
        part_length=10,
        version_id="v",
        headers={
            "content-length": "10",
            "etag": f'"{MD5}"',
            "x-amz-version-id": "v",
            "x-amz-server-side-encryption": "AES256",
            "x-amz-checksum-crc64nvme": crc(),
            "x-amz-checksum-type": "FULL_OBJECT",
        },
    )
    assert answer.encryption == "AES256"


def test_a_head_tells_what_a_copy_is_to_be_created_with() -> None:
    answer = head(
        content_type="text/plain; charset=utf-8",
        content_disposition='attachment; filename="\xc3\xa9"',
        cache_control="no-cache",
        expires="0",
        x_amz_website_redirect_location="/there",
        x_amz_meta_a="1",
        x_amz_meta_x_amz_meta_b="=?UTF-8?Q?=C3=A9?=",
        x_amz_meta_c="\xc3\xa9\xff",
        x_amz_meta_="",
        x_amz_tagging_count="3",
        x_amz_storage_class="GLACIER",
        last_modified=DATE,
    )
    assert answer.content_headers == (
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Disposition", 'attachment; filename="é"'),
        ("Cache-Control", "no-cache"),
        ("Expires", "0"),
        ("x-amz-website-redirect-location", "/there"),
    )
    # UTF-8 where a store sends it raw, RFC 2047 as S3 sends it and takes it back, other bytes as they are.
    assert answer.metadata == {"a": "1", "x-amz-meta-b": "=?UTF-8?Q?=C3=A9?=", "c": "é\udcff", "": ""}
    assert (answer.tag_count, answer.storage_class, answer.modified) == (3, "GLACIER", 100.0)


@pytest.mark.parametrize("tags", ["", "x", "-1", "9" * 9])
def test_a_head_that_tells_little_is_of_a_standard_object_without_extras(tags: str) -> None:
    answer = head(x_amz_tagging_count=tags, last_modified="yesterday")
    assert (answer.modified, answer.storage_class, answer.encryption) == (None, "STANDARD", "")
    assert (answer.metadata, answer.content_headers, answer.tag_count) == ({}, (), 0)
    assert answer.composite_checksums == {}


@pytest.mark.parametrize(
    ("kind", "name", "value", "told"),
    [
        ("COMPOSITE", "sha256", crc(32) + "-2", True),
        ("COMPOSITE", "crc32c", crc(4) + "-10000", True),
        ("composite", "crc32", crc(4) + "-1", True),
        ("", "sha1", crc(20) + "-2", True),
        ("FULL_OBJECT", "crc32", crc(4) + "-2", False),
        ("COMPOSITE", "crc32", crc(4), False),
        ("COMPOSITE", "crc32", crc(4) + "-0", False),
        ("COMPOSITE", "crc32", crc(4) + "-x", False),
        ("COMPOSITE", "crc32", crc(8) + "-2", False),
        ("COMPOSITE", "crc32", "-2", False),
        ("COMPOSITE", "crc32", "????-2", False),
        ("COMPOSITE", "md5", crc(16) + "-2", False),
    ],
)
def test_a_checksum_of_the_parts_checksums_is_told_as_s3_writes_it(
    kind: str, name: str, value: str, told: bool
) -> None:
    given = {"x_amz_checksum_type": kind} if kind else {}
    answer = head(etag=PARTS, **given, **{f"x_amz_checksum_{name}": value})
    assert answer.composite_checksums == ({name: value} if told else {})


def test_a_head_of_one_part_tells_the_objects_size_and_the_parts_length() -> None:
    answer = head(
        etag=f'"{MD5}-3"',
        content_range="bytes 0-9/25",
        x_amz_mp_parts_count="3",
        x_amz_checksum_type="FULL_OBJECT",
        x_amz_checksum_crc64nvme=crc(),
    )
    assert (answer.size, answer.part_length, answer.part_count) == (25, 10, 3)
    # It may be the part's: nothing says that it is the object's.
    assert answer.checksums == {}


def test_a_head_of_the_only_part_keeps_the_checksum() -> None:
    answer = head(content_range="bytes 0-9/10", x_amz_checksum_crc64nvme=crc())
    assert answer.checksums == {"crc64nvme": bytes(range(8))}


@pytest.mark.parametrize(
    ("etag", "count", "expected"),
    [(MD5, "", 0), (MD5, "1", 1), (f"{MD5}-7", "", 7), (f"{MD5}-7", "x", 7), (f"{MD5}-7", "8", 8)],
)
def test_the_part_count_is_s3s_own_else_the_composite_etags(etag: str, count: str, expected: int) -> None:
    assert head(etag=etag, x_amz_mp_parts_count=count).part_count == expected


FULL, PARTS = MD5, f"{MD5}-2"


@pytest.mark.parametrize(
    ("etag", "kind", "name", "value", "believed"),
    [
        (FULL, "FULL_OBJECT", "crc64nvme", crc(8), True),
        (PARTS, "FULL_OBJECT", "crc64nvme", crc(8), True),
        (PARTS, "FULL_OBJECT", "crc32", crc(4), True),
        (PARTS, "FULL_OBJECT", "crc32c", crc(4), True),
        (FULL, "FULL_OBJECT", "sha1", crc(20), True),
        (FULL, "FULL_OBJECT", "sha256", crc(32), True),
        (PARTS, "FULL_OBJECT", "sha1", crc(20), False),
        (PARTS, "FULL_OBJECT", "sha256", crc(32), False),
        (FULL, "", "crc32", crc(4), True),
        (FULL, "", "sha256", crc(32), True),
        (PARTS, "", "crc32", crc(4), False),
        (PARTS, "COMPOSITE", "crc32c", crc(4), False),
        (PARTS, "COMPOSITE", "crc32c", crc(4) + "-2", False),
        (PARTS, "FULL_OBJECT", "crc32c", crc(4) + "-2", False),
        (FULL, "", "crc32c", crc(4) + "-2", False),
        (FULL, "SOMETHING", "crc32", crc(4), False),
        (FULL, "FULL_OBJECT", "crc64nvme", crc(4), False),
        (FULL, "FULL_OBJECT", "crc32", "????", False),
        (FULL, "FULL_OBJECT", "crc32", "é", False),
        (FULL, "FULL_OBJECT", "crc32", "", False),
        (FULL, "FULL_OBJECT", "md5", crc(16), False),
    ],
)
def test_only_checksums_of_the_whole_object_are_believed(
    etag: str, kind: str, name: str, value: str, believed: bool
) -> None:
    headers = {f"x_amz_checksum_{name}": value, "x_amz_checksum_type": kind, "etag": etag}
    assert (list(head(**headers).checksums) == [name]) is believed


@pytest.mark.parametrize(
    ("etag", "headers", "opaque"),
    [
        (MD5, {}, False),
        (f"{MD5}-2", {}, False),
        (MD5, {"x_amz_server_side_encryption": "AES256"}, False),
        (MD5, {"x_amz_server_side_encryption": "aws:kms"}, True),
        (f"{MD5}-2", {"x_amz_server_side_encryption": "aws:kms:dsse"}, True),
        (MD5, {"x_amz_server_side_encryption_customer_algorithm": "AES256"}, True),
        ("something-else", {}, True),
        (f"{MD5}-0", {}, True),
    ],
)
def test_an_etag_is_opaque_where_no_md5_makes_it(etag: str, headers: dict[str, str], opaque: bool) -> None:
    assert head(etag=etag, **headers).opaque_etag is opaque
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    assert replies.etag_is_md5({"etag": f'"{etag}"', **given}) is (not opaque and "-" not in etag)


def test_an_answer_without_an_etag_has_no_md5_in_it() -> None:
    assert not replies.etag_is_md5({})


@pytest.mark.parametrize(
    "headers",
    [
        {"etag": ""},
        {"etag": '""'},
        {"content_length": ""},
        {"content_length": "-1"},
        {"content_length": "1e3"},
        {"content_length": "１"},
        {"content_length": "9" * 5000},
        {"content_range": "bytes 0-9/*"},
        {"content_range": "bytes 9-0/10"},
    ],
)
def test_a_head_without_a_size_or_an_etag_is_unreadable(headers: dict[str, str]) -> None:
    with pytest.raises(Unreadable) as raised:
        head(**headers)
    assert len(str(raised.value)) <= 300


# headers and sidecar


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bytes 0-0/1", (0, 0, 1)),
        ("bytes 5-9/5497558138880", (5, 9, 5497558138880)),
        ("bytes 0-10/10", None),
        ("bytes 9-8/10", None),
        ("bytes 0-9/*", None),
        ("bytes */10", None),
        ("bytes 0-9/10 ", None),
        ("bytes=0-9/10", None),
        ("", None),
    ],
)
def test_a_content_range_makes_sense_or_is_none(text: str, expected: tuple[int, int, int] | None) -> None:
    assert replies.content_range(Response(206, {"content-range": text})) == expected
    assert replies.content_range(Response(206, {})) is None


@pytest.mark.parametrize("text", ["e-1", '"e-1"', 'W/"e-1"', ' "e-1" '])
def test_an_etag_comes_without_quotes_and_weakness(text: str) -> None:
    assert replies.etag(Response(200, {"etag": text})) == "e-1"


@pytest.mark.parametrize(
    ("etag", "composite"),
    [
        (f"{MD5}-1", True),
        (f"{MD5}-10000", True),
        (MD5, False),
        (f"{MD5}-", False),
        (f"{MD5}-0", False),
        ("", False),
    ],
)
def test_a_composite_etag_is_md5_dash_count(etag: str, composite: bool) -> None:
    assert replies.is_composite(etag) is composite


@pytest.mark.parametrize("body", [MD5, MD5 + "\n", " " + MD5 + "\r\n", MD5.upper()])
@pytest.mark.parametrize(("meta", "named"), [({}, ""), ({"x-amz-meta-etag": '"e-2"'}, "e-2")])
def test_a_sidecar_is_32_hex_digits_and_may_name_the_etag(
    body: str, meta: dict[str, str], named: str
) -> None:
    assert replies.sidecar(Response(200, meta, body.encode())) == (MD5, named)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        MD5[1:].encode(),
        MD5.encode() + b"0",
        MD5.encode() + b"  file",
        b"g" * 32,
        MD5.encode() + b" " * 100,
        "０".encode() * 32,
        b"\xff" * 32,
        b"<html>",
    ],
)
def test_any_other_sidecar_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable, match="sidecar"):
        replies.sidecar(Response(200, {}, body))


# anything at all

NAMES = [
    "content-length",
    "content-type",
    "content-range",
    "date",
    "etag",
    "last-modified",
    "retry-after",
    "x-amz-bucket-region",
    "x-amz-checksum-crc32",
    "x-amz-checksum-sha256",
    "x-amz-checksum-type",
    "x-amz-meta-etag",
    "x-amz-mp-parts-count",
    "x-amz-request-id",
    "x-amz-server-side-encryption",
    "x-amz-tagging-count",
]
LIKELY = st.sampled_from(
    [MD5, f'"{MD5}-2"', "5", "bytes 0-4/5", DATE, "FULL_OBJECT", "Mon, 99 Feb", "1 1 1 1:1:1:1", "=", "٣"]
)
TEXT = st.text() | LIKELY
TAGS = st.sampled_from(
    ["Error", "Code", "Message", "UploadId", "ETag", "R", "a:b", "!DOCTYPE a", "?xml?", "![CDATA["]
)
XML = st.lists(
    st.builds(lambda tag, text: f"<{tag}>{text}</{tag}>", TAGS, TEXT) | TAGS.map(lambda tag: f"<{tag}>"),
    max_size=8,
).map(lambda pieces: "".join(pieces))
BODIES = (
    st.binary()
    | XML.map(lambda xml: xml.encode("utf-8", "replace"))
    | XML.map(lambda xml: f"<Error>{xml}</Error>".encode("utf-8", "replace"))
    | st.builds(
        lambda encoding, xml: f'<?xml version="1.0" encoding="{encoding}"?><Error>{xml}</Error>'.encode(
            "utf-8", "replace"
        ),
        st.sampled_from(["utf-16", "latin-1", "nonsense", "rot13", "hex", "\0"]),
        XML,
    )
)
RESPONSES = st.builds(Response, st.integers(0, 999), st.dictionaries(st.sampled_from(NAMES), TEXT), BODIES)


@given(RESPONSES)
def test_any_answer_at_all_is_a_failure_or_none(response: Response) -> None:
    failed = replies.failure(response)
    if failed is None:
        assert 200 <= response.status <= 299
    else:
        assert failed.message.isprintable() and len(failed.message) <= 300
        assert failed.code.isprintable() and len(failed.code) <= 100
        assert failed.retry_after is None or 0 <= failed.retry_after < 1 << 32
        assert failed.server_time is None or 0 <= failed.server_time < 1 << 32


def all_of(answer: ObjectHead) -> object:
    content = (answer.content_headers, answer.metadata, answer.tag_count, answer.composite_checksums)
    return content, answer.modified, answer.storage_class, answer.encryption


@pytest.mark.parametrize(
    "read",
    [
        replies.upload_id,
        replies.completed,
        lambda response: all_of(replies.object_head(response)),
        replies.content_range,
        replies.etag,
        replies.sidecar,
        lambda response: replies.etag_is_md5(response.headers),
    ],
    ids=["upload_id", "completed", "object_head", "content_range", "etag", "sidecar", "etag_is_md5"],
)
@given(response=RESPONSES)
def test_any_answer_at_all_is_a_value_or_one_line_of_unreadable(read: Any, response: Response) -> None:
    try:
        read(response)
    except Unreadable as unreadable:
        assert str(unreadable).isprintable() and len(str(unreadable)) <= 300
