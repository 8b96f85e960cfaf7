"""Receipts: the line, and the file that keeps them through crashes."""

from __future__ import annotations

import errno
import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gof3r.engine.errors import Gof3rError, UsageError
from gof3r.migrate import receipts
from gof3r.migrate.appended import WINDOW, Appended
from gof3r.migrate.items import Identity, LocalFile
from gof3r.migrate.receipts import Receipt
from tests.migrate.samples import RECEIPT, RECEIPTS

LINE = receipts.as_line(RECEIPT)

# --- the line -----------------------------------------------------------------------


def test_a_line_has_names_with_units() -> None:
    assert json.loads(LINE) == {
        "gof3r_receipt": 1,
        "source": "s3://a/x",
        "destination": "s3://b/y",
        "size_bytes": 3,
        "source_etag": "0123-2",
        "source_version_id": "v1",
        "source_mtime_ns": None,
        "etag": "0123-2",
        "version_id": "v2",
        "crc64nvme": "AAAAAAAAAAE=",
        "md5": "0" * 32,
        "verified": ["md5", "crc64nvme"],
        "retries": {"SlowDown": 2},
        "seconds": 0.25,
        "when_epoch_seconds": 1_764_000_000.5,
        "supersedes": None,
    }


@given(RECEIPTS)
def test_what_is_read_is_what_was_written(receipt: Receipt) -> None:
    line = receipts.as_line(receipt)
    assert line.startswith(receipts.BEGINNING) and line.isascii() and line.index(b"\n") == len(line) - 1
    assert receipts.from_line(line, "r") == receipt


def test_a_receipt_says_what_the_source_was() -> None:
    assert RECEIPT.identity == Identity(3, "0123-2", "v1")
    of_a_file = replace(RECEIPT, source=LocalFile("/f"), source_etag="", source_mtime_ns=7)
    assert of_a_file.identity == Identity(3, mtime_ns=7)


def changed(**fields: object) -> bytes:
    return json.dumps({**json.loads(LINE), **fields}).encode()


def without(name: str) -> bytes:
    return json.dumps({key: value for key, value in json.loads(LINE).items() if key != name}).encode()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"", "no JSON"),
        (LINE[:-9], "no JSON"),
        (b"\xff", "utf-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b"9" * 5000, ""),
        (b"[]", "it does not say gof3r_receipt"),
        (changed(gof3r_receipt=2), "its format is 2, and this version reads 1"),
        (changed(gof3r_receipt=True), "its format is True"),
        (changed(source="x"), "source: neither an s3:// URL nor an absolute path"),
        (changed(source="/a/../b//c"), "source: neither"),
        (changed(source=3), "source: no text"),
        (changed(source="/a"), "source_version_id: a file has none"),
        (changed(destination="s3://b"), "destination"),
        (changed(destination="/a\0"), "destination"),
        (changed(size_bytes=-1), "size_bytes: no whole number"),
        (changed(source_mtime_ns=2**63), "source_mtime_ns: no time in nanoseconds"),
        (changed(etag="\ud800"), "etag: no text"),
        (changed(crc64nvme="AAAA"), "crc64nvme: no CRC64NVME in base64"),
        (changed(crc64nvme="?"), "crc64nvme"),
        (changed(md5="0"), "md5: no md5 in hex"),
        (changed(verified="md5"), "verified: no list"),
        (changed(retries=[]), "retries: no object"),
        (changed(seconds=float("nan")), "seconds: no number"),
        (changed(when_epoch_seconds=10**15), "when_epoch_seconds: no time"),
        (changed(supersedes=1.5), "supersedes: no whole number"),
        *[(without(name), f"{name} is missing") for name in list(json.loads(LINE))[1:]],
    ],
)
def test_what_is_no_receipt_is_told_in_one_line(line: bytes, why: str) -> None:
    with pytest.raises(UsageError) as found:
        receipts.from_line(line, "r: line 3")
    assert str(found.value).startswith("r: line 3 is no receipt of gof3r migrate: ") and why in str(
        found.value
    )
    assert str(found.value).isprintable() and len(str(found.value)) <= 300


@given(
    st.binary()
    | st.builds(
        lambda end, more: LINE[:end] + more + LINE[end:], st.integers(0, len(LINE)), st.binary(max_size=2)
    )
)
def test_any_line_is_a_receipt_that_can_be_written_again_or_a_usage_error(line: bytes) -> None:
    try:
        read = receipts.from_line(line, "r")
    except UsageError as error:
        assert str(error).isprintable()
    else:
        assert receipts.from_line(receipts.as_line(read), "again") == read


# --- reading a file -----------------------------------------------------------------


def test_receipts_come_with_their_places(tmp_path: Path) -> None:
    path = tmp_path / "r"
    path.write_bytes(LINE * 3)
    assert list(receipts.read(str(path))) == [(number * len(LINE), RECEIPT) for number in range(3)]


def test_what_is_superseded_does_not_hold(tmp_path: Path) -> None:
    path = tmp_path / "r"
    newer = replace(RECEIPT, size=4, supersedes=len(LINE))
    path.write_bytes(LINE + LINE + receipts.as_line(newer))
    assert list(receipts.current(str(path))) == [RECEIPT, newer]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (LINE + LINE[:-1], "line 2: it is cut off"),
        (LINE + b"x\n", "line 2 is no receipt"),
        (b"x" * 200_000, "cut off"),
    ],
)
def test_nothing_is_passed_over(tmp_path: Path, data: bytes, why: str) -> None:
    path = tmp_path / "r"
    path.write_bytes(data)
    with pytest.raises(UsageError, match=why):
        list(receipts.read(str(path)))
    with pytest.raises(UsageError, match="cannot be read"):
        list(receipts.read(str(tmp_path / "none")))


