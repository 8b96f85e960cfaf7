"""Whether files and objects are the same: a bucket may be mounted as a directory, a directory served as a
bucket. Asked before a source is deleted.

Theory: as with two buckets (``apart``), something of a name that nobody has used is made beside the
destination, and looked for beside the source. That is done with the first item of each pair of a file system
and a bucket, since all files of one are mounted, or served, alike.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from dataclasses import replace

from gof3r.engine import orders
from gof3r.engine.errors import TransferError
from gof3r.engine.flow.apart import Placed
from gof3r.engine.flow.remove import GONE
from gof3r.engine.proc.pieces import Ends
from gof3r.engine.proc.session import carry_out
from gof3r.report import Quiet, Report

from .apart import beside, ends_all, probe_name
from .items import Item, LocalFile, S3Object
from .ordered import Orders


class Mounts:
    """What is known of file systems and buckets."""

    def __init__(self, orders_: Orders, report: Report, environ: Mapping[str, str]) -> None:
        self._orders = orders_
        self._report = report
        self._environ = environ
        self._doubts: dict[tuple[int, str, bool], str] = {}
        """By file system, bucket, and whether files are the sources."""

    def objection(self, item: Item) -> str:
        """Why its source may be its destination; "" if it is not, or both are objects. Raises Gof3rError
        where that cannot be found out at all."""
        source, to = item.source, item.destination
        if isinstance(source, LocalFile) and isinstance(to, S3Object):
            folder, bucket = os.path.dirname(source.path), to.bucket
        elif isinstance(source, S3Object) and isinstance(to, LocalFile):
            folder, bucket = os.path.dirname(os.path.realpath(to.path)), source.bucket
        else:
            return ""
        try:
            key = os.stat(folder).st_dev, bucket, isinstance(source, LocalFile)
            if key not in self._doubts:
                self._doubts[key] = self._doubt(item, folder)
        except OSError as error:
            return f"{folder}: {error.strerror}"
        return self._doubts[key]

    def _doubt(self, item: Item, folder: str) -> str:
        """Raises OSError."""
        order = self._orders.of(item)
        path = os.path.join(folder, probe_name())
        names = f"{folder} and s3://{order.target.bucket}"
        target = beside(order.target, os.path.basename(path))
        terms = replace(order.terms, concurrency=1, memory=None)
        try:
            if isinstance(order, orders.Put):
                listener = _Looking(self._report, lambda: os.path.lexists(path))
                asked = orders.Apart(target, (), order.headers, terms)
                carry_out(asked, listener, self._environ, Ends())
                found = listener.found
            else:
                found = self._is_served(path, orders.Info(target, terms))
        except TransferError as error:
            if ends_all(error):
                raise
            return f"whether {names} are two cannot be found out: {error}"
        return f"{names} are one: what is made in one of them is in the other" if found else ""

    def _is_served(self, path: str, look: orders.Info) -> bool:
        """Whether a file that is made at ``path`` is seen as an object."""
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
        try:
            carry_out(look, Quiet(self._report), self._environ, Ends())
        except TransferError as error:
            if error.failure is None or error.failure.status != GONE:
                raise
            return False
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        return True


class _Looking(Quiet):
    """Looks for a probe while it is there."""

    def __init__(self, report: Report, look: Callable[[], bool]) -> None:
        super().__init__(report)
        self._look = look
        self.found = False

    def show(self, value: object) -> None:
        assert isinstance(value, Placed)
        self.found = self._look()
