"""``gof3r.open`` for writing, and as the files that other people's code expects."""

from __future__ import annotations

import csv
import gc
import io
import json
import os
import pickle
import shutil
import tarfile
import threading
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import gof3r
from tests.e2e.conftest import Uploads, etag, keys, stored
from tests.e2e.live import BIG, DATA, LONG, PART, noise, until
from tests.library.conftest import PIECES, SMALL, engines

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


class Stop(Exception):
    """Raised inside of a block."""


# --- the object appears when the file is closed, and only then --------------------------------------------


@pytest.mark.parametrize("size", [0, 1, PART, BIG])
def test_what_is_written_is_stored_when_the_file_is_closed(
    size: int, url: str, bucket: str, boto: S3Client
) -> None:
    file = gof3r.open(url, "wb", config=SMALL)
    for at in range(0, size, 100_000):
        file.write(noise(BIG)[at : min(at + 100_000, size)])
    assert file.result is None
    assert keys(boto, bucket) == []
    file.close()
    assert file.result is not None
    assert (file.result.size, file.result.etag) == (size, etag(noise(BIG)[:size]))
    assert stored(boto, bucket) == noise(BIG)[:size]


def _half(url: str, uploads: Uploads) -> gof3r.ObjectWriter:
    """A file in its middle: a part is stored."""
    file = gof3r.open(url, "wb", config=SMALL)
    file.write(noise(BIG)[: 2 * PART])
    until(lambda: uploads.parts(), "a part is stored")
    return file


@pytest.fixture
def uploads(boto: S3Client, bucket: str) -> Uploads:
    return Uploads(boto, bucket)


def test_an_exception_in_the_block_leaves_nothing(
    url: str, bucket: str, boto: S3Client, uploads: Uploads, surroundings: dict[str, str]
) -> None:
    with pytest.raises(Stop), _half(url, uploads) as file:
        raise Stop
    assert file.closed
    assert file.result is None
    assert engines(surroundings["MARK"]) == []
    assert uploads.pending() == []
    assert keys(boto, bucket) == []


def test_an_exception_in_the_block_leaves_nothing_though_a_wrapper_has_closed_the_file(
    url: str, bucket: str, boto: S3Client
) -> None:
    with pytest.raises(Stop), gof3r.open(url, "wb") as file, io.TextIOWrapper(file) as text:
        text.write("half of it")
        raise Stop
    assert keys(boto, bucket) == []


def test_a_wrapper_that_closes_the_file_in_its_block_stores_the_object(
    url: str, bucket: str, boto: S3Client
) -> None:
    with gof3r.open(url, "wb") as file, io.TextIOWrapper(file, encoding="utf-8") as text:
        csv.writer(text).writerows([["a", "ü"], ["b", "c"]])
    assert file.result is not None
    assert stored(boto, bucket) == "a,ü\r\nb,c\r\n".encode()


def test_a_wrapper_without_a_block_stores_the_object_when_it_is_closed(
    url: str, bucket: str, boto: S3Client
) -> None:
    text = io.TextIOWrapper(gof3r.open(url, "wb"))
    json.dump({"a": [1, 2]}, text)
    text.close()
    assert stored(boto, bucket) == b'{"a": [1, 2]}'


def test_a_file_that_is_collected_without_having_been_closed_leaves_nothing(
    url: str, bucket: str, boto: S3Client
) -> None:
    file = gof3r.open(url, "wb")
    file.write(b"half of it")
    with pytest.warns(ResourceWarning, match="was not closed"):
        del file
        gc.collect()
    assert keys(boto, bucket) == []


def test_a_wrapper_that_is_collected_without_having_been_closed_leaves_nothing(
    url: str, bucket: str, boto: S3Client
) -> None:
    text = io.TextIOWrapper(gof3r.open(url, "wb"))
    text.write("half of it")
    with pytest.warns(ResourceWarning, match="was not closed"):
        del text
        gc.collect()
    assert keys(boto, bucket) == []


def test_a_file_in_a_circle_of_references_leaves_nothing(url: str, bucket: str, boto: S3Client) -> None:
    file = gof3r.open(url, "wb")
    file.write(b"half of it")
    file.raw.circle = file  # type: ignore[attr-defined]
    with pytest.warns(ResourceWarning, match="was not closed"):
        del file
        gc.collect()
    assert keys(boto, bucket) == []


