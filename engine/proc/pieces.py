"""The pieces of an order: its story, its feed, and the source that fills slots.

Each kind of order imports its own: the others' modules would be memory and time for nothing.
"""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from .. import orders
from ..errors import Gof3rError
from ..flow.climb import START
from ..flow.feed import Feed, NoParts
from ..flow.plan import MIN_PART, UploadPlan, crowding, upload_plan, warnings_at
from ..flow.slots import Ledger, stride
from ..flow.story import Story
from ..s3 import checksums
from ..values import Slot
from .parent import Files, Listener
from .slab import Slab
from .source import Source, Witness

if TYPE_CHECKING:
    from ..flow.dispatch import Dispatch
    from ..flow.download import Download
    from ..flow.incoming import Incoming
    from ..flow.lanes import Lanes
    from ..flow.original import Original
    from ..flow.outgoing import Outgoing
    from ..flow.repeating import Repeating
    from ..flow.signers import Signers
    from ..flow.upload import Upload


@dataclass(frozen=True, slots=True)
class Ends:
    """What an order reads and writes on this machine: descriptors, already open."""

    source: int | None = None
    sink: int | None = None
    witness: Witness | None = None
    vouched: bool = False
    """The source's end counts only when the witness has committed to it."""
    files: Files | None = None
    """Of an order about many."""


class Teller(Protocol):
    """A story with its name, for error lines."""

    name: str

    def story(self) -> Story: ...


def pieces(
    order: orders.Single, slots: int, slab: Slab, listener: Listener, ends: Ends
) -> tuple[Teller, Feed, Source | None]:
    """The story, its feed, and the source that fills slots. Each kind of order imports its own: the others'
    modules would be memory and time for nothing."""
    for name in getattr(order, "checksums", ()):
        checksums.new(name)  # now: what the parent has imported, its children share
    match order:
        case orders.Put():
            return _put(order, slots, slab, listener, ends)
        case orders.Get():
            return *_get(order, slots), None
        case orders.Verify():
            return *_verify(order, slots), None
        case orders.Copy():
            return *_copy(order, Ledger(slots, order.terms.part_size)), None
        case orders.Begin(copy):
            from ..flow.span import Begin

            begin = Begin(_original(copy, slots), server_side=copy.server_side, left=copy.begun)
            return begin, NoParts(), None
        case orders.Span():
            return *_span(order, slots), None
        case orders.Finish(copy, split, stored):
            from ..flow.span import Finish

            return Finish(_original(copy, slots), split, stored), NoParts(), None
        case orders.Read():
            return *_read(order, slots), None
        case orders.Furnish():
            return *_furnish(order, slots, slab), None
        case orders.Load():
            return *_load(order, slots, slab), None
        case _:
            return _question(order), NoParts(), None


Question = orders.Remove | orders.Apart | orders.Info | orders.List | orders.Uploads | orders.Clear


def _question(order: Question) -> Teller:
    match order:
        case orders.Apart(target, places, headers):
            from ..flow.apart import Apart

            return Apart(target, headers, places)
        case orders.Clear(target, late):
            from ..flow.clear import Clear

            return Clear(target, late)
        case orders.Remove(targets):
            from ..flow.remove import Remove

            return Remove(targets)
        case orders.Info(target):
            from ..flow.info import Info

            return Info(target)
        case orders.List(target):
            from ..flow.listing import Listing

            return Listing(target)
        case orders.Uploads(target, older_than, upload_id, abort):
            from ..flow.uploads import Uploads

            now = time.time()
            return Uploads(target, older_than=older_than, upload_id=upload_id, abort=abort, now=now)


