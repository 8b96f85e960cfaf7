"""What standard error shows: Go's durations, sizes by magnitude, each warning once."""

from __future__ import annotations

import io
import os
import sys
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gof3r import report
from gof3r.engine.books import Binding, Books
from gof3r.engine.flow.events import Progress, Receipt
from gof3r.engine.orders import Result


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (1e-9, "1ns"),
        (999e-9, "999ns"),
        (2e-6, "2µs"),
        (1.5e-6, "1.5µs"),
        (0.0015, "1.5ms"),
        (0.25, "250ms"),
        (0.999999999, "999.999999ms"),
        (0.9999999999, "1s"),
        (1, "1s"),
        (53.201632211, "53.201632211s"),
        (60, "1m0s"),
        (76.080800315, "1m16.080800315s"),
        (3600, "1h0m0s"),
        (3723.5, "1h2m3.5s"),
        (359999.25, "99h59m59.25s"),
    ],
)
def test_a_duration_reads_as_in_go(seconds: float, text: str) -> None:
    assert report.duration(seconds) == text


@given(st.integers(min_value=1, max_value=10**15))
def test_a_duration_names_every_nanosecond(nanoseconds: int) -> None:
    scale = {"ns": 1, "µs": 10**3, "ms": 10**6, "s": 10**9}
    text, total = report.duration(nanoseconds / 1e9), Decimal(0)
    for unit, size in (("h", 3600 * 10**9), ("m", 60 * 10**9)):
        head, found, tail = text.partition(unit)
        if found and head.isdigit() and not tail.startswith("s"):
            total, text = total + int(head) * size, tail
    for unit in ("ns", "µs", "ms", "s"):
        if text.endswith(unit):
            total += Decimal(text.removesuffix(unit)) * scale[unit]
            break
    assert total == round(nanoseconds / 1e9 * 1e9)


@pytest.mark.parametrize(
    ("size", "seconds", "text"),
    [
        (8 * 2**30, 6.611570248, "8.0 GiB, 1.21 GiB/s"),
        (0, 0.0, "0 B, 0 B/s"),
        (1023, 1.0, "1023 B, 1023 B/s"),
        (1024, 1.0, "1.0 KiB, 1.00 KiB/s"),
        (2**20 - 1, 1.0, "1.0 MiB, 1.00 MiB/s"),
        (5 * 2**40, 3600.0, "5.0 TiB, 1.42 GiB/s"),
        (5000 * 2**40, 3600.0, "5000.0 TiB, 1.39 TiB/s"),
    ],
)
def test_sizes_are_in_the_unit_that_leaves_less_than_1024(size: int, seconds: float, text: str) -> None:
    assert report.summary(size, seconds, ("md5",)) == f"{text}, verified: md5"


@pytest.mark.parametrize(
    ("verified", "text"),
    [(("md5", "crc64nvme"), "md5+crc64nvme"), (("crc64nvme",), "crc64nvme"), ((), "none (length, ETag pin)")],
)
def test_the_summary_says_how_it_was_verified(verified: tuple[str, ...], text: str) -> None:
    assert report.summary(1, 1.0, verified).endswith(f", verified: {text}")


RECEIPT = Receipt(2**20, "e-2", ("md5", "crc64nvme"), "v1", {"md5": b"\x01\xff", "crc64nvme": b"\0" * 8})


RESULT = Result(RECEIPT, {}, 0.5, Books(), Binding("", ""), {})


def test_a_transfer_ends_with_its_duration_and_summary(capsys: pytest.CaptureFixture[str]) -> None:
    report.Report(100.0).done(RECEIPT, RESULT, 100.5)
    out, err = capsys.readouterr()
    assert (out, err) == ("", "duration: 500ms\n1.0 MiB, 2.00 MiB/s, verified: md5+crc64nvme\n")


