"""An order carried out: its pieces are chosen and put together, and the ring runs them.

Whoever has an order calls ``carry_out`` in a process of its own without threads: the command line in itself,
the library in a child. What happens in between is the stories'.
"""

from __future__ import annotations

import errno
import os
import random
import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from .. import orders
from ..errors import Gof3rError, UsageError
from ..flow.binding import binding
from ..flow.climb import MOST, START, Climb
from ..flow.dispatch import Dispatch
from ..flow.feed import Feed, NoParts
from ..flow.plan import MIN_PART, crowding, human, upload_plan, warnings_at
from ..flow.seats import CONNECTIONS_A_WORKER
from ..flow.signers import Signers
from ..flow.slots import PAGE, Ledger, stride
from ..flow.story import Story
from ..flow.transfer import Transfer
from ..s3 import checksums
from ..values import Role, Target
from . import credentials
from .parent import REMEDY, Listener, Ring
from .slab import Slab, available
from .source import Source, Witness
from .worker import Settings

if TYPE_CHECKING:
    from ..flow.download import Download
    from ..flow.incoming import Incoming


@dataclass(frozen=True, slots=True)
class Ends:
    """What an order reads and writes on this machine: descriptors, already open."""

    source: int | None = None
    sink: int | None = None
    witness: Witness | None = None
    vouched: bool = False
    """The source's end counts only when the witness has committed to it."""


class Teller(Protocol):
    """A story with its name, for error lines."""

    name: str

    def story(self) -> Story: ...


