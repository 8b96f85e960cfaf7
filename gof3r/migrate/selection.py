"""Which of the items are wanted: ``--include``, ``--exclude``, ``--if-newer``. Pure.

Theory: patterns are fnmatch's, as a shell's but for ``*``, which passes slashes; they are held against the
whole name under ``--from`` (of a manifest's item: the source's key, or its path). Order and precedence are
those of ``aws s3 cp``: of all patterns that match, the last one given decides, so a rule can be followed by
its exceptions, and theirs (rclone takes the first, and cannot tell in which order a mix of both was given).
What no pattern matches is wanted, unless the first one is an ``--include``: that would do nothing for
``aws``, and whoever writes it means "only these", as for rclone and grep.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gof3r.engine.errors import UsageError, one_line


@dataclass(frozen=True, slots=True)
class Rule:
    include: bool
    pattern: str


def wanted(rules: Sequence[Rule]) -> Callable[[str], bool]:
    """What ``rules``, in the order given, say of a name. Raises UsageError for a pattern that is none."""
    kinds = [rule.include for rule in rules]
    otherwise = not kinds or not kinds[0]
    # The last of one kind in a row decides as any of them: they are looked at as one, the last row first.
    rows: list[tuple[bool, list[str]]] = []
    for rule in rules:
        if not rule.pattern:
            raise UsageError(f"--{_name(rule)}: the pattern is empty (a variable that was not set?)")
        if not rows or rows[-1][0] != rule.include:
            rows.append((rule.include, []))
        rows[-1][1].append(_compiled(rule))
    matchers = [(include, re.compile("|".join(pieces)).match) for include, pieces in reversed(rows)]

    def decide(name: str) -> bool:
        return next((include for include, match in matchers if match(name)), otherwise)

    return decide


def passed_over(rules: Sequence[Rule]) -> Callable[[str], bool]:
    """Whether nothing below a folder, whose name ends in a slash, can be wanted."""

    def decide(folder: str) -> bool:
        for rule in reversed(rules):
            if rule.include:  # which may match anything below
                return False
            # What a star at the end ends matches whatever follows.
            if rule.pattern.endswith("*") and fnmatch.fnmatchcase(folder, rule.pattern):
                return True
        return False

    return decide


def _compiled(rule: Rule) -> str:
    pattern = fnmatch.translate(rule.pattern)
    try:
        re.compile(pattern)
    except re.error as error:  # as of [z-a], before Python 3.11
        raise UsageError(
            one_line(
                f"--{_name(rule)}: {rule.pattern!r} is no pattern (examples: *.csv, logs/2026-??/*): {error}"
            )
        ) from None
    return f"(?:{pattern})"


def _name(rule: Rule) -> str:
    return "include" if rule.include else "exclude"


def is_newer(source: float, destination: float | None) -> bool:
    """Whether the source was modified after what is at the destination, both in epoch seconds; None where
    nothing is there. S3 tells whole seconds, and of an object when it was put: one that was changed in the
    second in which it was last carried over to S3 looks no newer."""
    return destination is None or source > destination
