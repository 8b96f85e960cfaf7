"""Clearing: everything below a prefix goes, versions and uploads too, and nothing beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from gof3r.engine.flow.clear import LATE, Clear
from gof3r.engine.values import Response
from tests.flow.desk import DATE, Bucket, Desk
from tests.flow.scripts import honest, instead
from tests.flow.store import TARGET, error

KEYS = ["run/a", "run/b c&", "run/d", "other", "run"]


def bucket(page: int = 1000, versions: bool = True) -> Bucket:
    store = Bucket(page)
    for key in KEYS:
        store.keep(b"data", path=f"/bucket/{key}")
        if versions:
            store.versions.append((key, "v1", "Version"))
    store.began = [("run/a", "u1", DATE), ("other", "u2", DATE)]
    return store


def clear(store: Bucket) -> Desk:
    return Desk(Clear(replace(TARGET, key="run/")), store)


def left(store: Bucket) -> list[str]:
    return sorted(path.removeprefix("/bucket/") for path in store.objects)


@pytest.mark.parametrize("page", [1, 2, 1000])
def test_objects_versions_markers_and_uploads_below_the_prefix_go(page: int) -> None:
    store = bucket(page)
    store.versions += [("run/a", "v2", "Version"), ("run/gone", "v9", "DeleteMarker")]
    assert clear(store).run().result == 5
    assert left(store) == ["other", "run"]
    assert [entry[:2] for entry in store.versions] == [("other", "v1"), ("run", "v1")]
    assert [upload[1] for upload in store.began] == ["u2"]


@pytest.mark.parametrize("status", [403, 405, 501])
def test_a_store_that_shows_no_versions_loses_its_objects_all_the_same(status: int) -> None:
    store = bucket(2, versions=False)
    desk = clear(store).on("list_object_versions", instead(error(status, "No"))).run()
    assert desk.result == 3
    assert left(store) == ["other", "run"]


def test_uploads_that_cannot_be_listed_are_told() -> None:
    store = bucket()
    desk = clear(store).on("list_multipart_uploads", instead(error(403, "AccessDenied"))).run()
    assert desk.result == 3
    assert "unfinished uploads below s3://bucket/run/ cannot be listed" in desk.warnings[0]


def test_an_upload_that_may_not_be_aborted_is_no_success() -> None:
    desk = clear(bucket()).on("abort_multipart_upload run/a", instead(error(403, "AccessDenied"))).run()
    assert "upload u1" in desk.error and "AccessDenied" in desk.error


def test_what_came_late_goes_too() -> None:
    store = bucket()
    desk = Desk(Clear(replace(TARGET, key="run/"), late=True), store)

    def comes(answer: Callable[[], Response]) -> Response:
        store.keep(b"late", path="/bucket/run/late")
        store.versions.append(("run/late", "v1", "Version"))
        return answer()

    assert desk.on("list_multipart_uploads", honest, comes).run().result == 4
    assert left(store) == ["other", "run"]
    assert desk.now >= 1000 + LATE


def test_in_a_bucket_that_is_not_there_is_nothing() -> None:
    desk = clear(bucket()).on("list_multipart_uploads", instead(error(404, "NoSuchBucket"))).run()
    assert desk.result == 0 and not desk.warnings


def test_what_may_not_be_deleted_is_named() -> None:
    store = bucket()
    store.kept = {"run/a"}
    assert clear(store).run().error == "clear s3://bucket/run/: delete_objects: run/a: AccessDenied: No"


def test_a_server_that_deletes_nothing_is_found_out() -> None:
    store = bucket()
    store._delete = lambda body: store._listing("DeleteResult", "", "")  # type: ignore[method-assign]
    assert "run/a is there again and again" in clear(store).run().error


def test_a_whole_bucket_is_never_cleared() -> None:
    with pytest.raises(AssertionError):
        Clear(replace(TARGET, key=""))
