"""The story of a proof that two buckets are two: by an object that is in one of them only, for a moment."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gof3r.engine.flow.apart import Apart
from gof3r.engine.values import Response
from tests.flow.desk import Bucket, Desk
from tests.flow.scripts import RESET, after, instead
from tests.flow.store import SOURCE, TARGET, error

PROBE = replace(TARGET, key="probe")
THERE = replace(SOURCE, key="probe")
LOOK = "head_object /source/probe"
DENIED = instead(error(403, "AccessDenied", "No"))


def apart(store: Bucket) -> Desk:
    return Desk(Apart(PROBE, [("x-amz-acl", "private")], [THERE]), store)


def test_what_is_not_found_elsewhere_is_another() -> None:
    desk = apart(Bucket()).run()
    assert desk.result == (False,)
    assert desk.log == ["put_object probe", "head_object probe", LOOK, "delete_object probe"]
    assert desk.store.objects == {}
    assert ("x-amz-acl", "private") in desk.jobs[0].request.headers


def test_what_is_found_elsewhere_is_the_same() -> None:
    store = Bucket()
    store.keep(b"", path="/source/probe")
    assert apart(store).run().result == (True,)


@pytest.mark.parametrize("status", [400, 403, 405, 501])
def test_what_is_not_said_is_not_known(status: int) -> None:
    desk = apart(Bucket()).on(LOOK, instead(error(status))).run()
    assert desk.result == (None,)
    assert desk.store.objects == {}


def test_it_is_removed_in_the_version_that_it_got() -> None:
    put = instead(Response(200, {"etag": '"e"', "x-amz-version-id": "v1"}))
    desk = apart(Bucket()).on("put_object probe", put)
    desk.on("head_object probe", instead(Response(200, {"etag": '"e"', "content-length": "0"}))).run()
    assert desk.jobs[-1].request.query == "versionId=v1"


def test_what_cannot_be_put_or_seen_proves_nothing() -> None:
    desk = apart(Bucket()).on("put_object probe", DENIED).run()
    assert "AccessDenied" in desk.error
    desk = apart(Bucket()).on("head_object probe", instead(error(404))).run()
    assert "cannot be seen there" in desk.error
    assert desk.log[-1] == "delete_object probe"


def test_what_breaks_leaves_nothing() -> None:
    desk = apart(Bucket()).on(LOOK, *[after(RESET)] * 9).run()
    assert desk.error
    assert desk.store.objects == {}


def test_what_cannot_be_removed_is_told() -> None:
    desk = apart(Bucket()).on("delete_object probe", DENIED).run()
    assert desk.result == (False,)
    (warning,) = desk.warnings
    assert warning.startswith("s3://bucket/probe, which was put there to look for it elsewhere, stays: ")
