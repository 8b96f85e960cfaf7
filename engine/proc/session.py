"""An order carried out: its pieces are chosen and put together, and the ring runs them.

Whoever has an order calls ``carry_out`` in a process of its own without threads: the command line in itself,
the library in a child. What happens in between is the stories'.
"""

from __future__ import annotations

import errno
import os
import random
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .. import orders
from ..errors import Gof3rError, UsageError
from ..flow.binding import binding
from ..flow.climb import MOST, START, Climb
from ..flow.dispatch import Dispatch
from ..flow.plan import MIN_PART, human
from ..flow.seats import CONNECTIONS_A_WORKER
from ..flow.signers import Signers
from ..flow.slots import PAGE, stride
from ..flow.transfer import Transfer
from ..values import Role, Target
from . import credentials
from .parent import REMEDY, Listener, Ring
from .pieces import Ends, lanes, pieces
from .slab import Slab, available
from .worker import Settings

if TYPE_CHECKING:
    from ..flow.lanes import Lanes


def carry_out(
    order: orders.Order, listener: Listener, environ: Mapping[str, str], ends: Ends
) -> orders.Result:
    """Do what ``order`` asks for. Raises Gof3rError unless it is done and verified."""
    started = time.monotonic()
    terms = order.terms
    signed: dict[Role, orders.Signer] = {"main": terms.signer}
    if any(target.role == "source" for target in _targets(order)):
        signed["source"] = terms.source_signer
    signers = Signers({role: credentials.resolve(signer, environ) for role, signer in signed.items()})
    slots = _slots(order) if _moves_parts(order) else PAGE
    slab = _slab(slots, stride(terms.part_size) * START if _found_out(terms) else slots)
    slots = slab.size
    told = None if isinstance(order, orders.Many) else pieces(order, slots, slab, listener, ends)
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
        name=told[0].name if told else "",
        signers=signers,
        workers=workers,
        concurrency=concurrency,
        attempts=terms.retries,
        random=random.random,
        rate=terms.rate,
        hurry=terms.hurry,
        most_workers=most_workers,
    )
    source = None
    if isinstance(order, orders.Many):
        transfer: Transfer | Lanes = lanes(order, dispatch, signers)
    elif told:
        story, feed, source = told
        transfer = Transfer(story.name, story.story(), feed, dispatch, signers, climb)
    ring = Ring(
        transfer,
        slab,
        Settings(
            _ca_bundle(order),
            terms.hurry,
            kept=ends.sink if isinstance(order, orders.Get) and order.there else None,
        ),
        workers=most_workers,
        listener=listener,
        source=source,
        sink=ends.sink,
        files=ends.files,
        witness=ends.witness,
        look_up=lambda role: credentials.Lookup(signed[role], environ),
        weighed=terms.weighed,
    )
    try:
        value = ring.run()
    except Gof3rError:
        raise
    except OSError as error:
        text = f"{transfer.name}: the system refuses a process or a pipe: {error.strerror}"
        raise Gof3rError(f"{text}; {REMEDY}") from None
    finally:
        slab.free()
    books, cpu = transfer.books, ring.cpu
    return orders.Result(
        value,
        dict(dispatch.retries),
        time.monotonic() - started,
        books,
        binding(books, cpu=cpu, cores=cores, auto=climb is not None or isinstance(order, orders.Load)),
        cpu,
        concurrency=transfer.found or concurrency,
        found=transfer.tried,
        memory=ring.memory,
    )


def _moves_parts(order: orders.Order) -> bool:
    kinds = (orders.Put, orders.Get, orders.Verify, orders.Copy, orders.Many, orders.Read, orders.Furnish)
    return isinstance(order, (*kinds, orders.Load, orders.Begin, orders.Span))  # Begin: which parts fit


def _slots(order: orders.Order) -> int:
    """Bytes of all slots: two parts at least, so that reading overlaps sending. Raises UsageError."""
    terms = order.terms
    if isinstance(order, orders.Many):
        return stride(order.size) * (terms.concurrency or START)
    sends = isinstance(order, (orders.Put, orders.Copy, orders.Begin, orders.Span))
    step = stride(max(terms.part_size, MIN_PART) if sends else terms.part_size)
    if _found_out(terms):
        return step * max(START, min(MOST, available() // 4 // step))
    if terms.memory is None:
        return step * max(terms.concurrency or 0, 2)
    if terms.memory < 2 * step:
        raise UsageError(
            f"--memory {human(terms.memory)} holds fewer than two parts of {human(terms.part_size)}: "
            "use a smaller --partsize"
        )
    return terms.memory // step * step


def _found_out(terms: orders.Terms) -> bool:
    """How much memory is needed nobody has said: it is address space to grow into."""
    return terms.memory is None and terms.concurrency is None


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
        case orders.Begin(copy=copy) | orders.Span(copy=copy):
            return copy.source, copy.target
        case orders.Apart(target=target, places=places):
            return target, *places
        case orders.Many(items=items):
            return tuple(target for item in items for target in _targets_of(item))
        case _:
            return (order.target,)


def _targets_of(item: orders.Copy | orders.Filed | orders.Discard) -> tuple[Target, ...]:
    if isinstance(item, orders.Discard):
        return item.targets
    return (item.source, item.target) if isinstance(item, orders.Copy) else (item.target,)


def _slab(size: int, least: int) -> Slab:
    """Of ``size`` bytes, or as much less as the system grants, down to ``least``. Raises Gof3rError."""
    try:
        return Slab(size)
    except (OSError, OverflowError, ValueError, MemoryError) as error:
        if size > least:
            return _slab(max(least, size // 4 // PAGE * PAGE), least)
        remedy = (
            "raise ulimit -f"
            if getattr(error, "errno", 0) == errno.EFBIG
            else "use a smaller -c, -s or --memory"
        )
        raise Gof3rError(f"no memory for slots, {size} bytes: {error}; {remedy}") from None
