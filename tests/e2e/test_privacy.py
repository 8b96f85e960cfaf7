"""What others can see of a transfer, and what a hostile server can do to whoever runs it.

Of the machine's other users modes and limits tell: tests that run as root could open everything. The server's
ways are to fill the memory, and to write to the terminal what drives it.
"""

from __future__ import annotations

import os
import re
import resource
import signal
import stat
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import Server
from tests.e2e.conftest import Uploads, half_put, md5, rest, store, stored
from tests.e2e.gate import Gate
from tests.e2e.live import BIG, LONG, PART, PIECES, SMALL, Live, Start, noise
from tests.e2e.metadata import Mint
from tests.e2e.relay import Relay
from tests.e2e.test_secrets import Raw, Reply, answer
from tests.e2e.test_surroundings import after

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

NO_CORE = {0, 1}
"""Limits of a core file that let none be: it is made of whole pages. (1 is heeded by pipes too, 0 is not.)"""

ALL_CORES = 'ulimit -c "$(ulimit -H -c)"; exec "$@"'

SLAB = "/memfd:gof3r (deleted)"
OURS = re.compile(r"(pipe|socket|anon_inode):.*|/dev/null|" + re.escape(SLAB))
"""What a process of a transfer may have open: nothing with a name that others could open."""

NO_TMPFILE = after(
    "import os; real, wants = os.open, lambda flags: flags & os.O_TMPFILE == os.O_TMPFILE; "
    "refuse = lambda: (_ for _ in ()).throw(OSError(95, 'Operation not supported')); "
    "os.open = lambda path, flags, *rest, **names: "
    "next(refuse()) if wants(flags) else real(path, flags, *rest, **names)"
)
"""On a file system that knows no files without a name."""


