"""Commands that move bytes between this machine and S3: what is opened here, and how it went.

A put reads standard input, a file, or the output of a command; a get writes standard output or a file. The
order itself is the engine's.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Sequence
from dataclasses import replace

from gof3r.engine import orders
from gof3r.engine.errors import Gof3rError, TransferError
from gof3r.engine.flow.events import Receipt
from gof3r.engine.flow.info import ObjectInfo
from gof3r.engine.proc.pieces import Ends
from gof3r.engine.proc.producer import Producer
from gof3r.engine.proc.session import carry_out

from .destination import Destination
from .partial import Partial
from .report import Report

STDIN = 0


def put(order: orders.Put, path: str, run: Sequence[str], report: Report) -> None:
    """Upload standard input, the file ``path``, or what the command ``run`` prints. Raises Gof3rError unless
    the object is complete and verified."""
    if run:
        with contextlib.closing(Producer(run)) as producer:
            _tell(report, _carry_out(order, Ends(producer.output, witness=producer, vouched=True), report))
        return
    _tell(report, _carry_out(order, Ends(source=_open_source(path)), report))


def get(order: orders.Get, path: str, report: Report) -> None:
    """Download to standard output or the file ``path``. Raises Gof3rError unless all of it is there and
    verified."""
    if order.resume:
        _get_resumed(order, path, report)
        return
    with Destination(path) as destination:
        result = _carry_out(order, Ends(sink=destination.fd), report)
        destination.commit()
    _tell(report, result)


def _get_resumed(order: orders.Get, path: str, report: Report) -> None:
    """Which object there is must be known before what is there of it can be found: one look more."""
    report.receiving = True
    try:
        found = _carry_out(orders.Info(order.target, order.terms), Ends(), report).value
    except TransferError as error:
        raise TransferError(f"get {str(error).removeprefix('info ')}", error.failure) from None
    assert isinstance(found, ObjectInfo)
    head = found.head
    with Partial(path, head.etag, head.version_id, report) as destination:
        order = replace(order, there=destination.there, etag=head.etag)
        result = _carry_out(order, Ends(sink=destination.fd), report)
        destination.commit()
    if not destination.there:
        assert isinstance(result.value, Receipt)
        result = replace(result, value=replace(result.value, there=None))
    _tell(report, result)


def verify(order: orders.Verify, report: Report) -> None:
    """Read an object and hold it against everything that is stored about it."""
    sink = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    _tell(report, _carry_out(order, Ends(sink=sink), report))


def copy(order: orders.Copy, report: Report) -> None:
    """One object to another place. Raises Gof3rError unless the copy is complete and verified."""
    _tell(report, _carry_out(order, Ends(), report))


def _carry_out(order: orders.Order, ends: Ends, report: Report) -> orders.Result:
    return carry_out(order, report, os.environ, ends)


def _tell(report: Report, result: orders.Result) -> None:
    assert isinstance(result.value, Receipt)
    report.done(result.value, result, time.monotonic())


def _open_source(path: str) -> int:
    if not path:
        if fcntl.fcntl(STDIN, fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY:
            raise Gof3rError("cannot read standard input: it is closed or not open for reading")
        return STDIN
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise Gof3rError(f"cannot read {path}: {error.strerror}") from None