def carry_out(
    order: orders.Order, listener: Listener, environ: Mapping[str, str], ends: Ends
) -> orders.Result:
    """Do what ``order`` asks for. Raises Gof3rError unless it is done and verified."""
    started = time.monotonic()
    terms = order.terms
    signed: dict[Role, orders.Signer] = {"main": terms.signer}
    if isinstance(order, orders.Copy) and order.source.role == "source":
        signed["source"] = terms.source_signer
    signers = Signers({role: credentials.resolve(signer, environ) for role, signer in signed.items()})
    slots = _slots(order) if _moves_parts(order) else PAGE
    slab = _slab(slots)
    story, feed, source = _pieces(order, slots, slab, listener, ends)
    climb = None
    concurrency = most = terms.concurrency or 0
    if not concurrency:
        most = max(1, min(slots // stride(terms.part_size), MOST))
        concurrency = min(START, most)
        climb = Climb(concurrency, most, terms.part_size)
    cores = len(os.sched_getaffinity(0))
    workers = terms.workers or workers_for(concurrency, cores)
    most_workers = terms.workers or workers_for(most, cores)
    dispatch = Dispatch(
        name=story.name,
        signers=signers,
        workers=workers,
        concurrency=concurrency,
        attempts=terms.retries,
        random=random.random,
        rate=terms.rate,
        hurry=terms.hurry,
        most_workers=most_workers,
    )
    transfer = Transfer(story.name, story.story(), feed, dispatch, signers, climb)
    ring = Ring(
        transfer,
        slab,
        Settings(_ca_bundle(order), terms.hurry),
        workers=most_workers,
        listener=listener,
        source=source,
        sink=ends.sink,
        witness=ends.witness,
        look_up=lambda role: credentials.Lookup(signed[role], environ),
        weighed=terms.weighed,
    )
    try:
        value = ring.run()
    except Gof3rError:
        raise
    except OSError as error:
        text = f"{story.name}: the system refuses a process or a pipe: {error.strerror}"
        raise Gof3rError(f"{text}; {REMEDY}") from None
    books, cpu, concurrency = transfer.books, ring.cpu, dispatch.concurrency
    return orders.Result(
        value,
        dict(dispatch.retries),
        time.monotonic() - started,
        books,
        binding(books, concurrency=concurrency, cpu=cpu, cores=cores),
        cpu,
        found=transfer.found,
        memory=ring.memory,
    )


def _pieces(
    order: orders.Order, slots: int, slab: Slab, listener: Listener, ends: Ends
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
            return *_copy(order, slots), None
        case orders.Read():
            return *_read(order, slots), None
        case _:
            return _question(order), NoParts(), None


def _question(order: orders.Remove | orders.Info | orders.List | orders.Uploads) -> Teller:
    match order:
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
    from ..flow.upload import Upload

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
    upload = Upload(
        order.target,
        parts,
        headers=order.headers,
        digests=order.checksums,
        sidecar=order.sidecar,
        if_none_match=order.if_none_match,
    )
    source = Source(ends.source, slab, crc="crc64nvme" in order.checksums, trusted=not ends.vouched)
    return upload, parts, source


def _get(order: orders.Get, slots: int) -> tuple[Download, Incoming]:
    from ..flow.download import Download
    from ..flow.incoming import Incoming

    parts = Incoming(Ledger(slots, order.terms.part_size))
    download = Download(
        order.target,
        parts,
        part_size=order.terms.part_size,
        digests=order.checksums,
        sidecar=order.sidecar,
        unproven=order.unproven,
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


def _copy(order: orders.Copy, slots: int) -> tuple[Teller, Feed]:
    from ..flow.copy import Copy
    from ..flow.passing import Passing

    parts = Passing(Ledger(slots, order.terms.part_size))
    copy = Copy(
        order.source,
        order.target,
        parts,
        headers=order.headers,
        digests=order.checksums,
        sidecar=order.sidecar,
        unproven=order.unproven,
        if_none_match=order.if_none_match,
        server_side=order.server_side,
        part_size=order.terms.part_size,
    )
    return copy, parts


def _moves_parts(order: orders.Order) -> bool:
    return isinstance(order, (orders.Put, orders.Get, orders.Verify, orders.Copy, orders.Read))


def _slots(order: orders.Order) -> int:
    """Bytes of all slots: two parts at least, so that reading overlaps sending. Raises UsageError."""
    terms = order.terms
    sends = isinstance(order, (orders.Put, orders.Copy))
    step = stride(max(terms.part_size, MIN_PART) if sends else terms.part_size)
    if terms.memory is None and terms.concurrency is None:
        return step * max(START, min(MOST, available() // 4 // step))
    if terms.memory is None:
        return step * max(terms.concurrency or 0, 2)
    if terms.memory < 2 * step:
        raise UsageError(
            f"--memory {human(terms.memory)} holds fewer than two parts of {human(terms.part_size)}: "
            "use a smaller --partsize"
        )
    return terms.memory // step * step


def workers_for(concurrency: int, cores: int) -> int:
    """How many processes to share ``concurrency`` connections out to.

    Each costs memory, up to 12 MB over TLS. A quarter of the cores, one at least, is left to the parent, the
    collector and the hashing.
    """
    most = cores - max(1, cores // 4)
    return max(1, min(most, -(-concurrency // CONNECTIONS_A_WORKER), orders.MAX_WORKERS))


def _ca_bundle(order: orders.Order) -> str:
    """The certificates to trust. libcurl in pycurl's wheel has none of its own that every system has."""
    if order.terms.ca_bundle or all(target.endpoint.scheme == "http" for target in _targets(order)):
        return order.terms.ca_bundle
    import certifi  # late: plain HTTP needs none

    return certifi.where()


def _targets(order: orders.Order) -> tuple[Target, ...]:
    match order:
        case orders.Remove(targets=targets):
            return targets
        case orders.Copy(source=source, target=target):
            return source, target
        case _:
            return (order.target,)


def _slab(size: int) -> Slab:
    try:
        return Slab(size)
    except (OSError, OverflowError, ValueError, MemoryError) as error:
        remedy = (
            "raise ulimit -f"
            if getattr(error, "errno", 0) == errno.EFBIG
            else "use a smaller -c, -s or --memory"
        )
        raise Gof3rError(f"no memory for slots, {size} bytes: {error}; {remedy}") from None


def _size_of(fd: int) -> int | None:
    """Bytes left to read, where ``fd`` is a regular file."""
    try:
        status = os.fstat(fd)
        return status.st_size - os.lseek(fd, 0, os.SEEK_CUR) if stat.S_ISREG(status.st_mode) else None
    except OSError as error:
        raise Gof3rError(f"cannot read the source: {error.strerror}") from None