def middle(start: Start, uploads: Uploads, boto: S3Client, bucket: str, command: str) -> Live:
    """A put or a get in its middle, with all its processes."""
    if command == "put":
        return half_put(start, uploads, bucket, shell=ALL_CORES)
    store(boto, bucket, LONG)
    live = start("get", "-b", bucket, "-k", "k", *PIECES, collect=False, shell=ALL_CORES)
    live.read(LONG // 2)
    return live


# --- memory ------------------------------------------------------------------


@pytest.mark.parametrize("command", ["put", "get"])
def test_what_is_in_transit_has_no_name_that_anybody_could_open(
    start: Start, uploads: Uploads, boto: S3Client, bucket: str, command: str
) -> None:
    family = middle(start, uploads, boto, bucket, command).family()
    assert len(family) >= 3
    for process in family:
        folder = Path(f"/proc/{process.pid}")
        opened = [os.readlink(each) for each in (folder / "fd").iterdir()]
        assert [what for what in opened if not OURS.fullmatch(what)] == []
        assert SLAB in opened
        shared = [line.split(None, 5) for line in (folder / "maps").read_text().splitlines()]
        assert {each[5] for each in shared if each[1] == "rw-s"} == {SLAB}


@pytest.mark.parametrize("command", ["put", "get"])
def test_no_process_of_a_transfer_leaves_its_memory_in_a_core_file(
    start: Start, uploads: Uploads, boto: S3Client, bucket: str, command: str
) -> None:
    family = middle(start, uploads, boto, bucket, command).family()
    assert len(family) >= 3
    for process in family:
        assert process.rlimit(resource.RLIMIT_CORE)[0] in NO_CORE, process


def test_a_worker_that_crashes_leaves_no_core_file(
    start: Start, relay: Relay, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    before = sorted(tmp_path.iterdir())
    relay.hold(r"PUT \S*partNumber=2&")
    put = start("put", "-b", bucket, "-k", "k", *SMALL, stdin=noise(BIG), shell=ALL_CORES)
    put.owner(relay.held()).send_signal(signal.SIGSEGV)
    assert put.end() == 0, put.said
    assert stored(boto, bucket) == noise(BIG)
    assert sorted(tmp_path.iterdir()) == before


# --- what is inherited ------------------------------------------------------------------


def test_a_command_inherits_its_three_streams_and_its_own_limits(
    start: Start, boto: S3Client, bucket: str
) -> None:
    line = "ls /proc/$$/fd; ulimit -c; ulimit -H -c"
    code, put = start.run("put", "-b", bucket, "-k", "k", "--", "sh", "-c", line, shell=ALL_CORES)
    assert code == 0, put.said
    *numbers, soft, hard = stored(boto, bucket).decode().split()
    assert numbers == ["0", "1", "2"]
    assert soft == hard


def test_a_credential_process_inherits_no_descriptor_and_who_runs_it_has_no_slab_and_dumps_no_core(
    start: Start,
    uploads: Uploads,
    boto: S3Client,
    bucket: str,
    s3: Server,
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    mint = Mint(tmp_path / "home" / "keys")
    with Gate(s3, mint) as gate:
        seen = looked(environment, tmp_path / "home", mint.file)
        environment["AWS_ENDPOINT_URL_S3"] = gate.endpoint
        live = half_put(start, uploads, bucket, shell=ALL_CORES)
        mint.rotate()  # another look, now that there are slots and pipes
        rest(live)
        assert live.wait() == 0, live.said
    looks = [look.split() for look in seen.read_text().splitlines()]
    assert len(looks) == 2
    for *numbers, slabs, core in looks:
        assert numbers == ["0", "1", "2"]
        assert slabs == "0"
        assert int(core) in NO_CORE


def looked(environment: dict[str, str], home: Path, keys: Path) -> Path:
    """From now on keys come from a command, which notes at each look: its descriptors, how many slabs its
    parent has open, and how large a core that may leave."""
    script, config, seen = home / "look", home / "config", home / "seen"
    script.write_text(LOOK.format(seen=str(seen), keys=str(keys)))
    config.write_text(f"[profile p]\ncredential_process = {sys.executable} -SE {script}\n")
    environment |= {"AWS_CONFIG_FILE": str(config), "AWS_PROFILE": "p"}
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        environment.pop(name, None)
    return seen


LOOK = """
import os
numbers = [n for n in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + n)]
parent = "/proc/%d/" % os.getppid()
slabs = [n for n in os.listdir(parent + "fd") if "memfd" in os.readlink(parent + "fd/" + n)]
core = open(parent + "limits").read().partition("Max core file size")[2].split()[0]
print(*sorted(numbers), len(slabs), core, file=open({seen!r}, "a"))
print(open({keys!r}).read())
"""


# --- files ------------------------------------------------------------------


@pytest.mark.parametrize("shell", ['exec "$@"', NO_TMPFILE], ids=["nameless", "named"])
def test_a_file_appears_with_the_mode_that_new_files_have(
    start: Start, boto: S3Client, bucket: str, tmp_path: Path, shell: str
) -> None:
    data = store(boto, bucket, LONG)
    words = ("get", "-b", bucket, "-k", "k", "-p", "out", *PIECES)
    code, got = start.run(*words, shell=f"umask 027; {shell}")
    assert code == 0, got.said
    assert (tmp_path / "out").read_bytes() == data
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o640


def test_a_file_that_is_not_there_yet_has_no_name_that_anybody_could_open(
    start: Start, relay: Relay, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    store(boto, bucket, LONG)
    before = sorted(tmp_path.iterdir())
    relay.hold(rf"GET /{bucket}/k (?s:.)*Range: bytes=2000000-")
    start("get", "-b", bucket, "-k", "k", "-p", "out", *PIECES, shell='umask 0; exec "$@"')
    relay.held()
    assert sorted(tmp_path.iterdir()) == before


# --- a server that does not stop ------------------------------------------------------------------

ENOUGH = 1 << 26
"""Bytes: what is kept of some answers (8 MiB of each at most) and what lies in the sockets between."""


def endless(first: str, piece: str) -> Iterator[bytes]:
    """An answer without an end."""
    yield first.encode()
    while True:
        yield piece.encode()


CHUNKED = "HTTP/1.1 {}\r\nETag: x\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNK = "10000\r\n" + "x" * (1 << 16) + "\r\n"
SPACES = CHUNK.replace("x", " ")
ENDLESS = {
    "error": (CHUNKED.format("403 Forbidden"), CHUNK),
    "error with a length": (f"HTTP/1.1 500 No\r\nContent-Length: {1 << 50}\r\n\r\n", "x" * (1 << 16)),
    "error that ends with the connection": ("HTTP/1.1 403 No\r\n\r\n", "x" * (1 << 16)),
    "good answer": (CHUNKED.format("200 OK"), CHUNK),
    "spaces": (CHUNKED.format("200 OK"), SPACES),
    "headers": ("HTTP/1.1 200 OK\r\n", "x-a: " + "y" * 1000 + "\r\n"),
    "short headers": ("HTTP/1.1 200 OK\r\n", "x:y\r\n" * 1000),
    "header": ("HTTP/1.1 200 OK\r\nx-a: ", "y" * (1 << 16)),
    "status": ("HTTP/1.1 200 ", "y" * (1 << 16)),
    "interim answers": ("", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 100),
}


@pytest.mark.parametrize(
    ("command", "what"), [*(("put", what) for what in ENDLESS), ("get", "error"), ("ls", "good answer")]
)
def test_an_endless_answer_is_cut_and_is_an_error(
    start: Start, environment: dict[str, str], command: str, what: str
) -> None:
    with Raw(lambda head, body: endless(*ENDLESS[what])) as server:
        environment["AWS_ENDPOINT_URL_S3"] = server.endpoint
        words = (command, "s3://b" if command == "ls" else "s3://b/k", "--retries", "1")
        code, live = start.run(*words, stdin=b"data")
        assert code == 1
        assert live.error
        assert live.stdout == b""
        assert server.sent < ENOUGH


def object_of_ten(head: str, body: bytes) -> Iterable[bytes]:
    """A store whose object is there, but neither its bytes nor its sidecar have an end."""
    if head.startswith("HEAD"):
        return [b"HTTP/1.1 200 OK\r\nETag: x\r\nContent-Length: 10\r\n\r\n"]
    if "/.md5/" in head:
        return endless(CHUNKED.format("200 OK"), CHUNK)
    span = "206 Partial\r\nContent-Range: bytes 0-9/10"
    return endless(CHUNKED.format(span), CHUNK)


def upload(head: str, body: bytes) -> Iterable[bytes]:
    """A store that takes an upload and never comes to an end when it completes it."""
    if head.startswith("PUT"):
        return answer("200 OK", "", f"ETag: {md5(body)}\r\n")
    if "uploads=" in head:
        return answer("200 OK", "<R><UploadId>1</UploadId></R>")
    if head.startswith("POST"):
        return endless(CHUNKED.format("200 OK"), SPACES)
    return answer("404 Not Found", "<Error><Code>NoSuchUpload</Code></Error>")


@pytest.mark.parametrize(
    ("words", "reply"),
    [
        (("get", "-s", "16KiB"), object_of_ten),
        (("get", "-s", "16KiB", "--no-md5"), object_of_ten),
        (("put", "-s", "5MiB"), upload),
    ],
    ids=["sidecar", "part", "complete"],
)
def test_an_endless_answer_in_the_middle_of_a_transfer_is_cut(
    start: Start, environment: dict[str, str], words: tuple[str, ...], reply: Reply
) -> None:
    with Raw(reply) as server:
        environment["AWS_ENDPOINT_URL_S3"] = server.endpoint
        code, live = start.run(*words, "s3://b/k", "--retries", "1", stdin=noise(PART + 1))
        assert code == 1
        assert live.error
        assert live.stdout == b""
        assert server.sent < ENOUGH


@pytest.mark.parametrize(
    ("command", "status"), [("put", 301), ("get", 302), ("rm", 303), ("put", 307), ("get", 308)]
)
def test_a_redirect_is_not_followed(
    start: Start, environment: dict[str, str], command: str, status: int
) -> None:
    with Raw(lambda head, body: answer(f"{status} Go", "", "Location: /elsewhere\r\n")) as server:
        environment["AWS_ENDPOINT_URL_S3"] = server.endpoint
        code, live = start.run(command, "s3://b/k", "--retries", "1", stdin=b"data")
        assert code == 1
        assert f"server answered {status}" in live.error
        assert not [head for head in server.heads if "elsewhere" in head]
        assert len(server.heads) <= 2


# --- a server that speaks to a terminal ------------------------------------------------------------------

DRIVES = "\x1b]0;x\x07\x1b[2J\u009b31m\u202e\u2066\x08\u2028\u0085"
"""A title, an erasure, a colour in C1, text from right to left, and ends of lines."""
IN_XML = "&#x9b;31m&#x202e;&#x2066;&#x2028;&#x85;&#13;&#10;" + DRIVES

LIST = "<{root}><IsTruncated>false</IsTruncated>{entry}</{root}>"


def driving(head: str, body: bytes) -> Iterable[bytes]:
    """A server that has DRIVES wherever a server has a word."""
    names = ["Server", "Last-Modified", "Content-Type", "Cache-Control", "x-amz-storage-class"]
    names += ["x-amz-meta-a", "x-amz-server-side-encryption", "x-amz-checksum-type", "x-amz-request-id"]
    headers = "".join(f"{name}: {DRIVES}\r\n" for name in names)
    when = "2020-01-01T00:00:00Z"
    if "/.md5/" in head:
        return answer("404 No", "<Error><Code>NoSuchKey</Code></Error>")
    if head.startswith("HEAD") and "/denied" not in head:
        return answer("200 OK", "hello", f"ETag: {md5(b'hello')}\r\n{headers}")
    if "list-type" in head:
        entry = f"<Key>{IN_XML}</Key><Size>1</Size><LastModified>{when}</LastModified>"
        entry = f"<Contents>{entry}<StorageClass>{IN_XML}</StorageClass></Contents>"
        return answer("200 OK", LIST.format(root="ListBucketResult", entry=entry))
    if "uploads=" in head and head.startswith("GET"):
        key = "&#x9b;31m&#x202e;"  # no more: one that XML cannot hold is refused
        entry = f"<Key>{key}</Key><UploadId>{IN_XML}</UploadId><Initiated>{when}</Initiated>"
        entry = f"<Upload>{entry}</Upload>"
        return answer("200 OK", LIST.format(root="ListMultipartUploadsResult", entry=entry))
    said = f"<Code>C{IN_XML}</Code><Message>M{IN_XML}</Message><RequestId>{IN_XML}</RequestId>"
    return answer(f"400 {DRIVES}", f"<Error>{said}<Region>{IN_XML}</Region></Error>", headers)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("info", "s3://b/k", "--debug"), 0),
        (("info", "s3://b/k", "--json"), 0),
        (("info", "s3://b/denied", "--debug"), 1),
        (("ls", "s3://b", "-l"), 0),
        (("ls", "s3://b", "--json"), 0),
        (("uploads", "ls", "s3://b"), 0),
        (("uploads", "ls", "s3://b", "--json"), 0),
        (("uploads", "abort", "s3://b", "--older-than", "0"), 1),
        (("put", "s3://b/k", "--debug"), 1),
        (("get", "s3://b/k", "--no-md5", "--debug"), 1),
        (("cp", "s3://b/k", "s3://b/k2", "--no-md5", "--debug"), 1),
        (("rm", "s3://b/k", "--debug"), 1),
        (("verify", "s3://b/denied"), 1),
    ],
)
def test_no_word_of_a_server_drives_the_terminal(
    start: Start, environment: dict[str, str], words: tuple[str, ...], code: int
) -> None:
    with Raw(driving) as server:
        environment["AWS_ENDPOINT_URL_S3"] = server.endpoint
        got, live = start.run(*words, "--retries", "1", stdin=b"data")
    assert got == code, live.said
    shown = (live.stdout + live.stderr).decode()
    assert "31m" in shown, "the server's words are in it"
    assert {c for c in shown if not c.isprintable()} == {"\n"}
