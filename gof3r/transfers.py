"""The two stories as the user tells them: put this there, get that here.

A ``config.Transfer`` goes in; the engine's parts are chosen and put together; the user hears how it went.
What happens in between is the engine's: ``flow.upload`` and ``flow.download`` tell it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import random
import stat
import time

from gof3r.engine.errors import Gof3rError, UsageError
from gof3r.engine.flow.dispatch import Dispatch
from gof3r.engine.flow.download import Download
from gof3r.engine.flow.events import Receipt
from gof3r.engine.flow.incoming import Incoming
from gof3r.engine.flow.outgoing import Outgoing
from gof3r.engine.flow.plan import upload_plan, warnings_at
from gof3r.engine.flow.slots import Ledger, stride
from gof3r.engine.flow.transfer import Feed
from gof3r.engine.flow.transfer import Transfer as Flow
from gof3r.engine.flow.upload import Upload
from gof3r.engine.proc.parent import Ring, Source
from gof3r.engine.proc.slab import Slab
from gof3r.engine.proc.worker import Settings
from gof3r.engine.s3 import checksums
from gof3r.engine.s3.operations import sidecar_target
from gof3r.engine.s3.request import check_names
from gof3r.engine.values import Credentials

from . import credentials
from .config import MAX_WORKERS, Transfer
from .destination import Destination
from .report import Report

STDIN = 0

CONNECTIONS_A_WORKER = 10
"""S3 gives a connection about 90 MB/s; one worker moves 1.3 GB/s over TLS, 3 to 4 in the clear (measured)."""


def put(transfer: Transfer, report: Report) -> None:
    """Upload standard input or a file. Raises Gof3rError unless the object is complete and verified."""
    started = time.monotonic()
    _check_sidecar_key(transfer)
    keys = credentials.resolve(os.environ, transfer.profile, transfer.sign)
    source_fd = _open_source(transfer.path)
    size = _size_of(source_fd)
    plan, warnings = upload_plan(transfer.part_size, transfer.concurrency, size)
    for text in warnings:
        report.warning(text)
    ledger = Ledger(plan.memory, plan.size_of(1))
    slab = _slab(ledger)
    parts = Outgoing(
        plan=plan,
        ledger=ledger,
        announce=transfer.sidecar,
        warnings=warnings_at(plan) if size is None else (),
    )
    upload = Upload(
        transfer.target,
        parts,
        headers=transfer.headers,
        digests=transfer.checksums,
        sidecar=transfer.sidecar,
    )
    source = Source(source_fd, slab, crc="crc64nvme" in transfer.checksums)
    receipt = _run(transfer, keys, report, upload, parts, slab, source=source)
    _tell(report, receipt, started)


def get(transfer: Transfer, report: Report) -> None:
    """Download to standard output or a file. Raises Gof3rError unless all of it is there and verified."""
    started = time.monotonic()
    keys = credentials.resolve(os.environ, transfer.profile, transfer.sign)
    ledger = Ledger(memory=stride(transfer.part_size) * max(transfer.concurrency, 2), size=transfer.part_size)
    slab = _slab(ledger)
    parts = Incoming(ledger)
    download = Download(
        transfer.target,
        parts,
        part_size=transfer.part_size,
        digests=transfer.checksums,
        sidecar=transfer.sidecar,
        unproven=transfer.unproven,
    )
    with Destination(transfer.path) as destination:
        receipt = _run(transfer, keys, report, download, parts, slab, sink=destination.fd)
        destination.commit()
    _tell(report, receipt, started)


def _tell(report: Report, receipt: Receipt, started: float) -> None:
    report.debug(f"ETag {receipt.etag}, version {receipt.version_id or 'none'}")
    report.done(receipt.size, time.monotonic() - started, receipt.proofs)


def _run(
    transfer: Transfer,
    keys: Credentials | None,
    report: Report,
    story: Upload | Download,
    feed: Feed,
    slab: Slab,
    source: Source | None = None,
    sink: int | None = None,
) -> Receipt:
    for name in transfer.checksums:
        checksums.new(name)  # now: what the parent has imported, its children share
    workers = transfer.workers or _workers(transfer.concurrency, len(os.sched_getaffinity(0)))
    dispatch = Dispatch(
        name=story.name,
        credentials=keys,
        workers=workers,
        concurrency=transfer.concurrency,
        attempts=transfer.retries,
        random=random.random,
    )
    settings = Settings(transfer.target.region, _ca_bundle(transfer))
    flow = Flow(story.name, story.story(), feed, dispatch)
    try:
        return Ring(flow, slab, settings, workers=workers, source=source, sink=sink, listener=report).run()
    except OSError as error:
        text = f"{story.name}: the system refuses a process or a pipe: {error.strerror}"
        raise Gof3rError(f"{text}; use fewer --workers, or raise ulimit -n and -u") from None


def _workers(concurrency: int, cores: int) -> int:
    """How many processes to share ``concurrency`` connections out to.

    Each costs memory, up to 12 MB over TLS. Half of the cores are left to the parent, the collector and the
    hashing.
    """
    return max(1, min(cores // 2, -(-concurrency // CONNECTIONS_A_WORKER), MAX_WORKERS))


def _ca_bundle(transfer: Transfer) -> str:
    """The certificates to trust. libcurl in pycurl's wheel has none of its own that every system has."""
    if transfer.ca_bundle or transfer.target.endpoint.scheme == "http":
        return transfer.ca_bundle
    import certifi  # late: plain HTTP needs none

    return certifi.where()


def _slab(ledger: Ledger) -> Slab:
    try:
        return Slab(ledger.memory)
    except (OSError, OverflowError, ValueError, MemoryError) as error:
        remedy = "raise ulimit -f" if getattr(error, "errno", 0) == errno.EFBIG else "use a smaller -c or -s"
        raise Gof3rError(f"no memory for slots, {ledger.memory} bytes: {error}; {remedy}") from None


def _open_source(path: str) -> int:
    if not path:
        if fcntl.fcntl(STDIN, fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY:
            raise Gof3rError("cannot read standard input: it is closed or not open for reading")
        return STDIN
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise Gof3rError(f"cannot read {path}: {error.strerror}") from None


def _size_of(fd: int) -> int | None:
    """Bytes left to read, where ``fd`` is a regular file."""
    try:
        status = os.fstat(fd)
        return status.st_size - os.lseek(fd, 0, os.SEEK_CUR) if stat.S_ISREG(status.st_mode) else None
    except OSError as error:
        raise Gof3rError(f"cannot read standard input: {error.strerror}") from None


def _check_sidecar_key(transfer: Transfer) -> None:
    if transfer.sidecar:
        sidecar = sidecar_target(transfer.target)
        try:
            check_names(sidecar.bucket, sidecar.key)
        except UsageError:
            raise UsageError(
                "the key is too long for its md5 sidecar, whose key is 8 bytes longer; use --no-md5"
            ) from None
