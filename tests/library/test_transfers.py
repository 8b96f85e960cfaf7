"""put, get, copy and the others, with every kind of source and sink that they take."""

from __future__ import annotations

import gzip
import io
import os
import sqlite3
import subprocess
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import pytest

import gof3r
from gof3r.engine.s3 import checksums
from tests.e2e.conftest import etag, keys, md5, stored
from tests.e2e.live import BIG, DATA, LONG, noise
from tests.library.conftest import PIECES, SMALL, engines

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


def crc(data: bytes) -> str:
    digest = checksums.new("crc64nvme")
    digest.update(memoryview(data))
    return b64encode(digest.digest()).decode()


# --- put ------------------------------------------------------------------


def _text_path(path: Path) -> Any:
    return str(path)


def _positioned(path: Path) -> IO[bytes]:
    """A buffered file of which some has been read: its descriptor is further on than it."""
    file = path.open("rb")
    file.read(1)
    file.seek(0)
    return file


def _written(path: Path) -> IO[bytes]:
    """A file open for both, with bytes that are still in its buffer."""
    file = path.open("w+b")
    file.write(DATA)
    file.seek(0)
    return file


def _changed(path: Path) -> IO[bytes]:
    """A file whose first bytes have been overwritten, and not on the disk yet."""
    path.write_bytes(b"old" + DATA[3:])
    file = path.open("r+b")
    file.read(1)
    file.seek(0)
    file.write(DATA[:3])
    file.seek(0)
    return file


def _compressed(path: Path) -> IO[bytes]:
    """A file whose descriptor has other bytes than it gives."""
    packed = path.with_suffix(".gz")
    packed.write_bytes(gzip.compress(path.read_bytes(), 1))
    return gzip.open(packed)  # type: ignore[return-value]


def _pipe(path: Path, buffering: int = 0) -> IO[bytes]:
    reading, writing = os.pipe()

    def feed() -> None:
        with os.fdopen(writing, "wb") as file:
            file.write(path.read_bytes())

    threading.Thread(target=feed).start()
    return os.fdopen(reading, "rb", buffering)


def _begun_pipe(path: Path) -> IO[bytes]:
    """A buffered pipe whose first bytes are in the buffer already."""
    file = _pipe(path, 4096)
    assert isinstance(file, io.BufferedReader)
    file.peek(1)
    return file


