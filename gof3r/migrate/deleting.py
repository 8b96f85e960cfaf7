"""Sources deleted, when what they were is at its destination: --delete-source.

Theory: only what has a receipt on the disk may go, and only while it is still what was moved: a file by its
size and time, an object by its ETag, looked at right before. What has changed stays, and is told; the next
run moves it again. Nothing beside an object goes with it: md5 objects are items of their own.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace

from gof3r import ordering
from gof3r.config import Config
from gof3r.engine.errors import Gof3rError, Interrupted, one_line
from gof3r.engine.flow.remove import Removed
from gof3r.engine.proc.pieces import Ends
from gof3r.engine.proc.session import carry_out
from gof3r.engine.values import Header
from gof3r.report import Quiet, Report

from .items import LocalFile, S3Object
from .states import Entry

TOGETHER = 500
"""Objects that one ring deletes."""


class Deleter:
    """Deletes sources that ``config`` and ``headers`` reach."""

    def __init__(
        self, config: Config, headers: tuple[Header, ...], report: Report, environ: Mapping[str, str]
    ) -> None:
        self._config = config
        self._headers = headers
        self._report = report
        self._environ = environ
        self.left = 0
        """Sources that are still there."""

    def delete(self, entries: Sequence[Entry]) -> None:
        """Of each, which is done, the source. What stays is told."""
        objects: list[tuple[S3Object, str]] = []
        for entry in entries:
            source, known = entry.item.source, entry.item.known
            if isinstance(source, LocalFile):
                self._unlink(source.path, known.size, known.mtime_ns)
            elif known.etag:
                objects.append((source, known.etag))
            else:
                self._stays(f"{source}: its ETag is not known")
        for at in range(0, len(objects), TOGETHER):
            self._remove(objects[at : at + TOGETHER])

    def _unlink(self, path: str, size: int | None, mtime_ns: int | None) -> None:
        try:
            status = os.stat(path)
            if (status.st_size, status.st_mtime_ns) != (size, mtime_ns):
                self._stays(f"{path}: it has been changed")
            else:
                os.unlink(path)
        except FileNotFoundError:
            pass  # a run that was killed has deleted it
        except OSError as error:
            self._stays(f"{path}: {error.strerror}")

    def _remove(self, objects: list[tuple[S3Object, str]]) -> None:
        names = [(source.bucket, source.key) for source, _ in objects]
        order = ordering.remove_order(self._config, self._environ, names, headers=self._headers)
        asked = replace(order, etags=tuple(etag for _, etag in objects))
        listener = _Gone(self._report)
        try:
            carry_out(asked, listener, self._environ, Ends())
        except Interrupted:
            raise
        except Gof3rError as error:
            self._stays(str(error), len(objects) - listener.gone)

    def _stays(self, why: str, count: int = 1) -> None:
        self.left += count
        self._report.warning(one_line(f"not deleted: {why}"))


class _Gone(Quiet):
    """Counts what is removed."""

    def __init__(self, report: Report) -> None:
        super().__init__(report)
        self.gone = 0

    def show(self, value: object) -> None:
        assert isinstance(value, Removed)
        self.gone += 1
