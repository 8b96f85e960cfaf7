"""The story of a removal: the object and its sidecars go, and nothing else does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gof3r.engine.flow.remove import Remove, Removed
from gof3r.engine.values import Response, Target
from tests.flow.desk import Bucket, Desk
from tests.flow.scripts import RESET, after, instead, saying
from tests.flow.store import OBJECT, SIDECAR, TARGET, error

VERSION = replace(TARGET, version_id="v1")
DENIED = instead(error(403, "AccessDenied", "not for you"))


def other(key: str) -> Target:
    return replace(TARGET, key=key)


def bucket(*keys: str) -> Bucket:
    store = Bucket()
    for key in keys:
        store.objects[f"/bucket/{key}"] = Bucket().keep(b"data")
    return store


def remove(store: Bucket, *targets: Target) -> Desk:
    return Desk(Remove(targets or (TARGET,)), store)


def test_an_object_goes_with_its_sidecar_and_nothing_else() -> None:
    desk = remove(bucket("key", ".md5/key.md5", "key2", ".md5/key2.md5")).run()
    assert desk.log == ["delete_object key", "delete_object .md5/key.md5"]
    assert set(desk.store.objects) == {"/bucket/key2", "/bucket/.md5/key2.md5"}
    assert desk.shown == [Removed(TARGET, "", False, (".md5/key.md5",))]
    assert desk.result == 1


@pytest.mark.parametrize("answer", [Response(200, {}, b"<html>"), Response(200, {}), Response(202, {})])
def test_what_is_not_s3s_answer_is_asked_once_more_and_not_believed(answer: Response) -> None:
    once = remove(bucket("key")).on("delete_object key", instead(answer)).run()
    assert once.result == 1
    assert "/bucket/key" not in once.store.objects
    twice = remove(bucket("key")).on("delete_object key", *[instead(answer)] * 2).run()
    assert "expected 204: it may be there still" in twice.error


def test_of_a_bucket_with_a_dot_both_places_of_the_sidecar_are_cleared() -> None:
    desk = remove(bucket(), replace(TARGET, bucket="my.bucket")).run()
    assert [job.request.path for job in desk.jobs] == [
        "/my.bucket/key",
        "/my.bucket/.md5/key.md5",
        "/my.bucket/.md5/my.bucket/key.md5",
    ]


def test_a_key_too_long_for_a_sidecar_is_removed_alone() -> None:
    key = "ä" * 510
    desk = remove(bucket(key), other(key)).run()
    assert desk.result == 1
    assert len(desk.log) == 1


@pytest.mark.parametrize("refusal", [error(404, "NoSuchKey"), error(404)])
def test_a_store_that_misses_the_sidecar_is_no_failure(refusal: Response) -> None:
    desk = remove(bucket("key")).on("delete_object .md5/key.md5", instead(refusal)).run()
    assert desk.shown == [Removed(TARGET, "", False, ())]
    assert desk.warnings == []


def test_a_sidecar_that_may_not_be_removed_is_a_warning() -> None:
    desk = remove(bucket("key")).on("delete_object .md5/key.md5", DENIED).run()
    assert desk.shown == [Removed(TARGET, "", False, ())]
    (warning,) = desk.warnings
    assert "s3://bucket/.md5/key.md5" in warning and "AccessDenied" in warning


def test_a_sidecar_that_fails_otherwise_fails_and_says_that_the_object_is_removed() -> None:
    desk = remove(bucket("key")).on("delete_object .md5/key.md5", instead(error(400, "InvalidRequest"))).run()
    assert desk.error.startswith("rm s3://bucket/key: delete_object: server answered 400 InvalidRequest")
    assert desk.error.endswith(
        "the object itself is removed, but its md5 sidecar s3://bucket/.md5/key.md5 is not"
    )


def test_a_lost_answer_is_asked_again() -> None:
    desk = remove(bucket("key")).on("delete_object key", after(RESET)).run()
    assert desk.result == 1
    assert desk.log.count("delete_object key") == 2


def test_a_delete_marker_that_is_set_is_named() -> None:
    desk = remove(bucket("key"))
    desk.on("delete_object key", saying(x_amz_version_id="m1", x_amz_delete_marker="true")).run()
    assert desk.shown == [Removed(TARGET, "m1", True, (".md5/key.md5",))]


# --- versions ------------------------------------------------------------------


def versioned(etag: str = "", version_id: str = "v1") -> Bucket:
    """With a sidecar for ``etag``: "same" is the version's own."""
    store = Bucket()
    stored = store.keep(b"data", x_amz_version_id=version_id)
    store.keep_sidecar(b"data", stored.etag if etag == "same" else etag)
    return store