SOURCES: dict[str, Callable[[Path], Any]] = {
    "a path": lambda path: path,
    "a path's text": _text_path,
    "bytes": lambda path: path.read_bytes(),
    "a bytearray": lambda path: bytearray(path.read_bytes()),
    "a memoryview of other items": lambda path: memoryview(path.read_bytes()).cast("H"),
    "BytesIO": lambda path: io.BytesIO(path.read_bytes()),
    "a file": _positioned,
    "an unbuffered file": lambda path: path.open("rb", buffering=0),
    "a file just written": _written,
    "a file that has just been changed": _changed,
    "gzip": _compressed,
    "a pipe": _pipe,
    "a begun pipe": _begun_pipe,
    "a list": lambda path: [path.read_bytes()[:7], b"", path.read_bytes()[7:]],
    "a generator": lambda path: (path.read_bytes()[at : at + 99_999] for at in range(0, len(DATA), 99_999)),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_every_kind_of_source_is_stored_as_it_is(
    kind: str, url: str, bucket: str, boto: S3Client, tmp_path: Path
) -> None:
    path = tmp_path / "source"
    path.write_bytes(DATA)
    source = SOURCES[kind](path)
    result = gof3r.put(source, url)
    assert stored(boto, bucket) == DATA
    assert (result.size, result.etag) == (len(DATA), md5(DATA))
    if hasattr(source, "close"):
        source.close()


def test_a_source_is_taken_from_where_it_stands_and_left_at_its_end(
    url: str, bucket: str, boto: S3Client, tmp_path: Path
) -> None:
    path = tmp_path / "source"
    path.write_bytes(DATA)
    with path.open("rb") as file:
        file.seek(1000)
        gof3r.put(file, url)
        assert file.read() == b""
        assert file.tell() == len(DATA)
    assert stored(boto, bucket) == DATA[1000:]


def test_a_generator_runs_in_the_thread_that_called(url: str, bucket: str, boto: S3Client) -> None:
    connection = sqlite3.connect(":memory:")  # refuses every other thread

    def rows() -> Iterator[bytes]:
        for number in range(3):
            yield b"%d\n" % connection.execute("select ?", (number,)).fetchone()

    gof3r.put(rows(), url)
    connection.close()
    assert stored(boto, bucket) == b"0\n1\n2\n"


def test_the_result_tells_what_was_stored_and_how_it_was_proven(url: str) -> None:
    data = noise(BIG)
    result = gof3r.put(data, url, config=SMALL)
    assert result.size == BIG
    assert result.etag == etag(data)
    assert result.verified == ("md5", "crc64nvme")
    assert result.digests == {"md5": md5(data), "crc64nvme": crc(data)}
    assert result.warnings == ()
    assert result.retries == {}
    assert result.seconds > 0


def test_headers_are_a_mapping_or_pairs(url: str, bucket: str, boto: S3Client) -> None:
    gof3r.put(b"1", url, headers={"Content-Type": "text/x-one", "x-amz-meta-a": "b"})
    head = boto.head_object(Bucket=bucket, Key="k")
    assert (head["ContentType"], head["Metadata"]) == ("text/x-one", {"a": "b"})
    gof3r.put(b"2", url, headers=[("Content-Type", "text/x-two")])
    assert boto.head_object(Bucket=bucket, Key="k")["ContentType"] == "text/x-two"


def test_an_exception_of_the_source_cancels_and_goes_through(url: str, bucket: str, boto: S3Client) -> None:
    def broken() -> Iterator[bytes]:
        yield noise(BIG)
        raise ZeroDivisionError("in the source")

    with pytest.raises(ZeroDivisionError):
        gof3r.put(broken(), url, config=SMALL)
    assert keys(boto, bucket) == []


def test_text_is_no_source(url: str, bucket: str, boto: S3Client) -> None:
    with pytest.raises(TypeError, match="str"):
        gof3r.put(["text"], url)  # type: ignore[list-item]
    with pytest.raises(TypeError, match="int"):
        gof3r.put(1, url)  # type: ignore[arg-type]
    assert keys(boto, bucket) == []


def test_an_object_is_not_replaced_against_ones_will(url: str, bucket: str, boto: S3Client) -> None:
    gof3r.put(b"1", url, if_none_match=True)
    with pytest.raises(FileExistsError) as caught:
        gof3r.put(b"2", url, if_none_match=True)
    assert isinstance(caught.value, gof3r.AlreadyExists)
    assert stored(boto, bucket) == b"1"


# --- get ------------------------------------------------------------------


def _store(boto: S3Client, bucket: str, data: bytes) -> bytes:
    boto.put_object(Bucket=bucket, Key="k", Body=data)
    boto.put_object(Bucket=bucket, Key=".md5/k.md5", Body=md5(data).encode())
    return data


def test_a_path_gets_the_whole_object(url: str, bucket: str, boto: S3Client, tmp_path: Path) -> None:
    data = _store(boto, bucket, noise(LONG))
    result = gof3r.get(url, tmp_path / "got", config=PIECES)
    assert (tmp_path / "got").read_bytes() == data
    assert result.size == LONG
    assert result.digests["md5"] == md5(data)
    assert result.warnings == ()


@pytest.mark.parametrize("buffering", [0, -1])
def test_a_file_gets_the_object_where_it_stands_and_goes_on_after_it(
    buffering: int, url: str, bucket: str, boto: S3Client, tmp_path: Path
) -> None:
    data = _store(boto, bucket, noise(LONG))
    with (tmp_path / "got").open("w+b", buffering=buffering) as file:
        file.write(b"before ")
        gof3r.get(url, file, config=PIECES)
        assert file.tell() == 7 + LONG
        file.write(b" after")
        file.seek(0)
        assert file.read() == b"before " + data + b" after"


def test_a_file_that_is_no_file_of_the_system_gets_the_object(
    url: str, bucket: str, boto: S3Client, tmp_path: Path
) -> None:
    data = _store(boto, bucket, noise(LONG))
    memory = io.BytesIO()
    gof3r.get(url, memory, config=PIECES)
    assert memory.getvalue() == data
    with gzip.open(tmp_path / "got.gz", "wb", compresslevel=1) as packed:
        gof3r.get(url, packed, config=PIECES)  # type: ignore[arg-type]
    with gzip.open(tmp_path / "got.gz") as packed:
        assert packed.read() == data


def test_a_raw_sink_that_takes_little_at_once_gets_all(url: str, bucket: str, boto: S3Client) -> None:
    class Slow(io.RawIOBase):
        data = b""

        def write(self, data: Any) -> int:
            self.data += bytes(data[:50_000])
            return min(len(data), 50_000)

    data = _store(boto, bucket, DATA)
    slow = Slow()
    gof3r.get(url, slow)  # type: ignore[arg-type]
    assert slow.data == data


def test_a_sink_may_keep_what_it_is_given(url: str, bucket: str, boto: S3Client) -> None:
    class Keeps(io.BytesIO):
        kept: list[bytes] = []

        def write(self, data: Any) -> int:
            self.kept.append(data)
            return len(data)

    data = _store(boto, bucket, noise(LONG))
    gof3r.get(url, Keeps(), config=PIECES)
    assert b"".join(Keeps.kept) == data


@pytest.mark.parametrize("said", [0, -1, True, 10**9, "all"])
def test_a_sink_that_says_nonsense_of_what_it_took_is_an_error(
    said: Any, url: str, bucket: str, boto: S3Client
) -> None:
    class Odd(io.BytesIO):
        def write(self, data: Any) -> int:
            return cast(int, said)

    _store(boto, bucket, DATA)
    with pytest.raises(OSError, match="the sink's write says"):
        gof3r.get(url, Odd())


@pytest.mark.parametrize("buffered", [True, False])
def test_a_file_can_be_put_again_after_a_failure(
    buffered: bool, url: str, bucket: str, boto: S3Client, tmp_path: Path
) -> None:
    (tmp_path / "in").write_bytes(DATA)
    file = (tmp_path / "in").open("rb") if buffered else io.BytesIO(DATA)
    with file:
        file.seek(3)
        with pytest.raises(gof3r.NotFound):
            gof3r.put(file, "s3://there-is-no-such-bucket/k")
        assert file.tell() == 3
        gof3r.put(file, url)
    assert stored(boto, bucket) == DATA[3:]


def test_a_command_gets_the_object_on_its_standard_input(url: str, bucket: str, boto: S3Client) -> None:
    data = _store(boto, bucket, noise(LONG))
    with subprocess.Popen(["md5sum"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as command:
        assert command.stdin is not None
        assert command.stdout is not None
        gof3r.get(url, command.stdin, config=PIECES)
        command.stdin.close()
        assert command.stdout.read().split()[0].decode() == md5(data)


def test_an_exception_of_the_sink_cancels_and_goes_through(url: str, bucket: str, boto: S3Client) -> None:
    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            raise ZeroDivisionError("in the sink")

    _store(boto, bucket, noise(LONG))
    with pytest.raises(ZeroDivisionError):
        gof3r.get(url, Full(), config=PIECES)


def test_a_path_gets_nothing_of_an_object_that_is_not_what_was_stored(
    url: str, bucket: str, boto: S3Client, tmp_path: Path
) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=b"1")
    boto.put_object(Bucket=bucket, Key=".md5/k.md5", Body=md5(b"2").encode())
    with pytest.raises(gof3r.TransferError, match=md5(b"2")):
        gof3r.get(url, tmp_path / "got")
    assert not [path for path in tmp_path.iterdir() if path.is_file()]


def test_a_missing_object_is_a_missing_file(url: str, bucket: str, tmp_path: Path) -> None:
    for ask in (
        lambda: gof3r.get(url, tmp_path / "got"),
        lambda: gof3r.info(url),
        lambda: gof3r.open(url),
        lambda: gof3r.put(b"1", f"s3://{bucket}-is-not-there/k"),
    ):
        with pytest.raises(FileNotFoundError) as caught:
            ask()
        assert isinstance(caught.value, gof3r.NotFound)
        assert caught.value.failure is not None
        assert caught.value.failure.status == 404
        assert "Traceback" in str(caught.value.__cause__)


# --- the others ------------------------------------------------------------------


def test_an_object_is_copied_listed_told_about_verified_and_removed(
    url: str, bucket: str, boto: S3Client
) -> None:
    gof3r.put(DATA, url, headers={"Content-Type": "text/x-a", "x-amz-meta-a": "b"})
    result = gof3r.copy(url, f"{url}2", headers={"Content-Type": "text/x-b"})
    assert (result.size, stored(boto, bucket, "k2")) == (len(DATA), DATA)
    listed = [(entry.key, entry.size, entry.etag) for entry in gof3r.list(url)]
    assert listed == [("k", len(DATA), md5(DATA)), ("k2", len(DATA), md5(DATA))]
    info = gof3r.info(url)
    assert (info.url, info.size, info.etag, info.md5) == (url, len(DATA), md5(DATA), md5(DATA))
    assert info.headers["Content-Type"] == "text/x-a"
    assert info.metadata == {"a": "b"}
    assert info.checksums["crc64nvme"] == (crc(DATA), "FULL_OBJECT")
    assert "md5" in gof3r.verify(url).verified
    removed = gof3r.remove(url, f"{url}2")
    assert [(one.url, one.sidecars) for one in removed] == [
        (url, (".md5/k.md5",)),
        (f"{url}2", (".md5/k2.md5",)),
    ]
    assert keys(boto, bucket) == []


def test_a_listing_that_is_left_ends_its_engine(bucket: str, boto: S3Client) -> None:
    for number in range(3):
        boto.put_object(Bucket=bucket, Key=str(number), Body=b"")
    listing = gof3r.list(f"s3://{bucket}")
    assert next(listing).key == "0"
    listing.close()  # type: ignore[attr-defined]  # a generator's


def test_verify_finds_other_bytes(url: str, bucket: str, boto: S3Client) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=b"1")
    boto.put_object(Bucket=bucket, Key=".md5/k.md5", Body=md5(b"2").encode())
    with pytest.raises(gof3r.TransferError, match=md5(b"2")):
        gof3r.verify(url)


# --- events and errors ------------------------------------------------------------------


def test_events_come_in_the_thread_that_called(url: str) -> None:
    events: list[tuple[object, threading.Thread]] = []
    gof3r.put(
        noise(BIG), url, config=SMALL, on_event=lambda e: events.append((e, threading.current_thread()))
    )
    assert {thread for _, thread in events} == {threading.current_thread()}
    assert any(isinstance(event, gof3r.Progress) for event, _ in events)
    assert any(isinstance(event, gof3r.Debugged) and "part 2" in event.text for event, _ in events)


def test_warnings_are_in_the_result_and_among_the_events(url: str, bucket: str, boto: S3Client) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=b"1")
    events: list[object] = []
    result = gof3r.get(url, io.BytesIO(), on_event=events.append)
    (warning,) = result.warnings
    assert "no md5 sidecar" in warning
    assert gof3r.Warned(warning) in events