def test_a_write_after_the_engine_has_failed_raises_its_error(bucket: str) -> None:
    file = gof3r.open(f"s3://{bucket}-is-not-there/k", "wb", config=SMALL)
    with pytest.raises(gof3r.NotFound, match="NoSuchBucket"):
        for _ in range(100):
            file.write(noise(PART))
    with pytest.raises(gof3r.NotFound, match="NoSuchBucket"):
        file.write(noise(PART))
    with pytest.raises(gof3r.NotFound, match="NoSuchBucket"):
        file.close()
    assert file.closed


def test_close_raises_what_the_engine_has_failed_with(bucket: str) -> None:
    file = gof3r.open(f"s3://{bucket}-is-not-there/k", "wb")
    file.write(b"1")
    with pytest.raises(gof3r.NotFound, match="NoSuchBucket"):
        file.close()
    assert file.closed
    assert file.result is None
    file.close()


def test_if_none_match_keeps_what_is_there(url: str, bucket: str, boto: S3Client) -> None:
    gof3r.put(b"1", url)
    with pytest.raises(FileExistsError), gof3r.open(url, "wb", if_none_match=True) as file:
        file.write(b"2")
    assert stored(boto, bucket) == b"1"


# --- what io expects ------------------------------------------------------------------


def test_a_file_for_writing_is_what_io_says_it_is(url: str) -> None:
    with gof3r.open(url, "wb") as file:
        assert isinstance(file, io.BufferedIOBase)
        assert (file.readable(), file.writable(), file.seekable()) == (False, True, False)
        assert (file.name, file.mode, file.tell()) == (url, "wb", 0)
        assert file.write(memoryview(b"1234").cast("H")) == 4
        file.flush()
        file.writelines([b"5", b"6"])
        assert file.tell() == 6
        for wrong in (file.read, file.fileno, lambda: file.seek(0), file.truncate):
            with pytest.raises(io.UnsupportedOperation):
                wrong()
        with pytest.raises(TypeError):
            file.write("text")  # type: ignore[arg-type]
    for closed in (lambda: file.write(b"1"), file.flush, file.tell, file.__enter__):
        with pytest.raises(ValueError, match="closed"):
            closed()
    file.close()


def test_a_file_for_reading_is_what_io_says_it_is(url: str) -> None:
    gof3r.put(DATA, url)
    with gof3r.open(url) as file:
        assert isinstance(file, io.BufferedIOBase)
        assert (file.readable(), file.writable(), file.seekable()) == (True, False, True)
        assert (file.name, file.mode, file.tell()) == (url, "rb", 0)
        assert (file.size, file.version_id) == (len(DATA), "")
        assert file.modified is not None
        refused: tuple[Callable[[], object], ...] = (lambda: file.write(b"1"), file.fileno, file.truncate)
        for wrong in refused:
            with pytest.raises(io.UnsupportedOperation):
                wrong()
        for arguments in ((-1,), (0, 9), (-len(DATA) - 1, 2)):
            with pytest.raises(ValueError):
                file.seek(*arguments)
        assert file.read(0) == b""
        assert file.read(10) == DATA[:10]
    for closed in (file.read, lambda: file.seek(0), file.tell, file.__enter__):
        with pytest.raises(ValueError, match="closed"):
            closed()
    file.close()


@pytest.mark.parametrize("mode", ["r", "w", "rb+", "ab", "xb", ""])
def test_other_modes_are_refused(mode: str, url: str) -> None:
    with pytest.raises(ValueError, match="mode"):
        gof3r.open(url, mode)


def test_arguments_of_the_other_mode_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="writing"):
        gof3r.open(url, "rb", if_none_match=True)
    with pytest.raises(ValueError, match="reading"):
        gof3r.open(url, "wb", version_id="v")


# --- what others do with files ------------------------------------------------------------------


def test_copyfileobj_copies_both_ways(url: str, bucket: str, boto: S3Client, tmp_path: Path) -> None:
    with gof3r.open(url, "wb", config=SMALL) as target:
        shutil.copyfileobj(io.BytesIO(noise(BIG)), target)
    with gof3r.open(url, config=SMALL) as source, (tmp_path / "got").open("wb") as copy:
        shutil.copyfileobj(source, copy)
    assert (tmp_path / "got").read_bytes() == noise(BIG)
    assert source.result is not None
    assert source.result.verified == ("md5", "crc64nvme")


def test_one_object_is_copied_into_another(url: str, bucket: str, boto: S3Client) -> None:
    gof3r.put(noise(LONG), url)
    with gof3r.open(url, config=PIECES) as source, gof3r.open(f"{url}2", "wb") as target:
        shutil.copyfileobj(source, target)
    assert stored(boto, bucket, "k2") == noise(LONG)


