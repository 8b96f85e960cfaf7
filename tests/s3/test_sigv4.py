"""Signatures equal botocore's, and AWS's own example."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gof3r.engine.s3 import operations
from gof3r.engine.s3.request import request_for
from gof3r.engine.s3.sigv4 import canonical_request, presign, sign
from gof3r.engine.values import Credentials, Endpoint, Header, Request, Target

NOW = datetime(2024, 2, 29, 23, 59, 59, tzinfo=timezone.utc)
KEYS = [
    "plain.txt",
    "with space",
    "+",
    "a:b@c=d&e",
    "#frag?query",
    "../up/./here/..",
    "a//b///c/",
    "/leading",
    "//two",
    "~*'()!$,;%",
    "%2F%20+%",
    "ünïcødé/日本語",
    "🪣/🧪",
    '\\^`{|}<>"[]',
    "new\nline\ttab\x00",
]
TOKENS = ["", "FwoGZXIvYXdzE//+=="]


def target(key: str, path_style: bool = False) -> Target:
    return Target(Endpoint("https", "s3.eu-west-1.amazonaws.com"), "eu-west-1", "bucket", key, path_style)


class _UnsignedPayload(botocore.auth.S3SigV4Auth):
    def payload(self, request: Any) -> str:
        return "UNSIGNED-PAYLOAD"


def botocores(request: Request, token: str, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """The canonical request and the Authorization header that botocore makes."""
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: NOW.replace(tzinfo=None))
    theirs = AWSRequest(request.method, request.url, dict(request.headers), request.body)
    signer = _UnsignedPayload(BotocoreCredentials("AKID", "SECRET/+", token or None), "s3", "eu-west-1")
    seen: list[str] = []
    original = signer.canonical_request

    def recorded(prepared: Any) -> str:
        seen.append(original(prepared))
        return seen[-1]

    monkeypatch.setattr(signer, "canonical_request", recorded)
    signer.add_auth(theirs)
    return seen[0], theirs.headers["Authorization"]


def assert_signed_alike(request: Request, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = sign(request, Credentials("AKID", "SECRET/+", token), NOW.timestamp())
    ours = canonical_request(request, headers[:-1], "UNSIGNED-PAYLOAD")[0], dict(headers)["Authorization"]
    assert ours == botocores(request, token, monkeypatch)


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("path_style", [False, True])
@pytest.mark.parametrize("key", KEYS)
def test_any_key_is_signed_as_botocore_signs_it(
    key: str, path_style: bool, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_signed_alike(operations.get_object(target(key, path_style), 5, 9, "e"), token, monkeypatch)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=st.text(min_size=1).filter(lambda key: key.encode("utf-8", "ignore").decode() == key))
def test_random_keys_are_signed_as_botocore_signs_them(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_signed_alike(operations.get_object(target(key)), "", monkeypatch)


AT = target("k +")
ALL = [
    operations.create_multipart_upload(AT, [("Content-Type", "text/plain; charset=utf-8")]),
    operations.upload_part(AT, "id/+=&~ é", 10000),
    operations.complete_multipart_upload(AT, "id", [(1, "e", "c")], 5, "crc="),
    operations.abort_multipart_upload(AT, "a.b_c-d"),
    operations.list_parts(AT, "id"),
    operations.list_objects(AT, "token/+="),
    operations.list_multipart_uploads(AT, "k +", "id"),
    operations.list_object_versions(AT),
    operations.delete_objects(AT, [("k +", "v&"), ("<é>", "")]),
    operations.get_object_tagging(AT),
    operations.delete_object(AT),
    operations.copy_object(AT, target("ünï +"), "e", replace_metadata=True),
    operations.upload_part_copy(AT, "id", 1, target("ünï +"), 0, 9, "e"),
    operations.put_object(AT, [("x-amz-meta-name", "  two   spaces "), ("X-Amz-Acl", "private")], b"body"),
    operations.head_object(AT, 1),
    operations.get_object(AT, 0, 0, "e"),
    request_for(AT, "x", "GET", [("a", "2"), ("a", "1"), ("B", "~"), ("é", "ü"), ("a-b", ""), ("a", "")]),
]


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("request_", ALL, ids=lambda request: request.operation)
def test_every_operation_is_signed_as_botocore_signs_it(
    request_: Request, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_signed_alike(request_, token, monkeypatch)


def test_the_get_object_example_of_the_s3_api_reference_is_reproduced() -> None:
    example = Target(Endpoint("https", "s3.amazonaws.com"), "us-east-1", "examplebucket", "test.txt", False)
    headers = sign(
        operations.get_object(example, 0, 9),
        Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        datetime(2013, 5, 24, tzinfo=timezone.utc).timestamp(),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    )
    assert headers == (
        ("Range", "bytes=0-9"),
        ("Host", "examplebucket.s3.amazonaws.com"),
        ("x-amz-date", "20130524T000000Z"),
        ("x-amz-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (
            "Authorization",
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
            "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
            "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
    )


@pytest.mark.parametrize(
    ("header", "signed"),
    [
        (("Content-MD5", "x"), True),
        (("Content-Type", "x"), True),
        (("Range", "x"), True),
        (("If-Match", "x"), True),
        (("X-Amz-Checksum-Crc64nvme", "x"), True),
        (("Cache-Control", "x"), False),
        (("User-Agent", "x"), False),
    ],
)
def test_headers_that_say_what_is_asked_are_signed_and_those_a_proxy_may_change_are_not(
    header: Header, signed: bool
) -> None:
    request = request_for(AT, "x", "GET", (), [header])
    headers = sign(request, Credentials("AKID", "SECRET"), 0)
    names = dict(headers)["Authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    assert (header[0].lower() in names) is signed
    assert header in headers


def test_the_session_token_is_sent_and_signed_only_when_there_is_one() -> None:
    with_token = sign(ALL[0], Credentials("AKID", "SECRET", "TOKEN"), 0)
    without = sign(ALL[0], Credentials("AKID", "SECRET"), 0)
    assert ("x-amz-security-token", "TOKEN") in with_token
    assert ";x-amz-security-token," in dict(with_token)["Authorization"]
    assert "x-amz-security-token" not in dict(without)


# presigned URLs

VERSION = Target(AT.endpoint, AT.region, "bucket", "k", False, "v/1=")
PRESIGNED = [
    operations.get_object(AT),
    operations.get_object(VERSION),
    operations.get_object(AT, 0, 9, "e"),
    operations.put_object(AT),
    operations.put_object(AT, [("x-amz-meta-name", "  two   spaces "), ("Content-Type", "a/b")]),
    operations.upload_part(AT, "id/+=", 2),
    *(operations.get_object(target(key, path_style)) for key in KEYS for path_style in (False, True)),
]


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("request_", PRESIGNED, ids=lambda request: f"{request.method} {request.path!r}")
def test_a_request_is_presigned_as_botocore_presigns_it(
    request_: Request, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: NOW.replace(tzinfo=None))
    theirs = AWSRequest(request_.method, request_.url, dict(request_.headers))
    identity = BotocoreCredentials("AKID", "SECRET/+", token or None)
    botocore.auth.S3SigV4QueryAuth(identity, "s3", "eu-west-1", expires=604800).add_auth(theirs)
    url = presign(request_, Credentials("AKID", "SECRET/+", token), NOW.timestamp(), 604800)
    ours, wanted = urlsplit(url), urlsplit(str(theirs.url))
    assert ours[:3] == wanted[:3]
    # In another order: S3 sorts them before it compares.
    assert sorted(parse_qsl(ours.query, keep_blank_values=True)) == sorted(
        parse_qsl(wanted.query, keep_blank_values=True)
    )


def test_the_presigned_url_of_the_s3_api_reference_is_reproduced() -> None:
    example = Target(Endpoint("https", "s3.amazonaws.com"), "us-east-1", "examplebucket", "test.txt", False)
    url = presign(
        operations.get_object(example),
        Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        datetime(2013, 5, 24, tzinfo=timezone.utc).timestamp(),
        86400,
    )
    assert url == (
        "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )


@pytest.mark.parametrize("request_", PRESIGNED[:6])
def test_a_presigned_url_shows_neither_the_secret_nor_what_cannot_be_pasted(request_: Request) -> None:
    url = presign(request_, Credentials("AKID", "SECRET/+", "TOKEN"), 0, 1)
    assert "SECRET" not in url
    assert url.isascii() and url.isprintable() and " " not in url


def test_another_region_needs_another_signature() -> None:
    there = replace(operations.get_object(AT), region="us-west-2")
    identity = Credentials("AKID", "SECRET")
    assert "/us-west-2/s3/" in dict(sign(there, identity, 0))["Authorization"]
    assert "%2Fus-west-2%2Fs3%2F" in presign(there, identity, 0, 1)


def test_only_spaces_are_folded_in_what_is_signed() -> None:
    request = request_for(AT, "x", "GET", (), [("x-amz-meta-a", "a\u00a0 b")])
    signed, _ = canonical_request(request, request.headers, "p")
    assert "x-amz-meta-a:a\u00a0 b\n" in signed