@pytest.mark.parametrize(
    ("progress", "line"),
    [
        (
            Progress(2**20, None, 3, 0, rate=2048, seconds=1024),
            "1.0 MiB, 2.00 KiB/s, average 1.00 KiB/s, 3 parts in flight",
        ),
        (
            Progress(2**20, 4 * 2**20, 0, 2, rate=4096, seconds=512),
            "1.0 MiB of 4.0 MiB (25%), 4.00 KiB/s, average 2.00 KiB/s, 25m36s left, "
            "0 parts in flight, 2 retries",
        ),
        (Progress(0, 0, 1, 0), "0 B, 0 B/s, average 0 B/s, 1 part in flight"),
        (
            Progress(0, 10, 2, 1, "sink", rate=2048, seconds=1),
            "0 B of 10 B (0%), 2.00 KiB/s, average 0 B/s, 2 parts in flight, 1 retry, sink binds",
        ),
    ],
)
def test_progress_tells_what_is_known(progress: Progress, line: str) -> None:
    assert report.progress_line(progress) == line


def test_a_log_gets_a_line_of_progress_every_ten_beats_and_only_when_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked, silent = report.Report(0.0, progress=True), report.Report(0.0)
    for beat in range(26):
        for told in (asked, silent):
            told.progress(Progress(beat * 2**20, None, 1, 0, rate=2**20, seconds=beat * 2))
    assert capsys.readouterr().err.splitlines() == [
        "gof3r: 10.0 MiB, 1.00 MiB/s, average 512.00 KiB/s, 1 part in flight",
        "gof3r: 20.0 MiB, 1.00 MiB/s, average 512.00 KiB/s, 1 part in flight",
    ]


def test_a_terminal_has_one_line_of_progress_that_is_gone_before_anything_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    told = report.Report(0.0)
    for beat in range(3):
        told.progress(Progress(beat * 2**20, None, 1, 0, rate=2**20, seconds=beat))
    told.warning("look")
    erase = "\r\x1b[K"
    lines = [f"{beat}.0 MiB, 1.00 MiB/s, average 1.00 MiB/s, 1 part in flight" for beat in (1, 2)]
    drawn = "".join(erase + line for line in lines)
    assert capsys.readouterr().err == f"{drawn}{erase}gof3r warning: look\n"


@pytest.mark.parametrize(("columns", "shown"), [(20, "1.0 MiB, 1.00 MiB"), (0, "1 part in flight")])
def test_a_line_of_progress_fits_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: int, shown: str
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(sys.stderr, "fileno", lambda: 2)
    monkeypatch.setattr(os, "get_terminal_size", lambda fd: os.terminal_size((columns, 1)))
    told = report.Report(0.0)
    for beat in range(2):
        told.progress(Progress(2**20, None, 1, 0, rate=2**20, seconds=beat))
    assert capsys.readouterr().err.endswith(shown)


def test_a_found_concurrency_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    report.Report(100.0).done(RECEIPT, replace(RESULT, concurrency=37, found=True), 100.5)
    assert capsys.readouterr().err.splitlines()[2:] == ["concurrency: 37, found by auto"]


def test_a_concurrency_that_there_was_no_time_to_look_for_is_not_said_to_be_found(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report.Report(100.0).done(RECEIPT, replace(RESULT, concurrency=10), 100.5)
    assert capsys.readouterr().err.splitlines()[2:] == []


def test_a_warning_is_given_once(capsys: pytest.CaptureFixture[str]) -> None:
    told = report.Report(0.0)
    for text in ("one", "two", "one"):
        told.warning(text)
    assert capsys.readouterr().err == "gof3r warning: one\ngof3r warning: two\n"


@pytest.mark.parametrize(("debug", "text"), [(False, ""), (True, "gof3r debug: why\n")])
def test_debug_speaks_only_when_asked(debug: bool, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    report.Report(0.0, debug).debug("why")
    assert capsys.readouterr().err == text


def test_text_from_outside_cannot_drive_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    told = report.Report(0.0, debug=True)
    for say in (told.warning, told.debug):
        say("a\x1b[2Jb\nc\rd\x9be")
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(": ")[2] for line in lines] == ["a [2Jb c d e"] * 2


class Gone(io.StringIO):
    def flush(self) -> None:
        raise BrokenPipeError


def closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("stderr", [Gone(), closed(), None])
def test_a_standard_error_that_is_gone_is_silence(
    stderr: io.StringIO | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stderr", stderr)
    told = report.Report(0.0, progress=True)
    told.warning("first")
    told.done(RECEIPT, RESULT, 1.0)
    assert capsys.readouterr().out == "", "nothing may stray into the object"
