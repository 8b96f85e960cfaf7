"""Over TLS: to a server whose certificate is trusted, and never a byte to one whose certificate is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.live import PART, SMALL, Start, noise
from tests.e2e.relay import Relay
from tools.local_s3 import LocalS3

CERTIFICATE = Path(__file__).parent / "loopback.pem"


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
