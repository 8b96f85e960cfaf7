"""--if-none-match: an upload never replaces an object, and knows its own again after a lost answer."""

from __future__ import annotations

import pytest

from gof3r.engine.s3 import checksums
from gof3r.engine.values import Response
from tests.flow.scripts import REFUSED, RESET, Act, Result, Script, after, honest, instead
from tests.flow.store import OBJECT, SIDECAR, Store, error
from tests.flow.transfers import BOTH, put
from tests.flow.world import World

DATA = bytes(range(60))  # 8 parts of 8 bytes, the last one of 4
COMPLETE = "complete_multipart_upload"
EXISTS = "put s3://bucket/key: there is an object already, and --if-none-match leaves it as it is"
UNMET = error(412, "PreconditionFailed", "At least one of the pre-conditions did not hold")
CONFLICT = error(409, "ConditionalRequestConflict", "a conflicting operation occurred")


def late(store: Store, script: Script = honest, data: bytes = b"another's") -> Script:
    """Somebody else has put an object before the request arrives."""

    def act_late(act: Act) -> Result:
        store.keep(data)
        return script(act)

    return act_late


def careful(size: int, digests: tuple[str, ...] = BOTH, sidecar: bool = True) -> World:
    return put(DATA[:size], if_none_match=True, digests=digests, sidecar=sidecar)


@pytest.mark.parametrize(("size", "made_by"), [(8, "put_object"), (60, COMPLETE)])
def test_the_request_that_makes_the_object_says_that_there_must_be_none(size: int, made_by: str) -> None:
    world = careful(size).run()
    assert world.log[0] == "head_object"
    assert world.store.objects[OBJECT].data == DATA[:size]
    assert world.receipt.proofs == BOTH
    carry = {job.request.operation for job in world.jobs if ("If-None-Match", "*") in job.request.headers}
    assert carry == {made_by}


@pytest.mark.parametrize("size", [8, 60])
def test_an_object_that_is_there_already_is_an_error_before_anything_is_sent(size: int) -> None:
    world = careful(size)
    world.store.keep(b"another's")
    world.run()
    assert str(world.error) == EXISTS
    assert world.log == ["head_object"]
    assert world.store.objects[OBJECT].data == b"another's"


@pytest.mark.parametrize("size", [8, 60])
@pytest.mark.parametrize("refusal", [Response(403, {}), Response(400, {})])
def test_who_may_not_look_still_never_replaces_an_object(size: int, refusal: Response) -> None:
    world = careful(size).on("head_object", instead(refusal))
    world.store.keep(b"another's")
    world.run()
    assert str(world.error) == EXISTS
    assert world.store.objects[OBJECT].data == b"another's"
    assert not world.store.uploads


@pytest.mark.parametrize("status", [404, 500])
def test_only_an_object_that_is_seen_is_in_the_way(status: int) -> None:
    world = put(DATA, if_none_match=True, attempts=1).on("head_object", instead(error(status))).run()
    assert (world.finish is not None and world.finish.error is None) == (status == 404)


@pytest.mark.parametrize(("size", "made_by"), [(8, "put_object"), (60, COMPLETE)])
@pytest.mark.parametrize("first", [honest, instead(REFUSED), instead(error(503, "SlowDown"))])
def test_an_object_that_appears_meanwhile_stays_and_the_upload_is_aborted(
    size: int, made_by: str, first: Script
) -> None:
    world = careful(size)
    world.on(made_by, late(world.store, first)).run()
    assert str(world.error) == EXISTS
    assert world.store.objects[OBJECT].data == b"another's"
    assert not world.store.uploads


@pytest.mark.parametrize(("size", "made_by"), [(8, "put_object"), (60, COMPLETE)])
@pytest.mark.parametrize("digests", [BOTH, ("md5",), ("crc64nvme",)])
def test_an_object_in_the_way_is_ours_when_a_lost_answer_had_made_it(
    size: int, made_by: str, digests: tuple[str, ...]
) -> None:
    world = careful(size, digests).on(made_by, after(RESET), instead(UNMET)).run()
    assert world.receipt.proofs == digests
    assert world.receipt.etag == world.store.objects[OBJECT].etag
    assert world.receipt.digests == checksums.compute({"md5", *digests}, memoryview(DATA[:size]))
    assert SIDECAR in world.store.objects


@pytest.mark.parametrize(("size", "made_by"), [(8, "put_object"), (60, COMPLETE)])
@pytest.mark.parametrize("other", [b"another's", DATA[1:61], DATA[:7] + b"x"])
@pytest.mark.parametrize("digests", [BOTH, ("md5",), ("crc64nvme",)])
def test_an_object_in_the_way_is_another_when_neither_etag_nor_checksum_is_ours(
    size: int, made_by: str, other: bytes, digests: tuple[str, ...]
) -> None:
    world = careful(size, digests)
    world.on(made_by, instead(RESET), late(world.store, data=other)).run()
    assert str(world.error) == EXISTS
    assert world.store.objects[OBJECT].data == other
    assert SIDECAR not in world.store.objects


def test_the_same_bytes_put_by_somebody_else_are_in_the_way_as_any_object() -> None:
    world = careful(8).on("head_object", instead(Response(403, {})))
    world.store.keep(DATA[:8], digests=("crc64nvme",))
    assert str(world.run().error) == EXISTS


def test_an_object_in_the_way_that_nothing_identifies_is_not_ours() -> None:
    world = careful(8, ("md5",), sidecar=False).on("put_object", after(RESET), instead(UNMET)).run()
    assert str(world.error) == EXISTS


@pytest.mark.parametrize(("size", "made_by"), [(8, "put_object"), (60, COMPLETE)])
def test_a_conflict_with_another_write_is_told_as_such(size: int, made_by: str) -> None:
    world = careful(size).on(made_by, instead(CONFLICT)).run()
    assert "ConditionalRequestConflict" in str(world.error)
    assert "another write to the same key was under way: run again" in str(world.error)
    assert not world.store.uploads