# --- appending ----------------------------------------------------------------------


def test_what_is_committed_is_there_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "r"
    with Appended(str(path)) as file:
        assert list(file.recover(0)) == []
        assert [file.add(RECEIPT, 5.0), file.add(RECEIPT, 6.0)] == [0, len(LINE)]
        assert path.read_bytes() == b"" and file.due == 5.0 + WINDOW
        file.commit()
        assert path.read_bytes() == LINE * 2 and file.due is None
        file.add(RECEIPT, 7.0)
    assert path.read_bytes() == LINE * 2
    assert stat.S_IMODE(path.stat().st_mode) & 0o111 == 0


def test_one_fsync_serves_all_that_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Appended(str(tmp_path / "r")) as file:
        syncs: list[int] = []
        monkeypatch.setattr(os, "fsync", syncs.append)
        for _ in range(100):
            file.add(RECEIPT, 0.0)
        file.commit()
        file.commit()
        assert len(syncs) == 1


TORN = LINE[:40]


@pytest.mark.parametrize(
    ("data", "confirmed", "left"),
    [
        (b"", 0, 0),
        (LINE * 2, 0, 2),
        (LINE * 2, 2, 2),
        (LINE + LINE[:-1], 0, 1),
        (LINE + TORN, 1, 1),
        (TORN, 0, 0),
        (LINE[:3], 0, 0),
        (LINE + b"\0" * 5000, 1, 1),
        (LINE + b"\0" * 50 + b"\n" + LINE, 1, 1),
        (LINE + TORN + b"\n" + LINE, 1, 1),
        (LINE + receipts.BEGINNING + b"x" * 200_000, 1, 1),
    ],
)
def test_what_a_crash_has_torn_is_cut_off(tmp_path: Path, data: bytes, confirmed: int, left: int) -> None:
    path = tmp_path / "r"
    path.write_bytes(data)
    with Appended(str(path)) as file:
        found = list(file.recover(confirmed * len(LINE)))
        assert found == [(number * len(LINE), RECEIPT) for number in range(confirmed, left)]
        assert path.read_bytes() == LINE * left
        assert file.add(RECEIPT, 0.0) == left * len(LINE)
        file.commit()
    assert path.read_bytes() == LINE * (left + 1)


@given(end=st.integers(0, 3 * len(LINE)), confirmed=st.integers(0, 3))
def test_wherever_a_crash_has_cut_only_whole_lines_stay(
    tmp_path_factory: pytest.TempPathFactory, end: int, confirmed: int
) -> None:
    path = tmp_path_factory.mktemp("r") / "r"
    path.write_bytes((LINE * 3)[:end])
    with Appended(str(path)) as file:
        if confirmed * len(LINE) > end:
            with pytest.raises(UsageError, match="the journal knows receipts up to byte"):
                list(file.recover(confirmed * len(LINE)))
            assert path.stat().st_size == end
        else:
            assert len(list(file.recover(confirmed * len(LINE)))) == end // len(LINE) - confirmed
            assert path.stat().st_size == end // len(LINE) * len(LINE)


@pytest.mark.parametrize(
    "data",
    [
        b"my diary\n",
        b"my diary",
        b'{"a": 1}\n',
        b'{"gof3r_receipt": 2, "b": 1}\n',
        LINE + b"more\n",
        LINE + changed(size_bytes=-1) + b"\n",
    ],
)
def test_what_was_not_written_by_us_is_never_cut(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "r"
    path.write_bytes(data)
    with Appended(str(path)) as file, pytest.raises(UsageError, match="is no receipt"):
        list(file.recover(0))
    assert path.read_bytes() == data


def test_receipts_that_were_exchanged_are_told(tmp_path: Path) -> None:
    path = tmp_path / "r"
    path.write_bytes(LINE * 2)
    with Appended(str(path)) as file, pytest.raises(UsageError, match="here they are others"):
        list(file.recover(len(LINE) + 1))


def test_one_writes_at_a_time(tmp_path: Path) -> None:
    path = str(tmp_path / "r")
    file = Appended(path)
    list(file.recover(0))  # which must not end the lock
    pid = os.fork()
    if not pid:
        try:
            Appended(path)
        except UsageError:
            os._exit(0)
        os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0
    file.close()
    Appended(path).close()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none/r"):
        with pytest.raises(UsageError, match="cannot write receipts"):
            Appended(str(path))


def test_a_stream_takes_no_receipts(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="regular file"):
        Appended("/dev/full")


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_after_a_failed_write_nothing_more_is_promised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Appended(str(tmp_path / "r")) as file:
        file.add(RECEIPT, 0.0)
        monkeypatch.setattr(os, call, full)
        with pytest.raises(Gof3rError, match="No space left"):
            file.commit()
        monkeypatch.undo()
        with pytest.raises(Gof3rError, match="No space left"):
            file.add(RECEIPT, 0.0)
        with pytest.raises(Gof3rError, match="No space left"):
            file.commit()
