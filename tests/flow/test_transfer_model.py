"""Random histories of whole transfers: sizes, orders, failures, losses, damage and signals by a seeded die.

The world itself checks after every event that a slot has one owner, parts are granted in order, nothing is
aborted before silence, and the stream arrives in order and once. Here is what must hold at the end, whatever
happened. A failure names its seed: that number is the history.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace
from hashlib import md5
from random import Random

import pytest

from gof3r.engine.errors import Gof3rError, Interrupted
from gof3r.engine.flow import plan
from gof3r.engine.flow.events import CollectorLost, Event, Signalled, SinkFailed, SourceFailed
from gof3r.engine.flow.seats import CONTROL
from gof3r.engine.values import Failure, Job
from tests.flow.scripts import REFUSED, RESET, Act, Die, Result, Script, after, honest, instead
from tests.flow.store import FROM, FROM_SIDECAR, OBJECT, SIDECAR, Store, error
from tests.flow.transfers import BOTH, copy, get, put
from tests.flow.world import World

HISTORIES = 150

LOST: list[Result] = [RESET, error(500, "InternalError"), error(200, "InternalError"), Die()]
"""Failures after which the server may have done what it was asked."""
REFUSALS: list[Result] = [
    REFUSED,
    error(503, "SlowDown", retry_after="3"),
    error(403, "RequestTimeTooSkewed", date="Tue, 14 Nov 2023 23:13:20 GMT"),
    error(429),
]
FATAL: list[Result] = [
    error(403, "AccessDenied"),
    error(404, "NoSuchBucket"),
    Failure("transport", "60", connected=False),
]


def damaged(act: Act) -> Result:
    """One bit of the answer's body is another."""
    answer = act()
    if not answer.body:
        return answer
    return replace(answer, body=answer.body[:-1] + bytes([answer.body[-1] ^ 1]))


def some_script(random: Random, trouble: float, fatal: float, damage: float) -> Callable[[Job], Script]:
    def script(job: Job) -> Script:
        die = random.random()
        if die < fatal:
            return instead(random.choice(FATAL))
        if die < fatal + damage and job.direction == "receive":
            return damaged
        if die < trouble:
            return random.choice([instead(random.choice(REFUSALS + LOST)), after(random.choice(LOST))])
        return honest

    return script


def strikes(world: World, events: list[Event]) -> Callable[[], Event | None]:
    """Perhaps one of ``events`` at some step, perhaps a worker's death at another."""
    struck = world.random.randrange(1, 400)
    killed = world.random.randrange(1, 400)
    event = world.random.choice(events)

    def before() -> Event | None:
        if world.steps == killed and world.seats:
            world.die(world.random.choice(world.seats[-3:]))
        return event if world.steps == struck else None

    return before


