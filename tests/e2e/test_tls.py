"""Over TLS: to a server whose certificate is trusted, and never a byte to one whose certificate is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Server
from tests.e2e.conftest import Failed
from tests.e2e.front import Front
from tests.e2e.live import DATA, PART, SMALL, Start, noise
from tests.e2e.relay import Relay
from tools.local_s3 import LocalS3

CERTIFICATE = Path(__file__).parent / "loopback.pem"
BAD = Path(__file__).parent / "certificates"

REFUSED = {
    "another-name": "no alternative certificate subject name matches target",
    "expired": "certificate has expired",
}
"""Certificates that are trusted and no good all the same, and what libcurl says of them."""


@pytest.fixture(scope="module")
def tls() -> Iterator[LocalS3]:
    """A server with a certificate that no authority has signed."""
    with LocalS3(certificate=CERTIFICATE) as server:
        yield server


def test_put_and_get_go_over_https_to_a_server_that_the_ca_bundle_trusts(start: Start, tls: LocalS3) -> None:
    data = noise(2 * PART + 1)
    assert tls.environment["AWS_ENDPOINT_URL_S3"].startswith("https://")
    options = ("-b", tls.bucket, "-k", "k", "--ca-bundle", str(CERTIFICATE))
    code, put = start.run("put", *options, *SMALL, stdin=data, env=tls.environment)
    assert code == 0, put.said
    assert put.verified == "md5+crc64nvme"

    code, got = start.run("get", *options, *SMALL, env=tls.environment)
    assert (code, got.stdout) == (0, data), got.said
    assert got.verified == "md5+crc64nvme"


@pytest.mark.parametrize(("command", "size"), [("put", 10), ("put", PART + 1), ("get", 0)])
def test_an_untrusted_certificate_is_told_and_never_tried_again(
    start: Start, tls: LocalS3, command: str, size: int
) -> None:
    with Relay(tls.endpoint) as relay:
        environment = {**tls.environment, "AWS_ENDPOINT_URL_S3": relay.endpoint}
        options = ("-b", tls.bucket, "-k", "k", "-s", "5MiB")
        code, live = start.run(command, *options, stdin=noise(size), env=environment)
        assert code == 1, live.said
        assert "curl 60" in live.error
        assert "--ca-bundle" in live.error
        assert live.stdout == b""
        assert relay.connections == 1


# --- a certificate that is no good ------------------------------------------------------------------


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize(("command", "size"), [("put", 10), ("put", PART + 1), ("get", 0), ("rm", 0)])
def test_no_request_goes_where_the_certificate_is_of_another_host_or_has_expired(
    fails: Failed, s3: Server, bucket: str, name: str, command: str, size: int
) -> None:
    certificate = BAD / f"{name}.pem"
    with Front(s3.endpoint, certificate) as front, Relay(front.endpoint) as relay:
        options = ("-b", bucket, "-k", "k", "--ca-bundle", str(certificate))
        env: dict[str, str | None] = {"AWS_ENDPOINT_URL_S3": relay.endpoint}
        live = fails(command, *options, stdin=noise(size), env=env)
        assert "curl 60" in live.error
        assert REFUSED[name] in live.error
        assert f"s3://{bucket}/k" in live.error
        assert live.stdout == b""
        assert front.seen == []
        assert relay.connections == 1


# --- whom to trust ------------------------------------------------------------------


@pytest.fixture
def front(s3: Server, environment: dict[str, str], start: Start) -> Iterator[Front]:
    """The way to ``s3`` for every run of this test, over TLS."""
    with Front(s3.endpoint, CERTIFICATE) as front:
        environment["AWS_ENDPOINT_URL_S3"] = front.endpoint
        yield front


def test_aws_ca_bundle_is_heeded_and_the_option_overrules_it(start: Start, front: Front, bucket: str) -> None:
    named: dict[str, str | None] = {"AWS_CA_BUNDLE": str(CERTIFICATE)}
    code, put = start.run("put", f"s3://{bucket}/k", stdin=DATA, env=named)
    assert code == 0, put.said
    assert front.seen
    front.seen.clear()

    other = ("--ca-bundle", str(BAD / "another-name.pem"))
    code, put = start.run("put", f"s3://{bucket}/k", *other, stdin=DATA, env=named)
    assert code == 1
    assert "curl 60" in put.error
    assert front.seen == []


@pytest.mark.parametrize("content", ["", "no certificate\n", "-----BEGIN CERTIFICATE-----\nAAAA\n"])
@pytest.mark.parametrize("command", ["put", "get"])
def test_a_ca_bundle_without_certificates_is_told_and_nothing_is_asked(
    start: Start, front: Front, bucket: str, tmp_path: Path, command: str, content: str
) -> None:
    bundle = tmp_path / "bundle"
    bundle.write_text(content)
    code, live = start.run(command, f"s3://{bucket}/k", "--ca-bundle", "bundle", stdin=DATA)
    assert code == 1
    assert "curl 77" in live.error
    assert "the CA bundle cannot be read" in live.error
    assert front.seen == []


@pytest.mark.parametrize("way", ["--ca-bundle", "AWS_CA_BUNDLE"])
def test_a_ca_bundle_that_is_not_there_is_a_usage_error(
    start: Start, front: Front, bucket: str, way: str
) -> None:
    options = [way, "absent"] if way.startswith("--") else []
    env: dict[str, str | None] = {} if options else {way: "absent"}
    code, live = start.run("put", f"s3://{bucket}/k", *options, stdin=DATA, env=env)
    assert code == 2
    assert live.said[0] == f"gof3r error: {way}: there is no file 'absent'"
    assert front.seen == []


def test_nothing_around_the_program_makes_it_trust_more(
    start: Start, front: Front, bucket: str, tmp_path: Path, environment: dict[str, str]
) -> None:
    """What other tools heed: variables that add authorities, and those that take all for good."""
    trust = str(CERTIFICATE)
    added = ("CURL_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS")
    off = {"PYTHONHTTPSVERIFY": "0", "GIT_SSL_NO_VERIFY": "1", "NODE_TLS_REJECT_UNAUTHORIZED": "0"}
    env: dict[str, str | None] = {**dict.fromkeys(added, trust), **off}
    openssl = tmp_path / "openssl.cnf"
    openssl.write_text(
        "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\nVerifyMode = Request\n"
    )
    env["OPENSSL_CONF"] = str(openssl)
    home = tmp_path / "home"
    (home / ".curlrc").write_text("insecure\n")
    (home / ".netrc").write_text("machine 127.0.0.1 login me password mine\n")
    (home / "config").write_text("[default]\nverify_ssl = false\ns3 =\n    verify = false\n")
    env["AWS_CONFIG_FILE"] = str(home / "config")
    code, put = start.run("put", f"s3://{bucket}/k", stdin=DATA, env=env)
    assert code == 1
    assert "curl 60" in put.error
    assert front.seen == []


def test_no_ssl_does_not_weaken_an_endpoint_that_says_https(start: Start, front: Front, bucket: str) -> None:
    code, put = start.run("put", f"s3://{bucket}/k", "--no-ssl", stdin=DATA)
    assert code == 1
    assert "curl 60" in put.error
    assert front.seen == []