@pytest.mark.parametrize("reading", ["r|", "r:", "r"])
def test_a_tar_archive_goes_there_and_back(reading: str, url: str, tmp_path: Path) -> None:
    members = {"a": b"", "b/small": DATA[:1000], "b/large": noise(LONG), "c": DATA}
    with gof3r.open(url, "wb") as file, tarfile.open(fileobj=file, mode="w|") as archive:
        for name, data in members.items():
            header = tarfile.TarInfo(name)
            header.size = len(data)
            archive.addfile(header, io.BytesIO(data))
    with gof3r.open(url, config=PIECES) as source:
        with tarfile.open(fileobj=source, mode=reading) as archive:  # type: ignore[call-overload]
            found = {member.name: archive.extractfile(member).read() for member in archive}
    assert found == members


def test_a_tar_archive_that_breaks_off_leaves_nothing(url: str, bucket: str, boto: S3Client) -> None:
    with (
        pytest.raises(FileNotFoundError),
        gof3r.open(url, "wb") as file,
        tarfile.open(fileobj=file, mode="w|") as archive,
    ):
        archive.add(__file__)
        archive.add("/is/not/there")
    assert keys(boto, bucket) == []


def test_a_zip_archive_goes_there_and_back(url: str) -> None:
    members = {"a": b"", "b/small": DATA[:1000], "b/large": noise(LONG), "c": DATA}
    with gof3r.open(url, "wb") as file, zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    with gof3r.open(url) as source, zipfile.ZipFile(source) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in sorted(members, reverse=True)} == members


def test_text_is_written_and_read_by_lines(url: str) -> None:
    lines = [f"{number}: äöü\n" for number in range(20_000)]
    with gof3r.open(url, "wb") as file, io.TextIOWrapper(file, encoding="utf-8") as text:
        text.writelines(lines)
    with gof3r.open(url) as source, io.TextIOWrapper(source, encoding="utf-8") as text:
        assert text.readlines() == lines
    with gof3r.open(url) as source:
        assert [line.decode() for line in source] == lines


def test_values_are_pickled_there_and_back(url: str) -> None:
    value = {"a": list(range(100_000)), "b": DATA}
    with gof3r.open(url, "wb") as file:
        pickle.dump(value, file)
    with gof3r.open(url) as source:
        assert pickle.load(source) == value


# --- many at once ------------------------------------------------------------------


def test_several_threads_work_at_once(url: str, bucket: str, boto: S3Client) -> None:
    def there_and_back(number: int) -> bytes:
        own = f"{url}{number}"
        with gof3r.open(own, "wb") as file:
            file.write(DATA[number:])
        sink = io.BytesIO()
        gof3r.get(own, sink)
        return sink.getvalue()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(there_and_back, range(4))) == [DATA[number:] for number in range(4)]


def test_several_files_are_open_at_once(url: str, bucket: str, boto: S3Client) -> None:
    files = [gof3r.open(f"{url}{number}", "wb") for number in range(3)]
    for piece in (b"a", b"b"):
        for file in files:
            file.write(piece)
    for number, file in enumerate(files):
        if number == 1:
            file.raw.abandon()
        file.close()
    assert [key for key in keys(boto, bucket) if not key.startswith(".")] == ["k0", "k2"]


def test_threads_may_share_a_file(url: str, bucket: str, boto: S3Client) -> None:
    with gof3r.open(url, "wb") as file:
        writers = [
            threading.Thread(target=lambda: [file.write(b"%07d\n" % number) for number in range(20_000)])
            for _ in range(3)
        ]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
    assert sorted(stored(boto, bucket).splitlines()) == sorted([b"%07d" % n for n in range(20_000)] * 3)


def test_a_forked_child_neither_holds_nor_ends_what_its_parent_has_open(
    url: str, bucket: str, boto: S3Client
) -> None:
    gof3r.put(noise(LONG), f"{url}2")
    source = gof3r.open(f"{url}2", config=PIECES)
    assert source.read(10) == noise(LONG)[:10]
    file = gof3r.open(url, "wb", config=SMALL)
    file.write(b"before")
    file.flush()
    pid = os.fork()
    if not pid:
        code = 0
        try:
            for use in (lambda: file.write(noise(PART)), source.read, file.close):
                try:
                    use()
                except gof3r.Gof3rError:
                    code += 1
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
    file.write(b" after")
    file.close()
    assert stored(boto, bucket) == b"before after"
    assert source.read() == noise(LONG)[10:]
    source.close()
