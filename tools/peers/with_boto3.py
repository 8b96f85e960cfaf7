"""A put or a get by boto3, as a command:  with_boto3.py put|get URL BUCKET KEY CONCURRENCY PART_SIZE

Standard input or output is the stream. Keys and region come from the environment.
"""

from __future__ import annotations

import sys

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config


def main(way: str, url: str, bucket: str, key: str, *numbers: str) -> None:
    concurrency, part_size = map(int, numbers)
    pool = concurrency + 2  # The control requests of the transfer need connections too.
    config = Config(max_pool_connections=pool, s3={"addressing_style": "path"})
    client = boto3.client("s3", endpoint_url=url, config=config)
    transfer = TransferConfig(
        multipart_threshold=part_size,
        multipart_chunksize=part_size,
        max_concurrency=concurrency,
        io_chunksize=1 << 20,
        preferred_transfer_client="classic",  # The other is AWS CRT, which is a peer of its own.
    )
    if way == "put":
        client.upload_fileobj(sys.stdin.buffer, bucket, key, Config=transfer)
    else:
        client.download_fileobj(bucket, key, sys.stdout.buffer, Config=transfer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
