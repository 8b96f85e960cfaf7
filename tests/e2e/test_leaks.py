"""What has leaked once: keys in messages and on disk, files and memory that others could open."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import Server
from tests.e2e.conftest import Uploads, store, stored
from tests.e2e.front import Front
from tests.e2e.live import LONG, PART, PIECES, Start, noise
from tests.e2e.relay import Relay
from tests.e2e.test_privacy import (
    ALL_CORES,
    NO_CORE,
    NO_TMPFILE,
    SLAB,
    driving,
    looked,
    middle,
)
from tests.e2e.test_secrets import (
    COMMANDS,
    KEY,
    SECRET,
    SOURCE_KEY,
    SSE_C,
    TOKEN,
    WORD,
    Raw,
    answer,
    quiet,
    secretive,
    with_key,
)
from tests.e2e.test_surroundings import after
from tests.e2e.test_tls import BAD, CERTIFICATE

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

__all__ = ["secretive"]  # a fixture


# --- test_tls.py ------------------------------------------------------------------


def test_the_keys_of_a_session_are_written_nowhere(
    start: Start, s3: Server, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    """SSLKEYLOGFILE: whoever has that file reads all that was sent, keys of SSE-C included. A command that is
    run has its environment all the same."""
    path = tmp_path / "keys"
    with Front(s3.endpoint, CERTIFICATE) as front:
        env: dict[str, str | None] = {"AWS_ENDPOINT_URL_S3": front.endpoint, "SSLKEYLOGFILE": str(path)}
        words = ("put", f"s3://{bucket}/k", "--ca-bundle", str(CERTIFICATE))
        code, put = start.run(*words, "--", "sh", "-c", "echo $SSLKEYLOGFILE", env=env)
    assert code == 0, put.said
    assert front.seen
    assert not path.exists()
    assert stored(boto, bucket) == f"{path}\n".encode()


@pytest.mark.parametrize("name", ["another-name", "expired"])
def test_a_certificate_that_no_ca_bundle_mends_is_told_so(start: Start, s3: Server, name: str) -> None:
    certificate = BAD / f"{name}.pem"
    with Front(s3.endpoint, certificate) as front:
        env: dict[str, str | None] = {"AWS_ENDPOINT_URL_S3": front.endpoint}
        code, live = start.run("get", "s3://b/k", "--ca-bundle", str(certificate), env=env)
    assert code == 1
    assert "name" in live.error.rpartition(";")[2]
    assert "expired" in live.error.rpartition(";")[2]


# --- test_privacy.py ------------------------------------------------------------------


@pytest.mark.parametrize("command", ["put", "get"])
def test_the_slab_is_for_its_owner_alone(
    start: Start, uploads: Uploads, boto: S3Client, bucket: str, command: str
) -> None:
    for process in middle(start, uploads, boto, bucket, command).family():
        folder = f"/proc/{process.pid}/fd"
        slabs = [f"{folder}/{each}" for each in os.listdir(folder) if os.readlink(f"{folder}/{each}") == SLAB]
        assert slabs
        for slab in slabs:
            assert stat.S_IMODE(os.stat(slab).st_mode) == 0o600


# In place of test_a_file_that_is_not_there_yet_has_no_name_that_anybody_could_open.
@pytest.mark.parametrize("shell", ['exec "$@"', NO_TMPFILE], ids=["nameless", "named"])
def test_nobody_else_can_open_a_file_before_it_is_there(
    start: Start, relay: Relay, boto: S3Client, bucket: str, tmp_path: Path, shell: str
) -> None:
    store(boto, bucket, LONG)
    before = sorted(tmp_path.iterdir())
    relay.hold(rf"GET /{bucket}/k (?s:.)*Range: bytes=2000000-")
    start("get", "-b", bucket, "-k", "k", "-p", "out", *PIECES, shell=f"umask 0; {shell}")
    relay.held()
    made = [path for path in sorted(tmp_path.iterdir()) if path not in before]
    assert len(made) == (shell == NO_TMPFILE)
    for path in made:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_presigner_that_looks_for_keys_dumps_no_core(
    start: Start, environment: dict[str, str], tmp_path: Path
) -> None:
    keys = tmp_path / "home" / "keys"
    keys.write_text('{"Version": 1, "AccessKeyId": "AK", "SecretAccessKey": "secret"}')
    seen = looked(environment, tmp_path / "home", keys)
    code, live = start.run("presign", "s3://b/k", shell=ALL_CORES)
    assert code == 0, live.said
    assert int(seen.read_text().split()[-1]) in NO_CORE


def test_a_traceback_does_not_drive_the_terminal(start: Start, environment: dict[str, str]) -> None:
    with Raw(driving) as server:
        environment["AWS_ENDPOINT_URL_S3"] = server.endpoint
        words = ("uploads", "abort", "s3://b", "--older-than", "0", "--retries", "1", "--debug")
        code, live = start.run(*words)
    assert code == 1
    shown = live.stderr.decode()
    assert "31m" in shown
    assert {c for c in shown if not c.isprintable()} == {"\n"}


# --- test_secrets.py ------------------------------------------------------------------


def echoed(head: str) -> str:
    """All headers of a request on one line, the secrets first."""
    lines = [line for line in head.replace("&", "&amp;").split("\r\n")[1:] if line]
    return " ".join(sorted(lines, key=lambda line: WORD not in line and "Signature=" not in line))


def refusing_echo(head: str, body: bytes) -> list[bytes]:
    flat = echoed(head)
    xml = f"<Error><Code>Refused: {flat}</Code><Message>{flat}</Message><RequestId>{flat}</RequestId></Error>"
    return answer("403 Forbidden", xml, f"x-amz-request-id: {flat}\r\n")


def good_echo(head: str, body: bytes) -> list[bytes]:
    return answer("200 OK", echoed(head), "ETag: x\r\n")


def xml_echo(head: str, body: bytes) -> list[bytes]:
    return answer("200 OK", f"<Echo>{echoed(head)}</Echo>", "ETag: x\r\n")


ECHOES = {"refused": refusing_echo, "good": good_echo, "good xml": xml_echo}


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "uploads abort"])
@pytest.mark.parametrize("how", ECHOES)
def test_an_answer_that_repeats_the_request_shows_none_of_its_secrets(
    start: Start, secretive: dict[str, str], how: str, command: str
) -> None:
    stdin = noise(PART + 1 if command == "put in parts" else 10)
    with Raw(ECHOES[how]) as server:
        env: dict[str, str | None] = {"AWS_ENDPOINT_URL_S3": server.endpoint}
        code, live = start.run(*with_key(COMMANDS[command]), stdin=stdin, env=env)
    assert WORD in "".join(server.heads)
    assert code == 1 or how != "refused"
    assert WORD not in live.stdout.decode() + live.stderr.decode(), live.said
    signatures = [head.partition("Signature=")[2][:64] for head in server.heads]
    assert not [each for each in signatures if each in live.stderr.decode()]


@pytest.mark.parametrize(
    "proxy",
    [
        f"http://me:{WORD}@127.0.0.1:99999",
        f"strange://me:{WORD}@127.0.0.1:1",
        f"http://me:{WORD}@a host:1",
        f"me:{WORD}@127.0.0.1:99999",
    ],
)
def test_a_proxy_that_cannot_be_used_is_told_without_its_password(
    start: Start, environment: dict[str, str], proxy: str
) -> None:
    env: dict[str, str | None] = {"http_proxy": proxy, "AWS_ENDPOINT_URL_S3": "http://s3.invalid"}
    code, live = start.run("get", "s3://b/k", "--retries", "1", "--debug", env=env)
    assert code == 1
    assert "curl " in quiet(live)


@pytest.mark.parametrize("variable", ["AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_ENDPOINT_URL_STS"])
def test_a_password_in_the_address_of_who_gives_keys_is_not_told(
    start: Start, environment: dict[str, str], tmp_path: Path, variable: str
) -> None:
    token = tmp_path / "home" / "token"
    token.write_text("token")
    env: dict[str, str | None] = {
        variable: f"http://me:{WORD}@127.0.0.1:1/",
        "AWS_ACCESS_KEY_ID": None,
        "AWS_SECRET_ACCESS_KEY": None,
    }
    if variable.endswith("STS"):
        env |= {"AWS_WEB_IDENTITY_TOKEN_FILE": str(token), "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/r"}
    code, live = start.run("get", "s3://b/k", env=env)
    assert code == 1
    assert "127.0.0.1:1/" in quiet(live)


@pytest.mark.parametrize(
    "words",
    [
        ("get", "s3://b/k", "--region", SECRET),
        ("get", "s3://b/k", "-c", SECRET),
        ("get", SECRET),
        ("get", f"--{SECRET}"),
        (SECRET,),
        ("get", "s3://b/k", "--region", TOKEN),
        ("get", f"https://b.s3.amazonaws.com/k?X-Amz-Security-Token={WORD}&X-Amz-Signature={WORD}"),
        ("get", "s3://b/k", "--endpoint", f"http://h/?X-Amz-Signature={WORD}"),
    ],
)
def test_a_secret_in_the_wrong_place_is_not_repeated(
    start: Start, secretive: dict[str, str], words: tuple[str, ...]
) -> None:
    code, live = start.run(*words, "--debug")
    assert code == 2
    assert live.said[-2].startswith("gof3r error: ")
    quiet(live)


def test_an_internal_error_with_the_command_shows_no_key(start: Start, secretive: dict[str, str]) -> None:
    bug = "import gof3r.commands as m; m._report = lambda command: {}[repr(command)]"
    keys = ("-m", f"{SSE_C}key:{KEY}", "--source-header", f"{SSE_C}key:{SOURCE_KEY}")
    code, live = start.run("cp", "s3://b/k", "s3://b/k2", *keys, "--debug", shell=after(bug))
    assert code == 1
    assert "Command(" in quiet(live)
