"""The comparison as text, for a terminal or in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from gof3r.report import size_text

from .programs import Peer
from .results import Row, Run, Spread, Summary, failures, summaries

WAYS = {"put": "put from a pipe", "get-pipe": "get into a pipe", "get-null": "get to /dev/null"}
HEADINGS = ("program", "CPU s/GiB", "MB/s", "peak MB", "server CPU s/GiB", "runs")


def kinds(rows: Iterable[Row]) -> dict[tuple[str, str, int], str]:
    """Which rows belong beside each other, and what they have in common: (way, scheme, size) to a title."""
    order = list(WAYS)
    found = {(row.way, row.scheme, row.size) for row in rows}
    return {
        (way, scheme, size): f"{WAYS[way]}, {scheme}, {size_text(size)}"
        for way, scheme, size in sorted(found, key=lambda kind: (kind[1], -kind[2], order.index(kind[0])))
    }


def text(runs: Sequence[Run], peers: Sequence[Peer], machine: Mapping[str, object], markdown: bool) -> str:
    """All tables, below the machine and the versions, above what was not compared."""
    lines = [", ".join(f"{name} {value}" for name, value in machine.items()), ""]
    lines += [", ".join(dict.fromkeys(f"{peer.name} {peer.version}" for peer in peers if peer.version)), ""]
    found, failed = summaries(runs), failures(runs)
    for kind, title in kinds(run.row for run in runs).items():
        chosen = [
            summary for summary in found if (summary.row.way, summary.row.scheme, summary.row.size) == kind
        ]
        lines += [f"### {title}" if markdown else f"{title}:", ""]
        lines += [*_table([_cells(summary) for summary in chosen], markdown), ""]
        bad = {row: why for row, why in failed.items() if (row.way, row.scheme, row.size) == kind}
        lines += [f"{'- ' if markdown else ''}{row.peer} failed: {why}" for row, why in bad.items()]
        lines += [""] if bad else []
    missing = [f"{'- ' if markdown else ''}{peer.name}: {peer.source}" for peer in peers if not peer.version]
    lines += ["Not installed, and so not compared:", *[""] * markdown, *missing] if missing else []
    return "\n".join(lines).rstrip() + "\n"


def _cells(summary: Summary) -> list[str]:
    return [
        summary.row.peer,
        _spread(summary.cpu, 2),
        _spread(summary.rate, 0),
        f"{summary.peak / 1e6:.0f}" if summary.peak else "-",
        f"{summary.server:.2f}" if summary.server else "-",
        f"{summary.runs}{' (all disturbed)' if summary.disturbed else ''}",
    ]


def _spread(spread: Spread, places: int) -> str:
    if spread.least == spread.most:
        return f"{spread.median:.{places}f}"
    return f"{spread.median:.{places}f} ({spread.least:.{places}f}-{spread.most:.{places}f})"


def _table(rows: list[list[str]], markdown: bool) -> list[str]:
    if not rows:
        return []
    if markdown:
        rule = ["---"] * len(HEADINGS)
        return [f"| {' | '.join(row)} |" for row in (HEADINGS, rule, *rows)]
    widths = [max(len(row[column]) for row in (HEADINGS, *rows)) for column in range(len(HEADINGS))]
    # Names to the left, numbers to the right.
    return [
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (HEADINGS, *rows)
    ]
