"""A machine whose clock is wrong by an hour: the server refuses the first signature and tells the time.

The clock is shifted in the program itself, in each of its processes; the server, which takes signatures that
are at most 15 minutes off, has the right time. A clock that jumps while a transfer runs is another matter of
the same kind: what was learnt must be learnt anew.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import Uploads, keys, store, stored
from tests.e2e.live import BIG, LONG, PART, PIECES, SMALL, Live, Start, noise, until
from tests.e2e.test_surroundings import after

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

HOUR = 3600
"""Seconds."""

Wrong = Callable[..., Live]


@pytest.fixture(params=[HOUR, -HOUR], ids=["fast", "slow"])
def wrong(request: pytest.FixtureRequest, start: Start) -> Wrong:
    """Runs the program, with --debug, on a clock that is an hour off; it must succeed."""
    shell = after(f"import time; right = time.time; time.time = lambda: right() + {request.param}")

    def run(*arguments: str, stdin: bytes = b"") -> Live:
        code, live = start.run(*arguments, "--debug", stdin=stdin, shell=shell)
        assert code == 0, live.said
        return live

    return run


def refusals(live: Live) -> int:
    """How often a signature was refused for its time."""
    return sum("RequestTimeTooSkewed" in line for line in live.said)


@pytest.mark.parametrize("size", [1000, PART + 1])
def test_a_put_is_signed_by_the_server_s_clock_after_one_refusal(
    wrong: Wrong, boto: S3Client, uploads: Uploads, bucket: str, size: int
) -> None:
    put = wrong("put", "-b", bucket, "-k", "k", *SMALL, stdin=noise(size))
    assert refusals(put) == 1, put.said
    assert put.verified == "md5+crc64nvme"
    assert stored(boto, bucket) == noise(size)
    assert uploads.pending() == []


def test_a_get_is_signed_by_the_server_s_clock_after_one_refusal(
    wrong: Wrong, boto: S3Client, bucket: str
) -> None:
    data = store(boto, bucket, LONG)
    got = wrong("get", "-b", bucket, "-k", "k", *PIECES)
    assert refusals(got) == 1, got.said
    assert got.stdout == data


def test_copies_and_removals_are_signed_by_the_server_s_clock(
    wrong: Wrong, boto: S3Client, bucket: str
) -> None:
    data = store(boto, bucket, LONG)
    wrong("cp", f"s3://{bucket}/k", f"s3://{bucket}/to", *PIECES)
    assert stored(boto, bucket, "to") == data
    wrong("rm", f"s3://{bucket}/k", f"s3://{bucket}/to")
    assert keys(boto, bucket) == []


def test_a_clock_that_is_set_during_a_put_costs_a_refusal_and_no_more(
    start: Start, uploads: Uploads, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    setting = after(
        "import os, time; right = time.time; "
        f"time.time = lambda: right() + {HOUR} * os.path.exists('{tmp_path / 'set'}')"
    )
    put = start("put", "-b", bucket, "-k", "k", *SMALL, "--debug", shell=setting)
    put.feed(noise(BIG)[: 2 * PART + 1000])
    until(lambda: uploads.parts() == {1, 2}, "two parts are stored")
    (tmp_path / "set").touch()
    put.feed_and_end(noise(BIG)[2 * PART + 1000 :])
    assert put.end() == 0, put.said
    assert refusals(put) >= 1
    assert stored(boto, bucket) == noise(BIG)
