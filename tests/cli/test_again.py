"""The command that goes on with a kept upload can be pasted, and says nothing that a log must not have."""

from __future__ import annotations

import shlex

import pytest

from gof3r.again import again
from gof3r.arguments import Command, parse


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["put", "s3://b/k", "--resume"], "gof3r put --upload-id=I s3://b/k --resume"),
        (["--region", "x", "put", "--resume"], "gof3r --region x put --upload-id=I --resume"),
        (["put", "s3://b/a  b$", "-p", "it's"], "gof3r put --upload-id=I 's3://b/a  b$' -p 'it'\"'\"'s'"),
        (["put", "--upload-id", "I", "s3://b/k"], "gof3r put --upload-id I s3://b/k"),
        (["put", "s3://b/k", "--", "ls"], "gof3r put --upload-id=I s3://b/k -- ls"),
        (["put", "s3://b/k\n"], "gof3r put --upload-id=I 's3://b/k?'"),
    ],
)
def test_it_is_the_users_own_with_the_upload(words: list[str], shown: str) -> None:
    assert again(words, "I") == shown


def test_it_can_be_parsed_again() -> None:
    words = ["put", "-b", "b", "-k", "a b@c", "--resume", "-m", "x-amz-meta-by:me"]
    command = parse(shlex.split(again(words, "a=b"))[1:])
    assert isinstance(command, Command)
    assert command.options == {"bucket": "b", "key": "a b@c", "upload-id": "a=b"}
    assert command.headers == ("x-amz-meta-by:me",)


@pytest.mark.parametrize(
    "words",
    [
        ["-m", "x-amz-server-side-encryption-customer-key:SECRET"],
        ["--header=X-Amz-Server-Side-Encryption-Customer-Key:SECRET"],
        ["-mx-amz-server-side-encryption-customer-key:SECRET"],
        ["--endpoint", "https://me:SECRET@host"],
        ["--endpoint=https://SECRET@host"],
        ["--", "pg_dump", "--password=SECRET"],
    ],
)
def test_no_secret_is_in_it(words: list[str]) -> None:
    shown = again(["put", "s3://b/k", *words], "I")
    assert "SECRET" not in shown and "..." in shown
