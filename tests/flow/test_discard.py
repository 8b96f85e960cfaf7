"""The story of a source that has been moved: it goes only while it and its copies are what they were."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gof3r.engine.flow.discard import Discard
from gof3r.engine.values import Stored
from tests.flow.desk import Bucket, Desk
from tests.flow.scripts import RESET, after, instead
from tests.flow.store import SOURCE, TARGET, base64_of, error

DATA = b"some bytes"
FROM, TO = "/source/its%20key", "/bucket/key"


def bucket() -> Bucket:
    store = Bucket()
    for path in (FROM, TO):
        store.keep(DATA, path=path, digests=("crc64nvme",))
    return store


def stored(store: Bucket) -> tuple[Stored, Stored]:
    """The source and its copy."""
    crc = base64_of("crc64nvme", DATA)
    source = Stored(SOURCE, len(DATA), store.objects[FROM].etag)
    return source, Stored(TARGET, len(DATA), store.objects[TO].etag, crc64nvme=crc)


def test_a_source_goes_when_all_is_as_it_was() -> None:
    store = bucket()
    source, copy = stored(store)
    desk = Desk(Discard(source, (copy, copy)), store).run()
    assert desk.log == ["head_object key", "head_object key", f"head_object {FROM}", f"delete_object {FROM}"]
    assert set(store.objects) == {TO}
    assert desk.finish is not None and desk.finish.error is None


@pytest.mark.parametrize(
    ("at", "changes", "said"),
    [
        (TO, {"data": b"more bytes!"}, "size 11, expected 10"),
        (TO, {"etag": "0" * 32}, f"ETag {'0' * 32}, expected"),
        (TO, {"headers": {"x-amz-checksum-crc64nvme": "AAAAAAAAAAE="}}, "CRC64NVME AAAAAAAAAAE=, expected"),
        (FROM, {"data": b"less"}, "size 4, expected 10"),
        (FROM, {"etag": "1" * 32}, f"ETag {'1' * 32}, expected"),
    ],
)
def test_what_is_not_as_it_was_keeps_it(at: str, changes: dict[str, object], said: str) -> None:
    store = bucket()
    source, copy = stored(store)
    store.objects[at] = replace(store.objects[at], **changes)  # type: ignore[arg-type]
    desk = Desk(Discard(source, (copy,)), store).run()
    assert said in desk.error
    assert ("its destination" in desk.error) == (at == TO)
    assert not any("delete" in what for what in desk.log)


def test_of_a_version_that_is_known_another_keeps_it() -> None:
    store = bucket()
    source, copy = stored(store)
    store.objects[FROM].headers["x-amz-version-id"] = "v2"
    desk = Desk(Discard(replace(source, version_id="v1"), (copy,)), store).run()
    assert "version v2, expected v1" in desk.error
    assert FROM in store.objects
    Desk(Discard(replace(source, version_id="v2"), (copy,)), store).run()
    assert FROM not in store.objects


def test_a_destination_that_is_not_there_keeps_it() -> None:
    store = bucket()
    source, copy = stored(store)
    del store.objects[TO]
    desk = Desk(Discard(source, (copy,)), store).run()
    assert "its destination (s3://bucket/key): " in desk.error
    assert FROM in store.objects


@pytest.mark.parametrize("code", ["NoSuchKey", "NoSuchVersion"])
def test_a_source_that_is_gone_has_been_deleted(code: str) -> None:
    store = bucket()
    source, copy = stored(store)
    gone = instead(error(404, code))
    desk = Desk(Discard(source, (copy,)), store).on(f"head_object {FROM}", gone, gone)
    desk.on(f"get_object {FROM}", gone).run()
    assert desk.finish is not None and desk.finish.error is None
    assert FROM in store.objects


def test_a_bucket_that_is_gone_is_somewhere_else() -> None:
    store = bucket()
    source, copy = stored(store)
    gone = instead(error(404, "NoSuchBucket"))
    desk = (
        Desk(Discard(source, (copy,)), store).on(f"head_object {FROM}", gone).on(f"get_object {FROM}", gone)
    )
    assert "NoSuchBucket" in desk.run().error


def test_without_a_source_there_is_only_a_look() -> None:
    store = bucket()
    _, copy = stored(store)
    desk = Desk(Discard(None, (copy,)), store).run()
    assert desk.log == ["head_object key"]
    assert desk.finish is not None and desk.finish.error is None


def test_a_deletion_whose_answer_is_lost_is_asked_for_again() -> None:
    store = bucket()
    source, copy = stored(store)
    desk = Desk(Discard(source, (copy,)), store).on(f"delete_object {FROM}", after(RESET)).run()
    assert desk.log.count(f"delete_object {FROM}") == 2
    assert set(store.objects) == {TO}


def test_what_may_not_be_deleted_fails() -> None:
    store = bucket()
    source, copy = stored(store)
    denied = instead(error(403, "AccessDenied", "No"))
    desk = Desk(Discard(source, (copy,)), store).on(f"delete_object {FROM}", denied).run()
    assert "AccessDenied" in desk.error
