"""The kinds of transfer, each in a world of its own."""

from __future__ import annotations

from gof3r.engine.flow.climb import Climb
from gof3r.engine.flow.copy import Copy
from gof3r.engine.flow.download import Download
from gof3r.engine.flow.incoming import Incoming
from gof3r.engine.flow.outgoing import Outgoing
from gof3r.engine.flow.passing import Passing
from gof3r.engine.flow.plan import UploadPlan, upload_plan, warnings_at
from gof3r.engine.flow.slots import Ledger, stride
from gof3r.engine.flow.upload import Upload
from gof3r.engine.values import Begun, Credentials, Header, Target
from tests.flow.store import SOURCE, TARGET, Store
from tests.flow.stream import Lengths, Memory, Source, Tokens
from tests.flow.world import World

BOTH = ("md5", "crc64nvme")


def put(
    data: bytes,
    *,
    part_size: int = 8,
    slots: int = 3,
    digests: tuple[str, ...] = BOTH,
    sidecar: bool = True,
    if_none_match: bool = False,
    resume: bool = False,
    upload_id: str = "",
    anew: bool = False,
    target: Target = TARGET,
    store: Store | None = None,
    workers: int = 2,
    concurrency: int = 3,
    attempts: int = 10,
    seed: int | None = None,
    credentials: Credentials | None = None,
    climb: Climb | None = None,
) -> World:
    """An upload of real bytes, in parts far smaller than S3's."""
    plan = UploadPlan(part_size, slots * stride(part_size))
    parts = Outgoing(plan=plan, ledger=Ledger(plan.memory, part_size), announce=sidecar)
    return World(
        Upload(
            target,
            parts,
            headers=(),
            digests=digests,
            sidecar=sidecar,
            if_none_match=if_none_match,
            resume=resume,
            anew=anew,
            upload_id=upload_id,
        ),
        parts,
        store or Store(),
        Memory(plan.memory),
        source=Source(data, "crc64nvme" in digests),
        capacity=plan.memory,
        workers=workers,
        concurrency=concurrency,
        attempts=attempts,
        seed=seed,
        credentials=credentials,
        climb=climb,
    )


def put_lengths(size: int, part_size: int, slots: int) -> World:
    """An upload of ``size`` bytes in parts as large as they really are, without the bytes."""
    plan, _ = upload_plan(part_size, slots, None)
    ledger = Ledger(plan.memory, plan.size_of(1))
    parts = Outgoing(plan=plan, ledger=ledger, announce=True, warnings=warnings_at(plan))
    return World(
        Upload(TARGET, parts, headers=(), digests=("md5",), sidecar=True),
        parts,
        Store(),
        Tokens(),
        source=Lengths(size),
        capacity=plan.memory,
        concurrency=slots,
    )


def get(
    store: Store,
    *,
    part_size: int = 8,
    slots: int = 3,
    digests: tuple[str, ...] = BOTH,
    sidecar: bool = True,
    unproven: bool | None = None,
    there: bytes | None = None,
    etag: str = "",
    target: Target = TARGET,
    workers: int = 2,
    concurrency: int = 3,
    attempts: int = 10,
    seed: int | None = None,
    credentials: Credentials | None = None,
    climb: Climb | None = None,
) -> World:
    """A download of what ``store`` keeps."""
    memory = slots * stride(part_size)
    parts = Incoming(Ledger(memory, part_size))
    world = World(
        Download(
            target,
            parts,
            part_size=part_size,
            digests=digests,
            sidecar=sidecar,
            unproven=not sidecar if unproven is None else unproven,  # as --no-md5 has it
            there=None if there is None else len(there),
            etag=etag,
        ),
        parts,
        store,
        Memory(memory),
        capacity=memory,
        workers=workers,
        concurrency=concurrency,
        attempts=attempts,
        seed=seed,
        credentials=credentials,
        climb=climb,
    )
    world.partial = there or b""
    return world


def copy(
    store: Store,
    *,
    source: Target = SOURCE,
    target: Target = TARGET,
    server_side: bool = True,
    resume: bool = False,
    begun: Begun | None = None,
    headers: tuple[Header, ...] = (),
    part_size: int = 8,
    slots: int = 3,
    digests: tuple[str, ...] = BOTH,
    sidecar: bool = True,
    unproven: bool = False,
    if_none_match: bool = False,
    workers: int = 2,
    concurrency: int = 3,
    attempts: int = 10,
    seed: int | None = None,
    credentials: Credentials | None = None,
    climb: Climb | None = None,
) -> World:
    """A copy of what ``store`` keeps as its source."""
    memory = slots * stride(part_size)
    parts = Passing(Ledger(memory, part_size))
    return World(
        Copy(
            source,
            target,
            parts,
            headers=headers,
            digests=digests,
            sidecar=sidecar,
            unproven=unproven,
            if_none_match=if_none_match,
            server_side=server_side,
            part_size=part_size,
            resume=resume,
            begun=begun,
        ),
        parts,
        store,
        Memory(memory),
        capacity=memory,
        workers=workers,
        concurrency=concurrency,
        attempts=attempts,
        seed=seed,
        credentials=credentials,
        climb=climb,
    )
