"""How S3 is reached, and by whom: settings from the command line, the environment, files; proxies; other
regions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.conftest import Server
from tests.e2e.conftest import Failed, keys, store, stored
from tests.e2e.front import Front
from tests.e2e.live import DATA, MIB, PART, PIECES, SMALL, Start, noise
from tests.e2e.relay import Relay
from tests.e2e.test_tls import CERTIFICATE

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


# --- who asks ------------------------------------------------------------------


def test_a_profile_that_is_asked_for_beats_the_environment_s_keys(
    start: Start, front: Front, s3: Server, environment: dict[str, str], bucket: str
) -> None:
    with open(environment["AWS_SHARED_CREDENTIALS_FILE"], "w") as file:
        file.write("[default]\naws_access_key_id = AKDEFAULT\naws_secret_access_key = no\n")
        file.write(f"[p]\naws_access_key_id = {s3.access_key}\naws_secret_access_key = {s3.secret_key}\n")
    wrong: dict[str, str | None] = {"AWS_ACCESS_KEY_ID": "AKENVIRONMENT", "AWS_SECRET_ACCESS_KEY": "no"}
    code, put = start.run("put", f"s3://{bucket}/k", "--profile", "p", stdin=DATA, env=wrong)
    assert code == 0, put.said
    assert front.seen
    for seen in front.seen:
        assert f"Credential={s3.access_key}/" in seen.headers["authorization"]


def test_a_public_object_is_read_unsigned_even_where_there_are_keys(
    start: Start, front: Front, boto: S3Client, bucket: str
) -> None:
    data = store(boto, bucket, len(DATA))
    allowed = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}
    allowed["Resource"] = f"arn:aws:s3:::{bucket}/*"
    boto.put_bucket_policy(
        Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    )
    code, got = start.run("get", f"s3://{bucket}/k", "--no-sign-request", *PIECES)
    boto.delete_bucket_policy(Bucket=bucket)
    assert (code, got.stdout) == (0, data), got.said
    names = {name for seen in front.seen for name in seen.headers}
    assert not names & {"authorization", "x-amz-security-token", "x-amz-date"}
    assert len(front.seen) == 5


# --- through a proxy ------------------------------------------------------------------


def test_http_goes_through_the_proxy_which_alone_need_know_the_name(
    start: Start, front: Front, boto: S3Client, bucket: str
) -> None:
    way: dict[str, str | None] = {"http_proxy": front.endpoint, "AWS_ENDPOINT_URL_S3": "http://s3.invalid"}
    url = f"s3://{bucket}/k"
    data = noise(PART + 1)
    code, put = start.run("put", url, "--path-style", *SMALL, stdin=data, env=way)
    assert code == 0, put.said
    assert stored(boto, bucket) == data
    code, got = start.run("get", url, "--path-style", *SMALL, env=way)
    assert (code, got.stdout) == (0, data), got.said
    assert front.seen
    for seen in front.seen:
        assert seen.line.partition(" ")[2].startswith(f"http://s3.invalid/{bucket}/"), seen.line
        assert seen.headers["host"] == "s3.invalid"


def test_https_goes_through_a_tunnel_of_the_proxy_that_sees_no_request(
    start: Start, s3: Server, boto: S3Client, bucket: str
) -> None:
    data = noise(PART + 1)
    with Front(s3.endpoint, CERTIFICATE) as tls, Front(tls.endpoint) as proxy:
        way: dict[str, str | None] = {
            "HTTPS_PROXY": proxy.endpoint.replace("//", "//user:pass-word@"),
            "AWS_ENDPOINT_URL_S3": "https://127.0.0.1:1",  # nobody is there: only the tunnel leads on
        }
        options = (f"s3://{bucket}/k", *SMALL, "--ca-bundle", str(CERTIFICATE), "--debug")
        code, put = start.run("put", *options, stdin=data, env=way)
        assert code == 0, put.said
        assert stored(boto, bucket) == data
        code, got = start.run("get", *options, env=way)
        assert (code, got.stdout) == (0, data), got.said
    assert set(proxy.lines) == {"CONNECT 127.0.0.1:1"}
    assert len(tls.seen) > 8
    assert "proxy-authorization" not in {name for seen in tls.seen for name in seen.headers}
    assert b"pass-word" not in put.stderr + got.stderr


def test_hosts_that_need_no_proxy_are_reached_without_it(
    start: Start, front: Front, boto: S3Client, bucket: str
) -> None:
    with Relay("http://127.0.0.1:1") as proxy:
        way: dict[str, str | None] = {"http_proxy": proxy.endpoint, "NO_PROXY": "example.com,127.0.0.1"}
        code, put = start.run("put", f"s3://{bucket}/k", stdin=DATA, env=way)
        assert code == 0, put.said
        assert proxy.connections == 0
    assert stored(boto, bucket) == DATA


def test_a_proxy_that_is_not_there_is_told_in_one_line(fails: Failed, bucket: str) -> None:
    way = {"http_proxy": "http://127.0.0.1:1"}
    put = fails("put", f"s3://{bucket}/k", "--retries=1", stdin=DATA, env=way)
    assert "curl 7" in put.error


# --- another region ------------------------------------------------------------------

THERE = {"x-amz-bucket-region": "eu-west-1"}


def error(code: str, more: str = "") -> str:
    return f"<?xml version='1.0'?>\n<Error><Code>{code}</Code><Message>elsewhere</Message>{more}</Error>"


REDIRECTS = {
    "301": (301, THERE, error("PermanentRedirect")),
    "307": (307, {**THERE, "Location": "http://s3.invalid/k"}, error("TemporaryRedirect")),
    "400": (400, {}, error("AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>")),
}


@pytest.mark.parametrize("redirect", REDIRECTS)
@pytest.mark.parametrize("size", [1000, 2 * PART + 1])
def test_a_put_is_signed_anew_for_the_region_that_the_server_names(
    start: Start, front: Front, boto: S3Client, bucket: str, size: int, redirect: str
) -> None:
    data = noise(size)
    front.answer("(PUT|POST) ", *REDIRECTS[redirect])
    code, put = start.run("put", f"s3://{bucket}/k", *SMALL, stdin=data)
    assert code == 0, put.said
    assert stored(boto, bucket) == data
    assert [seen.region for seen in front.seen] == ["us-east-1"] + ["eu-west-1"] * (len(front.seen) - 1)


@pytest.mark.parametrize("redirect", REDIRECTS)
def test_a_get_is_signed_anew_for_the_region_that_the_server_names(
    start: Start, front: Front, boto: S3Client, bucket: str, redirect: str
) -> None:
    data = store(boto, bucket, len(DATA))
    status, headers, body = REDIRECTS[redirect]
    front.answer("HEAD ", status, headers)  # which has no body: the region must come with the GET after it
    if not headers:
        front.answer("GET ", status, headers, body)
    code, got = start.run("get", f"s3://{bucket}/k", *PIECES)
    assert (code, got.stdout) == (0, data), got.said
    first = 1 if headers else 2
    regions = [seen.region for seen in front.seen]
    assert regions == ["us-east-1"] * first + ["eu-west-1"] * (len(regions) - first)


def test_a_redirect_to_another_host_is_never_followed(
    fails: Failed, front: Front, s3: Server, bucket: str
) -> None:
    with Relay(s3.endpoint) as foreign:
        location = {"Location": f"{foreign.endpoint}/{bucket}/k"}
        body = error("TemporaryRedirect", f"<Endpoint>{foreign.endpoint[7:]}</Endpoint>")
        front.answer("(PUT|POST) ", 307, location, body, 0)
        put = fails("put", f"s3://{bucket}/k", *SMALL, stdin=noise(PART + 1))
        assert "307 TemporaryRedirect" in put.error
        assert foreign.connections == 0
    assert len(front.seen) == 1


@pytest.mark.parametrize("second", ["eu-west-1", "ap-south-1"])
def test_a_second_redirect_is_an_error_in_one_line(
    fails: Failed, front: Front, bucket: str, second: str
) -> None:
    front.answer("POST ", *REDIRECTS["301"])
    front.answer("POST ", 301, {"x-amz-bucket-region": second}, error("PermanentRedirect"), 0)
    put = fails("put", f"s3://{bucket}/k", *SMALL, stdin=noise(PART + 1))
    assert "301 PermanentRedirect" in put.error
    assert [seen.region for seen in front.seen] == ["us-east-1", "eu-west-1"]


@pytest.mark.parametrize("region", ["evil.example.com", "a b", "r" * 100])
def test_a_region_that_is_none_is_not_believed(fails: Failed, front: Front, bucket: str, region: str) -> None:
    front.answer("POST ", 301, {"x-amz-bucket-region": region}, error("PermanentRedirect"), 0)
    put = fails("put", f"s3://{bucket}/k", *SMALL, stdin=noise(PART + 1))
    assert "301 PermanentRedirect" in put.error
    assert len(front.seen) == 1


# --- the ini file ------------------------------------------------------------------


def write_ini(environment: dict[str, str], *lines: str) -> str:
    path = f"{environment['HOME']}/.gof3r.ini"
    with open(path, "w") as file:
        file.write("\n".join(lines) + "\n")
    return path


def test_the_ini_file_says_what_nobody_nearer_says(
    start: Start, front: Front, environment: dict[str, str], boto: S3Client, bucket: str
) -> None:
    del environment["AWS_ENDPOINT_URL_S3"]
    write_ini(
        environment,
        *("[Application Options]", "; the original's", "[put]", f'endpoint = "{front.endpoint}"'),
        *("PartSize = 6291456", "concurrency = 3", "NoMd5 = true", "header = x-amz-meta-a:1"),
        *("[get]", f"endpoint = {front.endpoint}", "no-md5 = true"),
    )
    data = noise(2 * PART + 3 * MIB)
    code, put = start.run("put", f"s3://{bucket}/k", stdin=data)
    assert code == 0, put.said
    assert put.verified == "md5+crc64nvme"
    assert keys(boto, bucket) == ["k"]
    head = boto.head_object(Bucket=bucket, Key="k", PartNumber=1)
    assert (head["ContentLength"], head["Metadata"]) == (6 * MIB, {"a": "1"})
    code, got = start.run("get", f"s3://{bucket}/k", *SMALL)
    assert (code, got.stdout, got.verified) == (0, data, "crc64nvme"), got.said
    assert len(front.seen) > 8


def test_command_line_and_environment_beat_the_ini_file(
    start: Start, environment: dict[str, str], boto: S3Client, bucket: str
) -> None:
    write_ini(environment, "[put]", "endpoint = http://127.0.0.1:1", "region = of-nobody", "partsize = 6MiB")
    data = noise(2 * PART + 3 * MIB)
    code, put = start.run("put", f"s3://{bucket}/k", *SMALL, stdin=data)
    assert code == 0, put.said
    assert boto.head_object(Bucket=bucket, Key="k", PartNumber=1)["ContentLength"] == PART


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("frobnicate = 1", "put has no option 'frobnicate'"),
        ("bucket = b", "'bucket' belongs on the command line"),
        ("no-md5 = perhaps", "neither true nor false"),
    ],
)
def test_what_is_wrong_in_the_ini_file_is_told_with_its_place(
    start: Start, environment: dict[str, str], relay: Relay, bucket: str, line: str, why: str
) -> None:
    path = write_ini(environment, "[put]", "; a comment", line)
    code, put = start.run("put", f"s3://{bucket}/k", stdin=DATA)
    assert code == 2
    assert put.said[0].startswith(f"gof3r error: {path}:3: ")
    assert why in put.said[0]
    assert relay.connections == 0


def test_the_ini_file_that_we_write_changes_nothing(start: Start, boto: S3Client, bucket: str) -> None:
    code, wrote = start.run("-i")
    assert code == 0, wrote.said
    code, put = start.run("put", f"s3://{bucket}/k", stdin=DATA)
    assert code == 0, put.said
    assert put.verified == "md5+crc64nvme"
    assert keys(boto, bucket) == [".md5/k.md5", "k"]