def test_an_exception_in_on_event_cancels_and_goes_through(url: str, bucket: str, boto: S3Client) -> None:
    def stop(event: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gof3r.put(noise(BIG), url, config=SMALL, on_event=stop)
    assert keys(boto, bucket) == []


def test_an_engine_that_is_killed_is_an_error(url: str, surroundings: dict[str, str]) -> None:
    def kill() -> Iterator[bytes]:
        yield b"some"
        while not (found := engines(surroundings["MARK"])):
            pass  # it has just been started, and the kernel may not tell its command line yet
        for process in found:
            process.kill()
        yield noise(BIG)
        yield noise(BIG)

    with pytest.raises(gof3r.TransferError, match="killed by signal 9"):
        gof3r.put(kill(), url, config=SMALL)


def test_without_keys_the_error_says_where_they_were_looked_for(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(gof3r.Gof3rError, match="no credentials: .*AWS_ACCESS_KEY_ID"):
        gof3r.put(b"1", url)


def test_keys_in_the_config_need_no_environment(
    url: str, bucket: str, boto: S3Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL_S3", "AWS_REGION")
    access, secret, endpoint, region = (os.environ[name] for name in names)
    for name in names:
        monkeypatch.delenv(name)
    config = gof3r.Config(access_key=access, secret_key=secret, endpoint=endpoint, region=region)
    gof3r.put(b"1", url, config=config)
    assert stored(boto, bucket) == b"1"


def test_wrong_keys_are_a_missing_permission(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(PermissionError) as caught:
        gof3r.put(b"1", url)
    assert isinstance(caught.value, gof3r.AccessDenied)


@pytest.mark.parametrize("wrong", ["k", "http://b/k", "s3://b", "s3:///k"])
def test_what_is_no_url_is_refused_before_anything_starts(wrong: str) -> None:
    with pytest.raises(gof3r.UsageError):
        gof3r.put(b"1", wrong)
    with pytest.raises(gof3r.UsageError):
        gof3r.open(wrong)
