"""What a carrier tells: what has come of items, and whom.

Theory: the engine speaks to a listener, in terms of one transfer or of many; whoever keeps the books wants to
hear of items. So here are the listeners of a carrier's rings, and the words in which failures are told.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Protocol

from gof3r.engine.errors import Interrupted, NoCredentials, TransferError, Unfit, one_line
from gof3r.engine.flow import events
from gof3r.engine.flow.events import Event, Progress
from gof3r.engine.flow.lane import Carried, Said
from gof3r.engine.flow.verify import text
from gof3r.engine.s3.listings import UploadListed
from gof3r.engine.values import Begun

from .files import Sources
from .items import Identity, LocalFile, S3Object
from .receipts import Receipt
from .states import Entry


class Told(Protocol):
    """Who hears what comes of items, and meanwhile what the engine says."""

    def began(self, entries: Sequence[Entry]) -> None:
        """From when this returns, a multipart upload may be made for each of ``entries``."""

    def uploading(self, entry: Entry, begun: Begun) -> None:
        """``begun`` is the multipart upload that is made for ``entry``, a copy."""

    def arrived(self, entry: Entry, receipt: Receipt) -> None:
        """``entry`` is at its destination, verified."""

    def failed(self, entry: Entry, cause: str, text: str, kept: bool) -> None:
        """``entry`` is not at its destination: ``cause`` in a few words, the same for all failures of a kind,
        and what was said. ``kept``: its upload is still there."""

    def progress(self, progress: Progress) -> None: ...

    def warning(self, text: str) -> None: ...

    def debug(self, text: str) -> None: ...

    def happened(self, event: Event) -> None: ...


def arrived(
    told: Told,
    entry: Entry,
    receipt: events.Receipt,
    known: Identity,
    retries: Mapping[str, int],
    seconds: float,
) -> None:
    """Tell of ``entry``, which is at its destination; ``known`` is what its source was."""
    if not receipt.proofs:
        told.failed(entry, "not verified", f"{entry.item.destination}: nothing proves it", False)
        return
    source = entry.item.source
    if isinstance(source, S3Object):
        version = receipt.source_version_id or source.version_id
        source = S3Object(source.bucket, source.key, version)
    is_file = isinstance(entry.item.destination, LocalFile)
    written = Receipt(
        source=source,
        destination=entry.item.destination,
        size=receipt.size,
        source_etag=receipt.source_etag or (receipt.etag if is_file else ""),
        source_mtime_ns=known.mtime_ns if isinstance(source, LocalFile) else None,
        etag="" if is_file else receipt.etag,
        version_id="" if is_file else receipt.version_id,
        crc64nvme=text(receipt.digests.get("crc64nvme", b"")),
        md5=receipt.digests.get("md5", b"").hex(),
        verified=receipt.proofs,
        retries=retries,
        seconds=round(seconds, 6),
        when=time.time(),
    )
    told.arrived(entry, written)


class Ticking:
    """Hears of a transfer, and passes on what is not about a single one."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self.warning = told.warning
        self.debug = told.debug
        self.happened = told.happened
        self.progress = told.progress

    def show(self, value: object) -> None:
        pass


class Uploads(Ticking):
    """Takes a listing of uploads."""

    def __init__(self, told: Told) -> None:
        super().__init__(told)
        self.found: list[UploadListed] = []

    def show(self, value: object) -> None:
        assert isinstance(value, UploadListed)
        self.found.append(value)


class Begins(Ticking):
    """Hears which upload a copy has begun."""

    def __init__(self, told: Told, entry: Entry) -> None:
        super().__init__(told)
        self._entry = entry

    def show(self, value: object) -> None:
        assert isinstance(value, Begun)
        self._told.uploading(self._entry, value)


class Arrivals(Ticking):
    """Hears of many objects."""

    def __init__(self, told: Told, entries: list[Entry], sources: Sources | None, parts: bool) -> None:
        """``parts``: each is in several."""
        super().__init__(told)
        self._parts = parts
        self._entries = entries
        self._sources = sources
        self.unfit: list[Entry] = []

    def show(self, value: object) -> None:
        if isinstance(value, Said):
            assert isinstance(value.value, Begun)
            self._told.uploading(self._entries[value.number], value.value)
            return
        assert isinstance(value, Carried)
        entry, error = self._entries[value.number], value.error
        if value.receipt is not None:
            known = entry.item.known
            if self._sources is not None:
                known = self._sources.found.pop(value.number)
            arrived(self._told, entry, value.receipt, known, value.retries, value.seconds)
        elif isinstance(error, Unfit) or (self._parts and _may_be_held(error)):
            self.unfit.append(entry)
        elif not isinstance(error, Interrupted) and error is not None:
            if not ends_all(error):
                kept = bool(getattr(error, "kept", ""))
                self._told.failed(entry, cause(error), one_line(str(error)), kept)


def _may_be_held(error: BaseException | None) -> bool:
    """A ring, which has more memory, may hold the parts that prove an object."""
    return isinstance(error, TransferError) and error.failure is None and not error.kept


def ends_all(error: BaseException) -> bool:
    """It is no object's own fault."""
    if isinstance(error, NoCredentials):
        return True
    failure = error.failure if isinstance(error, TransferError) else None
    return failure is not None and failure.kind in ("transport", "lost")


def cause(error: BaseException) -> str:
    """A few words, the same for all failures of a kind."""
    failure = getattr(error, "failure", None)
    if failure is None:
        if not isinstance(error, TransferError):
            return "refused here"
        return "not verified" if error.disproved else "failed here"
    return failure.code or (str(failure.status) if failure.status else failure.kind)
