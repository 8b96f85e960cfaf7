"""A run as a picture: the rate by connections, what requests took, and each second of it.

matplotlib is loaded here alone, and late: it is installed for this only (``gof3r[bench]``), and takes longer
to load than everything else.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gof3r.answers import time_text
from gof3r.destination import Destination
from gof3r.engine.errors import Gof3rError, UsageError, one_line

from . import machine
from .measured import PERCENT_NAMES, Measured, Run, Setting, best
from .table import figure, size_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg")

BEST, FIRST_BYTE, LATENCY = "#c8442c", "#4878a8", "#8fa3b5"

COLOURS = (
    *("#1f77b4", "#ff7f0e", "#2ca02c", "#9467bd", "#8c564b", "#e377c2", "#17becf", "#bcbd22"),
    *("#7f7f7f", "#000000", "#1b4d3e"),
)
"""matplotlib's own and two more, without the red: that is the best's."""

STYLES = ("o-", "s--", "^:", "D-.", "v-", "x--", "P:", "<-.")
"""Marker and line."""

SERIES = len(COLOURS) + 1
"""Settings drawn second by second: more lines cannot be told apart."""

ROWS = 60
"""Settings of which percentiles are drawn: as many rows as a screen has room for."""

LEGEND = 26
"""Names for which there is room beside a panel. Of more the last two are the stars and the best."""

TICKS = 14
"""Numbers of connections that fit below an axis."""

DPI = 110


def check(path: str) -> None:
    """To be asked before anything is measured. Raises UsageError where ``plot`` could not draw ``path``,
    Gof3rError where it could not write it."""
    if Path(path).suffix.lower() not in FORMATS:
        raise UsageError(one_line(f"a plot is a .png or an .svg, not {path!r}"))
    if find_spec("matplotlib") is None:
        raise UsageError("a plot needs matplotlib: pip install 'gof3r[bench]'")
    with Destination(path):  # it can be made there, and is gone again
        pass


def plot(run: Run, path: str) -> None:
    """Draws ``run``; the file appears, or is replaced, when it is complete. Raises UsageError as ``check``
    does, and Gof3rError where the file cannot be written."""
    check(path)
    import matplotlib

    drawn = io.BytesIO()
    with matplotlib.rc_context({"font.size": 9}):
        _figure(run).savefig(drawn, format=Path(path).suffix.lower()[1:], dpi=DPI)
    try:
        with Destination(path) as destination, open(destination.fd, "wb", closefd=False) as file:
            file.write(drawn.getbuffer())
            file.flush()
            destination.commit()
    except OSError as error:
        raise Gof3rError(one_line(f"cannot write {path}: {error.strerror}")) from None


def _figure(run: Run) -> Figure:
    from matplotlib.figure import Figure

    rows = min(len(run.results), ROWS)
    figure = Figure(figsize=(16, max(9.0, 2.2 + 0.19 * rows)), layout="constrained")
    places = figure.add_gridspec(2, 2, width_ratios=(1.15, 1))
    names = _names(run.results)
    _rates(figure.add_subplot(places[0, 0]), run.results)
    _seconds(figure.add_subplot(places[1, 0]), run.results, names)
    _percentiles(figure.add_subplot(places[:, 1]), run.results, names)
    for axes in figure.get_axes():
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
        axes.set_axisbelow(True)
    when = f"gof3r bench {run.mode}, {run.url} at {run.endpoint}, {time_text(run.began)}"
    title = f"{_plain(when)}\n{_plain(machine.text(run.machine))}"
    # These texts come from outside: a dollar begins no formula.
    figure.suptitle(title, fontsize=10, x=0.01, ha="left", parse_math=False)
    return figure


def _plain(text: str) -> str:
    """In ASCII, for which every font has glyphs, and not too long for the picture."""
    return one_line(text.encode("ascii", "backslashreplace").decode(), 190)


# --- names --------------------------------------------------------------------------

WORDS: Sequence[tuple[str, Callable[[Setting], str]]] = (
    ("mode", lambda setting: setting.mode),
    ("object_size", lambda setting: size_text(setting.object_size)),
    ("part_size", lambda setting: f"parts {size_text(setting.part_size)}"),
    ("concurrency", lambda setting: f"-c {_auto(setting.concurrency)}"),
    ("workers", lambda setting: f"workers {_auto(setting.workers)}"),
)
"""Field to what a name has of it."""


def _auto(number: int | None) -> str:
    return "auto" if number is None else str(number)


def _varying(results: Sequence[Measured]) -> list[str]:
    """Fields in which their settings differ."""
    return [field for field, _ in WORDS if len({getattr(one.setting, field) for one in results}) > 1]


def _name(setting: Setting, fields: Sequence[str]) -> str:
    return ", ".join(word(setting) for field, word in WORDS if field in fields)


def _names(results: Sequence[Measured]) -> list[str]:
    """Of each what tells it from the others."""
    fields = _varying(results) or ["part_size", "concurrency"]
    return [_name(one.setting, fields) for one in results]


# --- panels -------------------------------------------------------------------------


def _rates(axes: Axes, results: Sequence[Measured]) -> None:
    """A colour for each part size, a style for what else differs. A star: gof3r chose so many connections."""
    rest = [field for field in _varying(results) if field not in ("part_size", "concurrency")]
    colours = _cycle((_name(one.setting, ["part_size"]) for one in results), COLOURS)
    styles = _cycle((_name(one.setting, rest) for one in results), STYLES)
    for part, colour in colours.items():
        for other, style in styles.items():
            group = [
                one
                for one in results
                if (_name(one.setting, ["part_size"]), _name(one.setting, rest)) == (part, other)
            ]
            given = sorted((one for one in group if one.setting.concurrency), key=lambda one: one.concurrency)
            chosen = [one for one in group if not one.setting.concurrency]
            axes.plot(*_points(given), style, color=colour, markersize=4)
            axes.plot(*_points(chosen), "*", color=colour, markersize=13, markeredgecolor="k")
        axes.plot([], [], "-", color=colour, linewidth=3, label=part)
    for other, style in styles.items():
        if other:
            axes.plot([], [], style, color="k", markersize=4, label=other)
    if any(one.setting.concurrency is None for one in results):
        axes.plot([], [], "*", color="w", markersize=11, markeredgecolor="k", label="-c auto")
    if found := best(results):
        (ring,) = axes.plot(*_points([found]), "o", color=BEST, markersize=15, fillstyle="none")
        ring.set(markeredgewidth=2, label=f"best: {figure(found.rate / 1e6)} MB/s")
    _connections(axes, sorted({one.setting.concurrency or 0 for one in results} - {0}))
    axes.margins(y=0.1)  # room for the ring around the best
    axes.set_ylim(bottom=0)
    _labelled(axes, "rate", "connections", "MB/s")


def _cycle(names: Iterable[str], looks: Sequence[str]) -> dict[str, str]:
    return dict(zip(dict.fromkeys(names), cycle(looks), strict=False))


def _points(results: Sequence[Measured]) -> tuple[list[int], list[float]]:
    return [one.concurrency for one in results], [one.rate / 1e6 for one in results]


def _connections(axes: Axes, given: Sequence[int]) -> None:
    if given and given[-1] >= 8 * given[0]:
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(_tick)
    if given and len(given) <= TICKS:
        axes.set_xticks(given, list(map(str, given)))
        axes.minorticks_off()


def _tick(value: float, position: float) -> str:
    return f"{value:g}"


def _percentiles(axes: Axes, results: Sequence[Measured], names: Sequence[str]) -> None:
    """A row for each setting, the first one on top."""
    shown = sorted(_fastest(results)[:ROWS])
    span: list[float] = []
    for words, colour, lift, found in (
        ("first byte", FIRST_BYTE, -0.18, [results[at].first_byte for at in shown]),
        ("latency", LATENCY, 0.18, [results[at].latency for at in shown]),
    ):
        rows = [(row + lift, one) for row, one in enumerate(found) if min(one, default=0) > 0]  # for the log
        heights = [height for height, _ in rows]
        p50, p90, p99, most = ([one[at] * 1e3 for _, one in rows] for at in range(len(PERCENT_NAMES)))
        axes.hlines(heights, p50, most, color=colour, linewidth=0.8)
        axes.hlines(heights, p50, p99, color=colour, linewidth=3)
        axes.plot(p50, heights, "o", color=colour, markersize=5, label=words)
        axes.plot(p90, heights, "|", color="k", markersize=5)
        axes.plot(most, heights, "|", color=colour, markersize=5)
        span += [*p50, *most]
    if span:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(_tick)
        axes.xaxis.set_minor_formatter(_tick if max(span) < 10 * min(span) else "")
    axes.set_yticks(range(len(shown)), [names[at] for at in shown], fontsize=8)
    axes.set_ylim(max(len(shown), 12) - 0.4, -0.6)
    found_best = best(results)
    for at, label in zip(shown, axes.get_yticklabels(), strict=True):
        if results[at] is found_best:
            label.set(color=BEST, fontweight="bold")
    _labelled(
        axes,
        f"requests{_of(ROWS, results)}",
        "ms: dot p50, bar p90, thick to p99, thin to the longest",
        "",
        above=True,
    )


def _seconds(axes: Axes, results: Sequence[Measured], names: Sequence[str]) -> None:
    """The fastest settings second by second, the best one bold."""
    found, colours = best(results), cycle(COLOURS)
    for at in _fastest(results)[:SERIES]:
        bold = results[at] is found
        rates = [each / 1e6 for each in results[at].series]
        (line,) = axes.plot(range(1, len(rates) + 1), rates, label=names[at], color=BEST)
        if bold:
            line.set(linewidth=2.8, zorder=3)
        else:
            line.set(linewidth=1, color=next(colours))
    axes.locator_params(axis="x", integer=True)
    axes.set_ylim(bottom=0)
    _labelled(axes, f"each second{_of(SERIES, results)}", "second", "MB/s")


def _fastest(results: Sequence[Measured]) -> list[int]:
    """Where they are in ``results``; before them the best, which may need less and be a little slower."""
    found = best(results)
    return sorted(range(len(results)), key=lambda at: (results[at] is not found, -results[at].rate))


def _of(most: int, results: Sequence[Measured]) -> str:
    return f", fastest {most} of {len(results)}" if len(results) > most else ""


def _labelled(axes: Axes, title: str, x: str, y: str, above: bool = False) -> None:
    """The legend beside the panel, or ``above`` it."""
    axes.set_title(title, loc="left", fontweight="bold")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    lines, names = axes.get_legend_handles_labels()
    if len(names) > LEGEND:
        del lines[LEGEND - 2 : -2], names[LEGEND - 2 : -2]
    if names:
        place: dict[str, Any] = {"loc": "lower right", "ncols": 2} if above else {"loc": "upper left"}
        axes.legend(lines, names, bbox_to_anchor=(1.0, 1.0), fontsize=8, frameon=False, **place)
