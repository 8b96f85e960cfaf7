"""What is there to be carried over: a manifest, an inventory, a prefix or a directory, as items in batches.

Theory: a source may have a hundred million objects, so nothing of a listing is kept: items go to whoever
takes them, some thousands at a time, while the listing goes on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import islice

from gof3r.engine import orders
from gof3r.engine.errors import Gof3rError, one_line
from gof3r.engine.proc.pieces import Ends
from gof3r.engine.proc.session import carry_out
from gof3r.engine.s3.listings import Listed
from gof3r.report import Quiet, Report

from . import mapping
from .items import Identity, Item, LocalFile, S3Object
from .selection import is_newer

BATCH = 10_000
"""Items that are given away at a time."""

Take = Callable[[list[Item]], None]

Wanted = Callable[[str], bool]
"""Of a name."""

Newer = Callable[[str, float], bool]
"""Of a name, and when its source was modified, in epoch seconds."""


def any_age(name: str, modified: float) -> bool:
    """Without --if-newer."""
    return True


def given(items: Iterable[Item], wanted: Wanted, take: Take) -> int:
    """Those of ``items`` (a manifest's, an inventory's) that are wanted by their sources' names; how many
    there were in all."""
    count = 0
    remaining = iter(items)
    while batch := list(islice(remaining, BATCH)):
        count += len(batch)
        take([item for item in batch if wanted(_name(item))])
    return count


def _name(item: Item) -> str:
    return item.source.key if isinstance(item.source, S3Object) else item.source.path


def objects(
    asked: mapping.Mapping,
    order: orders.List,
    wanted: Wanted,
    take: Take,
    report: Report,
    environ: Mapping[str, str],
    newer: Newer = any_age,
) -> int:
    """What ``order`` lists below the source of ``asked``; how many there were. Raises Gof3rError."""
    listener = _Pages(asked, wanted, newer, take, report)
    count = carry_out(order, listener, environ, Ends()).value
    listener.flush()
    assert isinstance(count, int)
    return count


class _Pages(Quiet):
    """Takes a listing's pages as they come."""

    def __init__(
        self, asked: mapping.Mapping, wanted: Wanted, newer: Newer, take: Take, report: Report
    ) -> None:
        super().__init__(report)
        self._newer = newer
        self._asked = asked
        self._wanted = wanted
        self._take = take
        self._batch: list[Item] = []

    def show(self, value: object) -> None:
        assert isinstance(value, tuple)
        for entry in value:
            assert isinstance(entry, Listed)
            name = self._asked.name_of(entry.key)
            if name and self._wanted(name) and self._newer(name, entry.modified):
                self._batch.append(self._asked.item(name, Identity(entry.size, entry.etag)))
        if len(self._batch) >= BATCH:
            self.flush()

    def flush(self) -> None:
        self._take(self._batch)
        self._batch = []


def files(
    asked: mapping.Mapping,
    wanted: Wanted,
    take: Take,
    report: Report,
    own: Collection[str],
    newer: Newer = any_age,
    passed_over: Wanted = lambda folder: False,
) -> int:
    """The regular files below the source of ``asked``, links followed to files but not to directories; how
    many there were. ``own``: real paths of files that are left out. ``passed_over``: directories that are not
    looked into. Others than regular files are named in a
    warning. Raises Gof3rError where a directory cannot be read."""
    assert isinstance(asked.source, LocalFile)
    root, count = asked.source.path, 0

    def found() -> Iterator[Item]:
        nonlocal count
        for name, status in _walk(root, "", report, passed_over):
            count += 1
            path = os.path.realpath(f"{asked.source}/{name}") if own else ""
            if wanted(name) and newer(name, status.st_mtime) and path not in own:
                yield asked.item(name, Identity(size=status.st_size, mtime_ns=status.st_mtime_ns))

    remaining = found()
    while batch := list(islice(remaining, BATCH)):
        take(batch)
    return count


def modified(
    asked: mapping.Mapping, order: orders.List | None, report: Report, environ: Mapping[str, str]
) -> Newer:
    """What was modified after what is at its destination, or is not there. ``order`` lists the destination,
    whose names are kept in memory; None where it is a directory."""
    if order is None:
        root = str(asked.destination).rstrip("/")

        def of_file(name: str, when: float) -> bool:
            try:
                return is_newer(when, os.stat(f"{root}/{name}").st_mtime)
            except OSError:
                return True

        return of_file
    there = _Times(str(asked.destination).partition("//")[2].partition("/")[2], report)
    carry_out(order, there, environ, Ends())
    return lambda name, when: is_newer(when, there.found.get(name))


class _Times(Quiet):
    """When each object below ``prefix`` was put."""

    def __init__(self, prefix: str, report: Report) -> None:
        super().__init__(report)
        self._prefix = prefix
        self.found: dict[str, float] = {}

    def show(self, value: object) -> None:
        assert isinstance(value, tuple)
        for entry in value:
            assert isinstance(entry, Listed)
            self.found[entry.key.removeprefix(self._prefix)] = entry.modified


def _walk(root: str, below: str, report: Report, passed_over: Wanted) -> Iterator[tuple[str, os.stat_result]]:
    """Names relative to ``root``, in the order of their bytes within each directory."""
    folder = os.path.join(root, below)
    try:
        with os.scandir(folder) as entries:
            there = sorted(entries, key=lambda entry: os.fsencode(entry.name))
    except OSError as error:
        raise Gof3rError(one_line(f"migrate: cannot list {folder}: {error.strerror}")) from None
    for entry in there:
        name = f"{below}{entry.name}"
        try:
            if entry.is_dir(follow_symlinks=False):
                if not passed_over(f"{name}/"):
                    yield from _walk(root, f"{name}/", report, passed_over)
            elif entry.is_file():
                yield name, entry.stat()
            else:
                report.warning(f"{os.path.join(root, name)} is no regular file: left out")
        except OSError as error:
            raise Gof3rError(one_line(f"migrate: cannot look at {name}: {error.strerror}")) from None
