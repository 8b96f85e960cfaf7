"""Digests equal the published ones, and a whole's CRC follows from its parts'."""

from __future__ import annotations

import subprocess
import sys
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gof3r.engine.s3 import checksums

CRCS = ["crc64nvme", "crc32", "crc32c"]
NAMES = [*CRCS, "md5", "sha1", "sha256"]


@pytest.mark.parametrize(
    ("name", "digest"),
    [  # The check values of the CRC catalogue, RFC 1321, FIPS 180-2.
        ("crc64nvme", "ae8b14860a799888"),
        ("crc32", "cbf43926"),
        ("crc32c", "e3069283"),
        ("md5", "25f9e794323b453885f5181f1b624d0b"),
        ("sha1", "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
        ("sha256", "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"),
    ],
)
def test_123456789_has_its_published_digest(name: str, digest: str) -> None:
    assert checksums.compute([name], memoryview(b"123456789")) == {name: bytes.fromhex(digest)}


@pytest.mark.parametrize("name", CRCS)
def test_the_crc_of_nothing_is_zeroes_of_its_full_width(name: str) -> None:
    width = 8 if name == "crc64nvme" else 4
    assert checksums.new(name).digest() == bytes(width)


@pytest.mark.parametrize("name", NAMES)
@given(pieces=st.lists(st.binary(max_size=50)))
def test_a_digest_of_pieces_is_the_digest_of_the_whole(name: str, pieces: list[bytes]) -> None:
    digest = checksums.new(name)
    for piece in pieces:
        digest.update(memoryview(piece))
    assert digest.digest() == checksums.compute([name], memoryview(b"".join(pieces)))[name]


@pytest.mark.parametrize("name", CRCS)
@given(parts=st.lists(st.binary(max_size=50), min_size=1))
def test_crcs_of_parts_combine_into_that_of_the_whole(name: str, parts: list[bytes]) -> None:
    def crc(data: bytes) -> bytes:
        return checksums.compute([name], memoryview(data))[name]

    def add(so_far: bytes, part: bytes) -> bytes:
        return checksums.combine(name, so_far, crc(part), len(part))

    assert reduce(add, parts, crc(b"")) == crc(b"".join(parts))


def test_a_crc_combines_over_lengths_beyond_32_bits() -> None:
    zeros = memoryview(bytes(1 << 20))
    mebibyte = checksums.compute(["crc64nvme"], zeros)["crc64nvme"]
    doubled, length = mebibyte, 1 << 20
    while length < 1 << 33:
        doubled = checksums.combine("crc64nvme", doubled, doubled, length)
        length *= 2
    # One at a time from the other side: 8 GiB + 1 MiB either way round.
    assert checksums.combine("crc64nvme", doubled, mebibyte, 1 << 20) == checksums.combine(
        "crc64nvme", mebibyte, doubled, length
    )


def test_an_unknown_digest_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="crc16"):
        checksums.new("crc16")


def test_only_content_md5_and_crc64nvme_become_headers() -> None:
    digests = checksums.compute(NAMES, memoryview(b"123456789"))
    assert checksums.digest_headers(digests) == (
        ("Content-MD5", "JfnnlDI7RTiF9RgfG2JNCw=="),
        ("x-amz-checksum-crc64nvme", "rosUhgp5mIg="),
    )
    assert checksums.digest_headers({}) == ()


def test_md5_alone_does_not_pay_for_importing_awscrt() -> None:
    code = (
        "import sys; from gof3r.engine.s3 import checksums;"
        "checksums.compute(['md5', 'sha256'], memoryview(b'')); sys.exit('awscrt' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
