"""The closing summary of the fault sweep: how many cases there were, by fault and by transfer."""

from __future__ import annotations

from collections import Counter

import pytest
from _pytest.terminal import TerminalReporter

FAULT, TRANSFER = "fault", "transfer"
"""Properties that a case records of itself."""

WIDTH = 110


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    faults: Counter[str] = Counter()
    transfers: Counter[str] = Counter()
    results: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for result in ("passed", "failed", "skipped"):
        for report in terminalreporter.stats.get(result, []):
            properties = dict(getattr(report, "user_properties", ()))
            if FAULT not in properties or not isinstance(report, pytest.TestReport):
                continue
            results[result] += 1
            faults[properties[FAULT]] += 1
            transfers[properties[TRANSFER]] += 1
            if result == "skipped":
                reasons[str(report.longrepr)] += 1
    if not faults:
        return
    told = ", ".join(f"{count} {result}" for result, count in results.items())
    terminalreporter.section(f"fault sweep: {faults.total()} cases, {told}")
    for title, counts in (("by transfer", transfers), ("by fault", faults), ("skipped", reasons)):
        if counts:
            terminalreporter.write_line(f"{title}:")
        line = ""
        for name, count in sorted(counts.items()):
            piece = f"  {name}: {count}"
            if len(line) + len(piece) > WIDTH:
                terminalreporter.write_line(line)
                line = ""
            line += piece
        if line:
            terminalreporter.write_line(line)
