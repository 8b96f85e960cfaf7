"""A run as a picture: what is drawn is a picture, whatever was measured, and appears only as a whole."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings

from gof3r.bench import plot
from gof3r.bench.measured import MiB, Run
from gof3r.destination import Destination
from gof3r.engine.errors import Gof3rError, UsageError
from tests.bench.samples import ONE, RUN, RUNS, measured, run

PNG = b"\x89PNG\r\n\x1a\n"

SWEEP = run(
    *(
        measured(100 * n + part, part * MiB, n, None, auto=n == 12)
        for n in (1, 4, 8, 12, 64)
        for part in (5, 16)
    )
)


@pytest.mark.parametrize(
    "drawn",
    [
        run(),
        RUN,
        SWEEP,
        run(*(measured(n, n * MiB, n, n % 3 + 1) for n in range(1, 100))),
        run(*(replace(ONE, sent=0, series=(0.0, 0.0), first_byte=(), latency=()) for _ in range(15))),
        run(replace(ONE, series=(), first_byte=(0.0, 0.0, 0.0, 0.0))),
        replace(RUN, endpoint="http://\x1b[1m$x^{$\u4e00\ud800", machine={"cpu": "x" * 1000}),
    ],
    ids=["nothing", "one", "a sweep", "many", "none moved", "zeros", "texts"],
)
def test_a_run_is_drawn_as_png(tmp_path: Path, drawn: Run) -> None:
    path = tmp_path / "run.png"
    plot.plot(drawn, str(path))
    header = path.read_bytes()[:24]
    assert header.startswith(PNG)
    width, height = (int.from_bytes(header[at : at + 4], "big") for at in (16, 20))
    assert width == 16 * plot.DPI and 9 * plot.DPI <= height <= width
    assert list(tmp_path.iterdir()) == [path]


def test_a_run_is_drawn_as_svg(tmp_path: Path) -> None:
    plot.plot(SWEEP, str(tmp_path / "run.SVG"))
    assert ElementTree.parse(tmp_path / "run.SVG").getroot().tag == "{http://www.w3.org/2000/svg}svg"


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(RUNS)
def test_any_run_can_be_drawn(tmp_path: Path, any_run: Run) -> None:
    plot.plot(any_run, str(tmp_path / "run.png"))


def test_an_older_picture_is_replaced_and_stays_where_none_can_be_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.png"
    path.write_text("older")
    with monkeypatch.context() as patched:
        patched.setattr(Destination, "commit", lambda self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            plot.plot(RUN, str(path))
    assert path.read_text() == "older"
    assert list(tmp_path.iterdir()) == [path]
    plot.plot(RUN, str(path))
    assert path.read_bytes().startswith(PNG)


def test_a_picture_that_cannot_be_written_is_an_error_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(Gof3rError, match=r"cannot write .*: No such file or directory"):
        plot.plot(RUN, str(tmp_path / "none" / "run.png"))


@pytest.mark.parametrize("place", ["none/run.png", "folder.png"])
def test_where_a_picture_cannot_be_is_told_before_anything_is_measured(tmp_path: Path, place: str) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(Gof3rError, match="cannot write"):
        plot.check(str(tmp_path / place))


def test_a_full_disk_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "run.png").symlink_to("/dev/full")
    with pytest.raises(Gof3rError, match=r"cannot write .*: No space left on device"):
        plot.plot(RUN, str(tmp_path / "run.png"))


@pytest.mark.parametrize("path", ["run.pdf", "run", "png", ".png", "run.png.gz", "run.\n"])
def test_what_is_neither_png_nor_svg_is_refused_before_anything_is_measured(path: str) -> None:
    for step in (plot.check, lambda path: plot.plot(RUN, path)):
        with pytest.raises(UsageError, match=r"a plot is a \.png or an \.svg, not "):
            step(path)


def test_without_matplotlib_the_remedy_is_told_before_anything_is_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plot, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'gof3r\[bench\]'"):
        plot.check("run.png")


def test_with_matplotlib_nothing_is_said_and_nothing_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert importlib.util.find_spec("matplotlib") is not None  # it is in the extra "test"
    monkeypatch.chdir(tmp_path)
    plot.check("run.png")
    plot.check("RUN.SVG")
    assert list(tmp_path.iterdir()) == []
