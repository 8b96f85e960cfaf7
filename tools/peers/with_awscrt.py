"""A put or a get by AWS CRT, as a command: with_awscrt.py put|get URL BUCKET KEY CONCURRENCY PART_SIZE

Standard input or output is the stream. Keys, region and AWS_CA_BUNDLE come from the environment.
"""

from __future__ import annotations

import os
import sys
from typing import Any
from urllib.parse import urlsplit

from awscrt.auth import AwsCredentialsProvider
from awscrt.http import HttpHeaders, HttpRequest
from awscrt.io import ClientTlsContext, TlsContextOptions
from awscrt.s3 import S3Client, S3RequestTlsMode, S3RequestType, create_default_s3_signing_config


def open_client(tls: bool, concurrency: int, part_size: int) -> S3Client:
    region = os.environ["AWS_REGION"]
    provider = AwsCredentialsProvider.new_environment()
    options = TlsContextOptions()
    if authority := os.environ.get("AWS_CA_BUNDLE"):
        options.override_default_trust_store_from_path(None, authority)
    connection: Any = ClientTlsContext(options).new_connection_options()  # The stubs name another class.
    return S3Client(
        region=region,
        signing_config=create_default_s3_signing_config(region=region, credential_provider=provider),
        tls_mode=S3RequestTlsMode.ENABLED if tls else S3RequestTlsMode.DISABLED,
        tls_connection_options=connection if tls else None,
        part_size=part_size,
        max_active_connections_override=concurrency,
    )


def write_all(chunk: bytes, offset: int, **kwargs: Any) -> None:
    """CRT hands out an object's bytes in order."""
    left = memoryview(chunk)
    while left:
        left = left[os.write(1, left) :]


def main(way: str, url: str, bucket: str, key: str, *numbers: str) -> None:
    concurrency, part_size = map(int, numbers)
    parts = urlsplit(url)
    client = open_client(parts.scheme == "https", concurrency, part_size)
    headers, path = HttpHeaders([("Host", parts.netloc)]), f"/{bucket}/{key}"
    if way == "put":
        # The size of a stream is not known: CRT uploads it in parts until it ends.
        request = HttpRequest("PUT", path, headers, body_stream=sys.stdin.buffer)
        transfer = client.make_request(type=S3RequestType.PUT_OBJECT, request=request)
    else:
        request = HttpRequest("GET", path, headers)
        transfer = client.make_request(type=S3RequestType.GET_OBJECT, request=request, on_body=write_all)
    transfer.finished_future.result()


if __name__ == "__main__":
    main(*sys.argv[1:])
