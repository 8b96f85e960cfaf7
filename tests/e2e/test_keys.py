"""Keys that are hard to carry: what was given is what is stored, listed, read, copied and removed, and an
independent client sees the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tests.e2e.conftest import keys, md5, stored
from tests.e2e.live import Start
from tests.e2e.relay import Relay

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

LONGEST = "/".join(["y" * 203] * 5) + "zzzzz"
"""1024 bytes: S3's limit. SeaweedFS has one of its own, 255 bytes for what stands between two slashes."""

HARD = {
    "percent": ("%41", "%2F", "100%", "%zz", "+", "two words+plus"),
    "query": ("?", "a?b=c&d", "#", "hash#tag", ";=@:", "*(others)[]{}!,$"),
    "letters": ("naïve/日本語", "caf\u00e9", "cafe\u0301", "🪣", "\u202e\u200b\u0085", "\U0010ffff\ufffe"),
    "markup": ("<>&", "&amp;", "'", '"', "]]>", "^`|x"),
    "blanks": (" ", " leading", "trailing ", "tab\t", "new\nline", "\r\x01\x7f"),
    "names": ("-dash", "--help", "...", "~", ".md5/x.md5", LONGEST),
}

MANY = """
import contextlib, io, json, sys
from gof3r.cli import main
said = []
for words in json.load(sys.stdin):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        code = main(words)
    said.append((code, out.getvalue()))
json.dump(said, sys.stdout)
"""
"""Runs commands one after the other: a process for each of these would take most of the tests' time."""


def many(start: Start, folder: Path, commands: list[list[str]]) -> list[str]:
    """What each of ``commands`` prints; none may fail."""
    (folder / "many.py").write_text(MANY)
    code, live = start.run(shell='exec "$1" many.py', stdin=json.dumps(commands).encode())
    assert code == 0, live.said
    said = json.loads(live.stdout)
    assert [code for code, _ in said] == [0] * len(commands), live.said
    return [text for _, text in said]


@pytest.mark.parametrize("group", HARD)
def test_a_hard_key_stays_the_same_from_put_to_rm(
    start: Start, boto: S3Client, bucket: str, tmp_path: Path, group: str
) -> None:
    given = HARD[group]
    copies = {key: f"x{key[1:]}" if key == LONGEST else f"copy/{key}" for key in given}
    every = (*given, *copies.values())
    plain = {key: ["--no-md5"] if len(key) == len(LONGEST) else [] for key in every}
    sidecars = [f".md5/{key}.md5" for key in every if not plain[key]]

    for number, key in enumerate(given):
        (tmp_path / f"in{number}").write_text(key, newline="")
    puts = [["put", "-b", bucket, "-k", key, "-p", f"in{n}", *plain[key]] for n, key in enumerate(given)]
    many(start, tmp_path, puts)
    for key in given:
        assert stored(boto, bucket, key) == key.encode()

    listing, *infos = many(
        start,
        tmp_path,
        [["cp", f"s3://{bucket}/{key}", f"s3://{bucket}/{copies[key]}", *plain[key]] for key in given]
        + [["get", f"s3://{bucket}/{key}", f"out{n}", *plain[key]] for n, key in enumerate(every)]
        + [["ls", f"s3://{bucket}", "--json"]]
        + [["info", "-b", bucket, "-k", key, "--json"] for key in given],
    )[-1 - len(given) :]
    for key in given:
        assert stored(boto, bucket, copies[key]) == key.encode()
    assert sorted(keys(boto, bucket)) == sorted([*every, *sidecars])
    outs = [(tmp_path / f"out{number}").read_bytes() for number in range(len(every))]
    assert outs == [key.encode() for key in given] * 2
    assert [json.loads(line)["key"] for line in listing.splitlines()] == keys(boto, bucket)
    facts = [json.loads(info) for info in infos]
    assert [fact["object"] for fact in facts] == [f"s3://{bucket}/{key}" for key in given]
    assert [fact["etag"] for fact in facts] == [md5(key.encode()) for key in given]

    many(start, tmp_path, [["rm", *(f"s3://{bucket}/{key}" for key in every)]])
    assert keys(boto, bucket) == []


@pytest.mark.parametrize("key", ["a//b", "/a", "./x", "a/../b", "\\"])
def test_a_key_that_this_store_takes_for_another_is_sent_as_it_was_given(
    start: Start, relay: Relay, bucket: str, key: str
) -> None:
    # SeaweedFS makes paths of keys: it refuses dots, drops empty pieces, and turns backslashes.
    relay.hold(rf"PUT /{bucket}/{quote(key, safe='/').replace('.', '[.]')} HTTP")
    start("put", "-b", bucket, "-k", key, stdin=b"bytes")
    relay.held()
