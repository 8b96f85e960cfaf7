"""What must not come out: keys and passwords, from whichever place, on whichever way of failing.

Every secret here has one word in it that nothing else has, so that one look at all that a run has said finds
any of them, also one that is cut short.
"""

from __future__ import annotations

import re
import signal
import socket
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.conftest import Server
from tests.e2e.front import Front
from tests.e2e.gate import Gate
from tests.e2e.live import DATA, PART, SMALL, Live, Start, noise, until
from tests.e2e.metadata import HOUR, Keys, Mint
from tests.e2e.relay import Relay
from tests.e2e.test_surroundings import after
from tests.e2e.test_tls import CERTIFICATE

WORD = "SENTINEL"
SECRET = WORD + "/secret+access/key" + "x" * 14
TOKEN = WORD + "/session+token//" * 30 + "=="
SSE_C = "x-amz-server-side-encryption-customer-"
KEY, SOURCE_KEY = (WORD + letter * 35 + "=" for letter in "AE")
"""Of SSE-C: 32 bytes in base64."""

KEYS = {"AWS_ACCESS_KEY_ID": "AKWHOEVER", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": TOKEN}

PASSWORDS = {"https_proxy": f"http://me:{WORD}@127.0.0.1:1", "ALL_PROXY": "", "NO_PROXY": ""}

Reply = Callable[[str, bytes], Iterable[bytes]]
"""From the head and the body of a request to the pieces of the answer."""


class Raw:
    """A server that answers what ``reply`` says, byte for byte, one request a connection; as a context
    manager."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.heads: list[str] = []
        """Of the requests, in the order in which they came."""
        self.sent = 0
        """Bytes of answers that were taken."""

    def __enter__(self) -> Raw:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), client, client.makefile("rb") as reader:
            head = "".join(iter(lambda: reader.readline().decode("latin-1"), "\r\n"))
            length = re.search(r"(?im)^content-length: (\d+)", head)
            body = reader.read(int(length[1]) if length else 0)
            self.heads.append(head)
            for piece in self._reply(head, body):
                client.sendall(piece)
                self.sent += len(piece)
            client.shutdown(socket.SHUT_WR)
            reader.read()  # or what was not read would reset what was sent


def answer(status: str, body: str, headers: str = "") -> list[bytes]:
    """One that is whole; ``headers`` are lines."""
    data = body.encode()
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(data)}\r\nConnection: close\r\n{headers}\r\n"
    return [head.encode() + data]


def quiet(live: Live) -> str:
    """What a run has said, without any of the secrets."""
    assert WORD.encode() not in live.stdout + live.stderr, live.said
    assert b"Signature=" not in live.stderr
    return live.stderr.decode()


@pytest.fixture
def gate(s3: Server, start: Start, environment: dict[str, str], tmp_path: Path) -> Iterator[Gate]:
    """The way to ``s3`` for whoever signs with KEYS, which every run of this test does."""
    environment |= KEYS | PASSWORDS
    mint = Mint(tmp_path / "home" / "keys")
    mint.file.unlink()
    mint.all = [Keys(time.time() + HOUR, *KEYS.values())]
    with Gate(s3, mint) as gate:
        environment["AWS_ENDPOINT_URL_S3"] = gate.endpoint
        yield gate
        assert gate.wrong == []


# --- on success ------------------------------------------------------------------


def test_no_command_that_succeeds_tells_a_secret_or_leaves_one_behind(
    start: Start, gate: Gate, bucket: str, tmp_path: Path
) -> None:
    url, mine = f"s3://{bucket}/k", ("-m", f"{SSE_C}key:{KEY}")
    big = noise(PART + 1)
    commands: list[tuple[tuple[str, ...], bytes]] = [
        (("put", url, *SMALL, *mine, "--stats", "json"), big),
        (("put", f"{url}2", *mine, "--", "echo", "hello"), b""),
        (("get", url, *SMALL, *mine, "--stats", "text"), b""),
        (("get", url, "out", *SMALL, *mine, "--progress"), b""),
        (("verify", url, *SMALL, *mine), b""),
        (("info", url, *mine, "--json"), b""),
        (("cp", url, f"{url}3", *SMALL, "--source-header", mine[1]), b""),
        (("ls", "-l", f"s3://{bucket}"), b""),
        (("uploads", "ls", f"s3://{bucket}"), b""),
        (("uploads", "abort", f"s3://{bucket}", "--older-than", "0"), b""),
        (("rm", url, f"{url}2", f"{url}3"), b""),
    ]
    for words, stdin in commands:
        end = words.index("--") if "--" in words else len(words)
        code, live = start.run(*words[:end], "--debug", *words[end:], stdin=stdin)
        assert code == 0, live.said
        assert "gof3r debug: " in quiet(live), words
    assert (tmp_path / "out").read_bytes() == big
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or WORD.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_presigned_url_has_its_token_and_never_the_key_that_signed_it(
    start: Start, gate: Gate, method: str
) -> None:
    code, live = start.run("presign", "s3://b/k", "--method", method, "--debug")
    assert code == 0, live.said
    url = unquote(live.stdout.decode())
    assert f"X-Amz-Security-Token={TOKEN}" in url
    assert SECRET not in url
    assert live.stderr == b""


# --- on failure ------------------------------------------------------------------


def refusal(head: str, body: bytes) -> list[bytes]:
    """As S3 refuses a signature: with all that was signed, in elements of their own."""
    sent = "".join(f"<H>{line}</H>" for line in head.replace("&", "&amp;").splitlines())
    return answer(
        "403 Forbidden",
        "<Error><Code>SignatureDoesNotMatch</Code><Message>The signature does not match.</Message>"
        f"<AWSAccessKeyId>AK</AWSAccessKeyId><StringToSign>{SECRET}</StringToSign><Token-0>{TOKEN}</Token-0>"
        f"<CanonicalRequest>{sent}</CanonicalRequest><RequestId>R</RequestId></Error>",
        f"x-amz-echo: {TOKEN}\r\nSet-Cookie: {TOKEN}\r\nLocation: http://{WORD}\r\n",
    )


@pytest.fixture
def secretive(environment: dict[str, str], start: Start) -> dict[str, str]:
    """Every run of this test has all of the secrets."""
    environment |= KEYS | PASSWORDS
    return environment


COMMANDS = {
    "put": ("put", "s3://b/k"),
    "put in parts": ("put", "s3://b/k", "-s", "5MiB"),
    "get": ("get", "s3://b/k"),
    "get to a file": ("get", "s3://b/k", "out"),
    "cp": ("cp", "s3://b/k", "s3://b/k2", "--source-header", f"{SSE_C}key:{SOURCE_KEY}"),
    "ls": ("ls", "s3://b"),
    "info": ("info", "s3://b/k"),
    "verify": ("verify", "s3://b/k"),
    "uploads ls": ("uploads", "ls", "s3://b"),
    "uploads abort": ("uploads", "abort", "s3://b/k", "--upload-id", "1"),
    "rm": ("rm", "s3://b/k"),
}


def with_key(words: tuple[str, ...]) -> tuple[str, ...]:
    """The command with a key of SSE-C, where it takes one."""
    takes = words[0] not in ("ls", "uploads", "rm")
    return (*words, "--debug", "--retries", "1", *(("-m", f"{SSE_C}key:{KEY}") if takes else ()))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_refused_signature_tells_neither_the_key_nor_what_was_signed(
    start: Start, secretive: dict[str, str], command: str
) -> None:
    words = with_key(COMMANDS[command])
    stdin = noise(PART + 1 if command == "put in parts" else 10)
    with Raw(refusal) as server:
        code, live = start.run(*words, stdin=stdin, env={"AWS_ENDPOINT_URL_S3": server.endpoint})
    assert code == 1, live.said
    said = quiet(live)
    assert "403 SignatureDoesNotMatch: The signature does not match. (request id R)" in said
    assert "check AWS_SECRET_ACCESS_KEY" in said
    assert "Traceback" in said
    sent = "".join(server.heads)
    assert TOKEN in sent
    assert (KEY in sent or SOURCE_KEY in sent) == ("-m" in words)
    for signature in re.findall("Signature=([0-9a-f]{64})", sent):
        assert signature not in said


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:1", "https://127.0.0.1:1", "http://s3.invalid"])
@pytest.mark.parametrize("command", ["put", "get", "cp"])
def test_nobody_there_tells_no_secret(
    start: Start, secretive: dict[str, str], command: str, endpoint: str
) -> None:
    words = with_key(COMMANDS[command])
    code, live = start.run(*words, env={"AWS_ENDPOINT_URL_S3": endpoint})
    assert code == 1
    assert "network error (curl " in quiet(live)


def test_an_untrusted_server_gets_no_secret_and_we_tell_none(
    start: Start, secretive: dict[str, str], s3: Server
) -> None:
    with Front(s3.endpoint, CERTIFICATE) as front:
        env: dict[str, str | None] = {"AWS_ENDPOINT_URL_S3": front.endpoint, "https_proxy": None}
        code, live = start.run(*with_key(COMMANDS["put"]), stdin=DATA, env=env)
    assert code == 1
    assert "curl 60" in quiet(live)
    assert front.seen == []


def test_the_password_of_a_proxy_goes_to_the_proxy_alone(
    start: Start, secretive: dict[str, str], front: Front, bucket: str
) -> None:
    proxy = front.endpoint.replace("//", f"//me:{WORD}@")
    env: dict[str, str | None] = {"http_proxy": proxy, "AWS_ENDPOINT_URL_S3": "http://s3.invalid"}
    words = ("get", f"s3://{bucket}/k", "--path-style", "--debug", "--retries", "1")
    code, live = start.run(*words, env=env)
    assert code == 1
    basic = b64encode(f"me:{WORD}".encode()).decode()
    assert basic not in quiet(live)
    assert [seen.headers["proxy-authorization"] for seen in front.seen][:1] == [f"Basic {basic}"]

    front.answer(".*", 407, {"Proxy-Authenticate": "Basic realm=here"}, "", 0)
    code, live = start.run(*words, env=env)
    assert code == 1
    assert "407" in quiet(live)
    assert basic not in quiet(live)


# --- on bugs of ours ------------------------------------------------------------------

BUGS = {
    "Job": "import gof3r.engine.proc.worker as m; m.Worker._start = lambda self, job, *more: {}[repr(job)]",
    "Put": "import gof3r.engine.proc.session as m; m._slots = lambda order: {}[repr(order)]",
    "Settings": "import gof3r.engine.proc.session as m; m.Ring = lambda *args, **more: {}[repr(args)]",
    "Signers": "import gof3r.engine.proc.session as m; m.Dispatch = lambda **given: {}[repr(given)]",
}
"""What raises with a value of ours in its message, by that value's kind."""


@pytest.mark.parametrize("kind", BUGS)
def test_an_internal_error_shows_our_values_without_their_secrets(
    start: Start, secretive: dict[str, str], kind: str
) -> None:
    with Raw(refusal) as server:
        env: dict[str, str | None] = {"AWS_ENDPOINT_URL_S3": server.endpoint}
        code, live = start.run(*with_key(COMMANDS["put"]), env=env, shell=after(BUGS[kind]))
    assert code == 1
    assert re.search(f"KeyError: .*{kind}", quiet(live))


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGQUIT])
def test_a_crash_tells_where_and_no_secret(
    start: Start, secretive: dict[str, str], relay: Relay, bucket: str, number: int
) -> None:
    relay.hold("GET ")
    env: dict[str, str | None] = {"AWS_ENDPOINT_URL_S3": relay.endpoint, "PYTHONFAULTHANDLER": "1"}
    words = ("get", f"s3://{bucket}/k", "-m", f"{SSE_C}key:{KEY}")
    live = start(*words, env=env, stdin=b"")
    worker = live.owner(relay.held())
    relay.hold("GET ")
    worker.send_signal(number)
    relay.held()  # of the one that has taken over
    live.signal(number)
    live.process.wait()
    until(lambda: not live.family(), "all processes are gone")
    assert live.wait() == -number
    assert ("Fatal Python error" in quiet(live)) == (number != signal.SIGQUIT)