def test_a_version_goes_with_the_sidecar_that_names_its_etag() -> None:
    desk = remove(versioned("same"), VERSION).run()
    assert desk.log == [
        "head_object key",
        "get_object .md5/key.md5",
        "delete_object key",
        "delete_object .md5/key.md5",
    ]
    assert desk.jobs[2].request.query == "versionId=v1"
    assert desk.jobs[3].request.query == ""
    assert desk.store.objects == {}


@pytest.mark.parametrize("etag", ["", "another"])
def test_a_version_leaves_a_sidecar_that_does_not_name_its_etag(etag: str) -> None:
    desk = remove(versioned(etag), VERSION).run()
    assert desk.result == 1
    assert set(desk.store.objects) == {SIDECAR}


def test_a_version_leaves_a_sidecar_that_cannot_be_read() -> None:
    store = versioned("same")
    store.objects[SIDECAR].data = b"no md5"
    assert remove(store, VERSION).run().result == 1
    assert set(store.objects) == {SIDECAR}


@pytest.mark.parametrize("status", [400, 403, 404, 405])
def test_a_version_whose_etag_is_not_to_be_had_is_removed_alone(status: int) -> None:
    desk = remove(versioned("same"), VERSION)
    desk.on("head_object key", instead(error(status))).on("get_object key", instead(error(status, "No")))
    assert desk.run().result == 1
    assert set(desk.store.objects) == {SIDECAR}


def test_another_version_than_the_one_asked_for_removes_nothing() -> None:
    desk = remove(versioned("same", version_id="v2"), VERSION).run()
    assert "version v2 came, expected v1" in desk.error
    assert set(desk.store.objects) == {OBJECT, SIDECAR}


# --- several ------------------------------------------------------------------


def test_one_object_that_is_refused_does_not_stop_the_others_and_its_error_is_raised() -> None:
    desk = remove(bucket("a", "b", "c"), other("a"), other("b"), other("c"))
    desk.on("delete_object b", DENIED).run()
    assert set(desk.store.objects) == {"/bucket/b"}
    assert desk.error.startswith("rm s3://bucket/b: delete_object: server answered 403 AccessDenied")
    assert [removed.target.key for removed in desk.shown if isinstance(removed, Removed)] == ["a", "c"]


def test_several_that_are_refused_are_told_each_and_counted() -> None:
    desk = remove(bucket("a", "b", "c"), other("a"), other("b"), other("c"))
    desk.on("delete_object a", DENIED).on("delete_object c", DENIED).run()
    assert desk.error == "rm: 2 of 3 objects were not removed"
    assert ["rm s3://bucket/a: " in desk.warnings[0], "rm s3://bucket/c: " in desk.warnings[1]] == [
        True,
        True,
    ]
    assert set(desk.store.objects) == {"/bucket/a", "/bucket/c"}


def test_a_network_that_fails_stops_all() -> None:
    desk = remove(bucket("a", "b"), other("a"), other("b"))
    desk.on("delete_object a", instead(RESET), instead(RESET), instead(RESET)).run()
    assert "rm s3://bucket/a: delete_object: network error (curl 56)" in desk.error
    assert "delete_object b" not in desk.log