def data_of(random: Random, part_size: int) -> bytes:
    whole_parts = random.randrange(0, 12) * part_size
    return random.randbytes(random.choice([whole_parts, random.randrange(0, 12 * part_size)]))


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_an_upload_of_any_history_ends_with_the_object_or_an_error_and_nothing_left(seed: int) -> None:
    random = Random(seed)
    part_size = random.choice([1, 3, 8, 5000])
    data = data_of(random, part_size)
    world = put(
        data,
        part_size=part_size,
        slots=random.randrange(1, 6),
        digests=random.choice([BOTH, ("md5",), ("crc64nvme",)]),
        sidecar=random.random() < 0.5,
        store=Store(encryption=random.choice(["", "aws:kms"])),
        workers=random.randrange(1, 5),
        concurrency=random.randrange(1, 8),
        seed=seed,
    )
    troubled = random.random() < 0.7
    world.default = some_script(random, 0.2 * troubled, 0.01 * troubled, 0)
    world.before = strikes(world, [Signalled(signal.SIGTERM), SourceFailed("EIO"), CollectorLost()])
    world.run()
    assert world.finish is not None
    if world.finish.result is not None:
        stored = world.store.objects[OBJECT]
        assert stored.data == data
        assert (world.receipt.size, world.receipt.etag) == (len(data), stored.etag)
        assert world.receipt.proofs
        if SIDECAR in world.store.objects:
            assert world.store.objects[SIDECAR].data == md5(data).hexdigest().encode()
    else:
        assert isinstance(world.error, Gof3rError)
        assert world.error.exit_code == 143 or not isinstance(world.error, Interrupted)
    if world.store.uploads:
        told = ("left behind", "create_multipart_upload was lost", "could not be aborted")
        assert any(words in said for said in world.warnings for words in told)
    if OBJECT in world.store.objects:
        assert world.store.objects[OBJECT].data == data, "the object is complete or not there"


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_a_download_of_any_history_delivers_the_object_or_a_beginning_of_it(seed: int) -> None:
    random = Random(seed)
    part_size = random.choice([1, 3, 8, 5000])
    data = data_of(random, part_size)
    store = Store()
    cuts: list[int] = []
    if len(data) > part_size and random.random() < 0.7:
        size = random.randrange(1, len(data))
        cuts = [min(size, len(data) - start) for start in range(0, len(data), size)]
    kept = store.keep(data, cuts=cuts, digests=random.choice([(), ("crc64nvme",), ("crc32",)]))
    if random.random() < 0.5:
        store.keep_sidecar(data, random.choice([kept.etag, kept.etag, "", "stale"]))
    corrupt = bool(data) and random.random() < 0.3
    if corrupt:
        place = random.randrange(len(data))
        kept.data = data[:place] + bytes([data[place] ^ 2]) + data[place + 1 :]
    world = get(
        store,
        part_size=part_size,
        slots=random.randrange(2, 6),
        sidecar=random.random() < 0.7,
        workers=random.randrange(1, 5),
        concurrency=random.randrange(1, 8),
        seed=seed,
    )
    troubled = random.random() < 0.7
    damage = 0.05 if random.random() < 0.3 else 0.0
    world.default = some_script(random, 0.2 * troubled, 0.01 * troubled, damage)
    world.before = strikes(world, [Signalled(signal.SIGTERM), SinkFailed(32, "gone"), CollectorLost()])
    world.run()
    assert world.finish is not None
    if world.finish.result is not None:
        assert world.delivered == data or not world.receipt.proofs
        assert (world.receipt.size, len(world.delivered)) == (len(data), len(data))
        assert not corrupt or not world.receipt.proofs
    else:
        assert isinstance(world.error, Gof3rError)
        assert len(world.delivered) < len(data) or not data or world.collector.released
    if not corrupt and not damage:
        assert data.startswith(world.delivered)


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_a_copy_of_any_history_ends_with_the_object_or_an_error_and_nothing_left(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "MIN_PART", 1)
    random = Random(seed)
    part_size = random.choice([1, 3, 8, 5000])
    data = data_of(random, part_size)
    store = Store(encryption=random.choice(["", "", "aws:kms"]), crc=random.random() < 0.7)
    cuts: list[int] = []
    if len(data) > part_size and random.random() < 0.7:
        size = random.randrange(1, len(data))
        cuts = [min(size, len(data) - start) for start in range(0, len(data), size)]
    kept = store.keep(data, path=FROM, cuts=cuts, digests=random.choice([(), ("crc64nvme",), ("crc32",)]))
    if random.random() < 0.5:
        store.keep_sidecar(data, random.choice([kept.etag, kept.etag, "stale"]), FROM_SIDECAR)
    if taken := random.random() < 0.1:
        store.keep(b"another's")
    corrupt = bool(data) and random.random() < 0.2
    if corrupt:
        place = random.randrange(len(data))
        kept.data = data[:place] + bytes([data[place] ^ 2]) + data[place + 1 :]
    server_side, careful = random.random() < 0.5, random.random() < 0.3
    world = copy(
        store,
        server_side=server_side,
        part_size=part_size,
        slots=random.randrange(1, 6),
        digests=random.choice([BOTH, BOTH, ("md5",), ("crc64nvme",)]),
        sidecar=random.random() < 0.5,
        if_none_match=careful,
        workers=random.randrange(1, 5),
        concurrency=random.randrange(1, 8),
        seed=seed,
    )
    troubled = random.random() < 0.7
    damage = 0.05 if random.random() < 0.3 else 0.0
    world.default = some_script(random, 0.2 * troubled, 0.01 * troubled, damage)
    world.before = strikes(world, [Signalled(signal.SIGTERM), CollectorLost()])
    world.run()
    assert world.finish is not None
    if world.finish.result is not None:
        stored = world.store.objects[OBJECT]
        assert stored.data == data
        assert (world.receipt.size, world.receipt.etag) == (len(data), stored.etag)
        assert world.receipt.proofs
        assert not corrupt
        assert not (taken and careful)
        if SIDECAR in world.store.objects:
            assert world.store.objects[SIDECAR].data == md5(data).hexdigest().encode()
            assert world.store.objects[SIDECAR].headers["x-amz-meta-etag"] == stored.etag
    else:
        assert isinstance(world.error, Gof3rError)
        assert world.error.exit_code == 143 or not isinstance(world.error, Interrupted)
    if world.store.uploads:
        told = ("left behind", "create_multipart_upload was lost", "could not be aborted")
        assert any(words in said for said in world.warnings for words in told)
    there = world.store.objects[OBJECT].data if OBJECT in world.store.objects else None
    if taken and careful:
        assert there == b"another's"
    elif there is not None and not server_side:
        assert there in (data, b"another's"), "what passes through is an object only when it is proven"


def test_random_histories_reach_success_failure_interruption_abort_and_loss() -> None:
    """The two tests above would prove little if their dice always fell the same way."""
    ends = set()
    for seed in range(60):
        random = Random(seed)
        world = put(random.randbytes(60), seed=seed)
        world.default = some_script(random, 0.2, 0.02, 0)
        world.before = strikes(world, [Signalled(signal.SIGTERM)])
        world.run()
        assert world.finish is not None
        ends.add(type(world.finish.error).__name__)
        ends |= {what for what in ("hush", "abort_multipart_upload") if what in world.log}
        ends |= {"lost" for text in world.warnings if "another takes over" in text}
        ends |= {"control lost" for text in world.warnings if f"process {CONTROL} was lost" in text}
    assert ends == {
        *("NoneType", "TransferError", "Interrupted"),
        *("hush", "abort_multipart_upload", "lost", "control lost"),
    }
