"""The comparison as a picture: for each kind of run bars of CPU time, rate and memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .results import Run, Summary, summaries
from .tables import kinds

OURS, THEIRS = "#c8442c", "#8fa3b5"
INCHES = (15.0, 0.3, 1.1)
"""Of the picture: its width, the height of a bar, and that of a title with its axis."""

FIGURES = ("CPU s/GiB (less is better)", "MB/s (more is better)", "peak memory, MB (less is better)")


def draw(runs: Sequence[Run], path: Path) -> None:
    """Writes a picture whose format ``path`` ends with. Raises ImportError without matplotlib."""
    # Here: it is installed for this alone, and takes longer to load than everything else.
    from matplotlib.figure import Figure

    found = summaries(runs)
    groups = {
        title: [one for one in found if (one.row.way, one.row.scheme, one.row.size) == kind]
        for kind, title in kinds(summary.row for summary in found).items()
    }
    width, bar, title_height = INCHES
    heights = [len(group) * bar + title_height for group in groups.values()]
    figure = Figure(figsize=(width, sum(heights)), layout="constrained")
    axes = figure.subplots(len(groups), len(FIGURES), squeeze=False, gridspec_kw={"height_ratios": heights})
    for (title, group), line in zip(groups.items(), axes, strict=True):
        names = [summary.row.peer for summary in group]
        colours = [OURS if name.split()[0] == "gof3r" else THEIRS for name in names]
        for column, (axis, heading) in enumerate(zip(line, FIGURES, strict=True)):
            bars = axis.barh(names, [_figures(summary)[column] for summary in group], color=colours)
            axis.bar_label(bars, fmt="%.2f" if column == 0 else "%.0f", padding=3, fontsize=8)
            axis.margins(x=0.12)
            axis.invert_yaxis()
            axis.spines[["top", "right"]].set_visible(False)
            axis.set_xlabel(heading, fontsize=8)
            axis.tick_params(labelsize=8, labelleft=column == 0)
        line[0].set_title(title, loc="left", fontsize=10, fontweight="bold")
    figure.savefig(path, dpi=110)


def _figures(summary: Summary) -> tuple[float, float, float]:
    """As FIGURES."""
    return summary.cpu.median, summary.rate.median, summary.peak / 1e6
