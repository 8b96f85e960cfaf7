"""A put or a get by obstore, as a command:  with_obstore.py put|get URL BUCKET KEY CONCURRENCY PART_SIZE

Standard input or output is the stream. Keys, region and AWS_CA_BUNDLE come from the environment. A get asks
for ranges in as many threads as there may be connections, and writes them in order: obstore's own stream has
one connection.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import obstore
from obstore.store import S3Store


def open_store(url: str, bucket: str) -> Any:
    options: Any = {"timeout": "600s"}  # The default is 30 s for a request: short for a slow part.
    if url.startswith("http:"):
        options["allow_http"] = True
    if authority := os.environ.get("AWS_CA_BUNDLE"):
        with open(authority, "rb") as file:
            options["root_certificate"] = file.read()
    token = os.environ.get("AWS_SESSION_TOKEN")
    optional: Any = {"session_token": token} if token else {}
    return S3Store(
        bucket,
        endpoint=url,
        region=os.environ["AWS_REGION"],
        access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
        secret_access_key=os.environ["AWS_SECRET_ACCESS_KEY"],
        virtual_hosted_style_request=False,
        client_options=options,
        **optional,
    )


def put(store: Any, key: str, concurrency: int, part_size: int) -> None:
    with obstore.open_writer(store, key, buffer_size=part_size, max_concurrency=concurrency) as writer:
        while data := os.read(0, 1 << 20):
            writer.write(data)


def get(store: Any, key: str, concurrency: int, part_size: int) -> None:
    size = int(obstore.head(store, key)["size"])
    ranges = [(start, min(part_size, size - start)) for start in range(0, size, part_size)]
    asked: deque[Future[Any]] = deque()
    with ThreadPoolExecutor(concurrency) as threads:
        for start, length in ranges:
            if len(asked) == concurrency:
                sys.stdout.buffer.write(asked.popleft().result())
            asked.append(threads.submit(obstore.get_range, store, key, start=start, length=length))
        for answer in asked:
            sys.stdout.buffer.write(answer.result())
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    way, url, bucket, key, concurrency, part_size = sys.argv[1:]
    (put if way == "put" else get)(open_store(url, bucket), key, int(concurrency), int(part_size))
