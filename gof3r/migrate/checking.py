"""A finished migration checked again, from its receipts and the destination alone.

Theory: a receipt says what was there and what proved it. So every destination is read as a whole, proven by
what is stored with it as any download is, and held against its receipt: size, ETag and every digest that both
know. Nothing is written, and no source is asked.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice

from gof3r import ordering
from gof3r.config import Config, parse_size
from gof3r.engine import orders
from gof3r.engine.errors import Gof3rError, Interrupted, Unfit, one_line
from gof3r.engine.flow import events
from gof3r.engine.flow.lane import Carried
from gof3r.engine.flow.slots import stride
from gof3r.engine.flow.verify import text
from gof3r.engine.proc.pieces import Ends
from gof3r.engine.proc.session import carry_out
from gof3r.engine.values import Header, Seen
from gof3r.report import Quiet, Report

from .carrying import MOST_LANES
from .digested import differing, file_differs
from .files import readable
from .items import LocalFile, S3Object
from .receipts import Receipt, current
from .tally import TOGETHER


@dataclass(slots=True)
class Checked:
    """What was found."""

    objects: int = 0
    bytes: int = 0
    wrong: int = 0


def check(
    path: str,
    config: Config,
    headers: tuple[Header, ...],
    memory: int,
    report: Report,
    environ: Mapping[str, str],
) -> Checked:
    """Each object that the receipts in the file ``path`` are about. What is wrong is told in a warning.
    Raises Gof3rError where the check itself cannot go on."""
    checker = _Checker(config, headers, memory, report, environ)
    receipts = current(path)
    while batch := list(islice(receipts, TOGETHER)):
        checker.batch(batch)
    return checker.found


class _Nowhere:
    """Where bytes go that were read to be checked."""

    def load(self, task: int, room: memoryview) -> tuple[int, bool]:
        raise AssertionError("nothing is written to the store")

    def save(self, task: int, offset: int, data: memoryview, last: bool) -> None:
        pass

    def forget(self, task: int) -> None:
        pass


class _Checker:
    def __init__(
        self,
        config: Config,
        headers: tuple[Header, ...],
        memory: int,
        report: Report,
        environ: Mapping[str, str],
    ) -> None:
        self._config = replace(config, md5=False)
        self._headers = headers
        self._memory = memory
        self._report = report
        self._environ = environ
        self._limit = parse_size(config.part_size)
        self.found = Checked()

    def batch(self, receipts: list[Receipt]) -> None:
        for receipt in receipts:
            if isinstance(receipt.destination, LocalFile):
                self.told(receipt, _file_differs(receipt, receipt.destination.path))
        objects = [receipt for receipt in receipts if isinstance(receipt.destination, S3Object)]
        small = [receipt for receipt in objects if receipt.size <= self._limit]
        alone = [receipt for receipt in objects if receipt.size > self._limit]
        for receipt in [*alone, *(self._many(small) if small else [])]:
            try:
                found = self._read(self._order(receipt))
            except Interrupted:
                raise
            except Gof3rError as error:
                self.told(receipt, str(error))
            else:
                self.told(receipt, differs(receipt, found))

    def _many(self, receipts: list[Receipt]) -> list[Receipt]:
        size = max(1, *(receipt.size for receipt in receipts))
        asked = [replace(self._order(receipt), seen=Seen(receipt.size, receipt.etag)) for receipt in receipts]
        lanes = max(2, min(MOST_LANES, self._memory // stride(size)))
        terms = replace(asked[0].terms, concurrency=lanes, memory=None, part_size=size)
        listener = _Arrivals(self._report, receipts, self)
        order = orders.Many(tuple(orders.Filed(get) for get in asked), size, terms)
        carry_out(order, listener, self._environ, Ends(files=_Nowhere()))
        return listener.unfit

    def _read(self, order: orders.Get) -> events.Receipt:
        sink = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        try:
            result = carry_out(order, Quiet(self._report), self._environ, Ends(sink=sink))
        finally:
            os.close(sink)
        assert isinstance(result.value, events.Receipt)
        return result.value

    def _order(self, receipt: Receipt) -> orders.Get:
        place = receipt.destination
        assert isinstance(place, S3Object)
        order = ordering.get_order(
            self._config,
            self._environ,
            place.bucket,
            place.key,
            version_id=receipt.version_id,
            headers=self._headers,
        )
        return replace(order, unproven=False)

    def told(self, receipt: Receipt, why: str) -> None:
        """What was found of one; ``why`` it is wrong, or ""."""
        self.found.objects += 1
        self.found.bytes += receipt.size
        if why:
            self.found.wrong += 1
            self._report.warning(one_line(f"{receipt.destination}: {why}"))


class _Arrivals(Quiet):
    def __init__(self, report: Report, receipts: list[Receipt], checker: _Checker) -> None:
        super().__init__(report)
        self._receipts = receipts
        self._checker = checker
        self.unfit: list[Receipt] = []

    def show(self, value: object) -> None:
        assert isinstance(value, Carried)
        receipt = self._receipts[value.number]
        if isinstance(value.error, Unfit):
            self.unfit.append(receipt)
        elif value.receipt is not None:
            self._checker.told(receipt, differs(receipt, value.receipt))
        elif not isinstance(value.error, Interrupted):
            self._checker.told(receipt, str(value.error))


def differs(receipt: Receipt, found: events.Receipt) -> str:
    """In what the object that was ``found`` is not that of ``receipt``; empty if it is."""
    if receipt.size != found.size:
        return f"it has {found.size} bytes, and {receipt.size} by its receipt"
    pairs = [
        ("ETag", receipt.etag, found.etag),
        ("CRC64NVME", receipt.crc64nvme, text(found.digests.get("crc64nvme", b""))),
        ("md5", receipt.md5, found.digests.get("md5", b"").hex()),
    ]
    return differing(pairs)


def _file_differs(receipt: Receipt, path: str) -> str:
    try:
        fd = readable(path)
        try:
            return file_differs(receipt, fd)
        finally:
            os.close(fd)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
