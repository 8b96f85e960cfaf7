"""Memory is bounded by the slots, whatever the object's size."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.live import MIB, PART, SMALL, Start, noise

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

SLOTS = 4 * PART
PROCESSES = 45_000_000
"""Bytes beside the slots, for all processes together: the aim is 40 MB at the defaults."""
SIZE = 200_000_000
PEAK_PSS = Path(__file__).parents[2] / "tools" / "peak_pss.py"
MEASURED = f'exec {sys.executable} {PEAK_PSS} -- "$@"'


def peak(said: list[str]) -> float:
    """Bytes, as tools/peak_pss.py tells them in its line, the last."""
    match = re.fullmatch(r"peak memory: ([\d.]+) MB in \d+ processes \(PSS\)", said[-1])
    assert match, said
    return float(match[1]) * 1e6


def test_put_and_get_take_their_slots_and_little_more(start: Start, boto: S3Client, bucket: str) -> None:
    data = (noise(MIB) * (SIZE // MIB + 1))[:SIZE]
    code, put = start.run("put", "-b", bucket, "-k", "k", *SMALL, stdin=data, shell=MEASURED)
    assert code == 0, put.said
    assert boto.head_object(Bucket=bucket, Key="k")["ContentLength"] == SIZE
    assert peak(put.said) < SLOTS + PROCESSES

    code, got = start.run("get", "-b", bucket, "-k", "k", *SMALL, shell=MEASURED)
    assert code == 0, got.said
    assert got.stdout == data
    assert peak(got.said) < SLOTS + PROCESSES