def _put(
    order: orders.Put, slots: int, slab: Slab, listener: Listener, ends: Ends
) -> tuple[Teller, Feed, Source]:
    from ..flow.outgoing import Outgoing

    assert ends.source is not None
    file_size = _size_of(ends.source)
    size = order.expected_size if file_size is None else file_size
    step = stride(max(order.terms.part_size, MIN_PART))
    exact = file_size is not None
    plan, warnings = upload_plan(order.terms.part_size, slots // step, size, exact=exact)
    if size is not None:
        warnings.append(crowding(plan, size, order.terms.concurrency or START))
    for text in filter(None, warnings):
        listener.warning(text)
    parts = Outgoing(
        plan=plan,
        ledger=Ledger(slots, plan.size_of(1)),
        announce=order.sidecar,
        warnings=warnings_at(plan) if file_size is None else (),
    )
    parts.total = file_size
    upload = _upload(order, parts)
    source = Source(ends.source, slab, crc="crc64nvme" in order.checksums, trusted=not ends.vouched)
    return upload, parts, source


def _upload(order: orders.Put, parts: Outgoing) -> Upload:
    from ..flow.upload import Upload

    return Upload(
        order.target,
        parts,
        headers=order.headers,
        digests=order.checksums,
        sidecar=order.sidecar,
        if_none_match=order.if_none_match,
        resume=order.resume,
        upload_id=order.upload_id,
        anew=order.anew,
    )


def _get(order: orders.Get, slots: int) -> tuple[Download, Incoming]:
    return _download(order, Ledger(slots, order.terms.part_size), order.terms.part_size)


def _download(order: orders.Get, ledger: Ledger, part_size: int) -> tuple[Download, Incoming]:
    from ..flow.download import Download
    from ..flow.incoming import Incoming

    parts = Incoming(ledger)
    download = Download(
        order.target,
        parts,
        part_size=part_size,
        digests=order.checksums,
        sidecar=order.sidecar,
        unproven=order.unproven,
        serial=order.serial,
        there=order.there if order.resume else None,
        etag=order.etag,
        seen=order.seen,
    )
    return download, parts


def _verify(order: orders.Verify, slots: int) -> tuple[Teller, Feed]:
    from ..flow.download import Verify
    from ..flow.incoming import Incoming

    parts = Incoming(Ledger(slots, order.terms.part_size))
    return Verify(order.target, parts, part_size=order.terms.part_size), parts


def _read(order: orders.Read, slots: int) -> tuple[Teller, Feed]:
    from ..flow.reading import Reading

    download, parts = _get(order.whole, slots)
    part_size = order.terms.part_size
    return Reading(order.target, order.etag, parts, part_size=part_size, download=download), parts


def lanes(order: orders.Many, dispatch: Dispatch, signers: Signers) -> Lanes:
    """What carries many objects over."""
    from ..flow.lanes import Lanes, Task

    tasks = [Task(partial(_lane, item), _saves(item)) for item in order.items]
    count = order.terms.concurrency or START
    return Lanes(
        "",
        tasks,
        lanes=count,
        size=order.size,
        dispatch=dispatch,
        signers=signers,
        most=order.most,
    )


def _saves(item: orders.Copy | orders.Filed | orders.Discard) -> bool:
    return isinstance(item, orders.Filed) and isinstance(item.order, orders.Get)


def _lane(item: orders.Copy | orders.Filed | orders.Discard, ledger: Ledger) -> tuple[Teller, Feed]:
    if isinstance(item, orders.Discard):
        from ..flow.discard import Discard

        return Discard(item.source, item.copies), NoParts()
    if isinstance(item, orders.Copy):
        return _copy(item, ledger)
    if isinstance(item.order, orders.Get):
        return _download(item.order, ledger, ledger.size)
    from ..flow.outgoing import Outgoing

    part_size = min(max(item.order.terms.part_size, MIN_PART), ledger.size)
    plan = UploadPlan(part_size, ledger.memory)
    parts = Outgoing(plan=plan, ledger=ledger, announce=item.order.sidecar)
    return _upload(item.order, parts), parts


def _copy(order: orders.Copy, ledger: Ledger) -> tuple[Teller, Feed]:
    from ..flow.copy import Copy
    from ..flow.passing import Passing

    parts = Passing(ledger)
    copy = Copy(
        order.source,
        order.target,
        parts,
        headers=order.headers,
        digests=order.checksums,
        sidecar=order.sidecar,
        unproven=order.unproven,
        serial=order.serial,
        if_none_match=order.if_none_match,
        server_side=order.server_side,
        part_size=order.terms.part_size,
        resume=order.resume,
        begun=order.begun,
        seen=order.seen,
    )
    return copy, parts


def _original(order: orders.Copy, memory: int) -> Original:
    from ..flow.original import Original

    return Original(
        order.source,
        order.target,
        headers=order.headers,
        digests=order.checksums,
        sidecar=order.sidecar,
        unproven=order.unproven,
        serial=order.serial,
        if_none_match=order.if_none_match,
        part_size=order.terms.part_size,
        memory=memory,
    )


def _span(order: orders.Span, slots: int) -> tuple[Teller, Feed]:
    from ..flow.span import Span, SpanParts

    parts = SpanParts(Ledger(slots, order.terms.part_size))
    copy = order.copy
    return Span(copy.source, copy.target, order.split, order.first, order.last, parts), parts


def _furnish(order: orders.Furnish, slots: int, slab: Slab) -> tuple[Teller, Feed]:
    from ..flow.load import Furnish

    part_size = order.terms.part_size
    parts = _repeating(order, min(order.size, part_size), slots, slab)
    return Furnish(
        order.target,
        parts,
        size=order.size,
        count=order.count,
        part_size=part_size,
        digests=order.checksums,
    ), parts


def _load(order: orders.Load, slots: int, slab: Slab) -> tuple[Teller, Feed]:
    from ..flow.load import Load

    part_size = order.terms.part_size
    parts = _repeating(order, min(order.size, part_size), slots, slab)
    return Load(
        order.target,
        parts,
        mode=order.mode,
        size=order.size,
        part_size=part_size,
        objects=order.objects,
        foreign=order.foreign,
        seconds=order.seconds,
        warmup=order.warmup,
        digests=order.checksums,
    ), parts


def _repeating(order: orders.Furnish | orders.Load, length: int, slots: int, slab: Slab) -> Repeating:
    from ..flow import pattern
    from ..flow.repeating import Repeating

    def prepare(slot: Slot) -> None:
        if not isinstance(order, orders.Load) or order.mode != "get":
            pattern.fill(slab.bytes_of(slot, slot.size))

    return Repeating(Ledger(slots, length), order.terms.concurrency, prepare)


def _size_of(fd: int) -> int | None:
    """Bytes left to read, where ``fd`` is a regular file."""
    try:
        status = os.fstat(fd)
        return status.st_size - os.lseek(fd, 0, os.SEEK_CUR) if stat.S_ISREG(status.st_mode) else None
    except OSError as error:
        raise Gof3rError(f"cannot read the source: {error.strerror}") from None
