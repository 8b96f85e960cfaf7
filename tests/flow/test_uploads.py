"""The story of uploads under way: the right ones are listed, and aborted ones are gone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gof3r.engine.flow.uploads import Aborted, Uploads
from gof3r.engine.s3.listings import UploadListed
from gof3r.engine.values import Response
from tests.flow.desk import DATE, EPOCH, Bucket, Desk
from tests.flow.scripts import RESET, after, instead, saying
from tests.flow.store import TARGET, error

OLDER = "2024-05-06T06:08:09.000Z"  # an hour before DATE
BEGAN = [("a b&", "u1", OLDER), ("a b&", "u2", DATE), ("key", "u3", OLDER), ("key2", "u4", DATE)]
DENIED = instead(error(403, "AccessDenied"))


def uploads(
    key: str = "", *, older_than: float = 0.0, upload_id: str = "", abort: bool = False, page: int = 1000
) -> Desk:
    store = Bucket(page)
    store.began = list(BEGAN)
    target = replace(TARGET, key=key)
    story = Uploads(target, older_than=older_than, upload_id=upload_id, abort=abort, now=EPOCH + 60)
    return Desk(story, store)


def left(desk: Desk) -> list[str]:
    assert isinstance(desk.store, Bucket)
    return [name for _, name, _ in desk.store.began]


@pytest.mark.parametrize("page", [1, 3, 1000])
def test_every_upload_is_shown_once_over_all_pages(page: int) -> None:
    desk = uploads(page=page).run()
    assert desk.shown == [
        UploadListed("a b&", "u1", EPOCH - 3600),
        UploadListed("a b&", "u2", EPOCH),
        UploadListed("key", "u3", EPOCH - 3600),
        UploadListed("key2", "u4", EPOCH),
    ]
    assert desk.result == 4
    assert left(desk) == ["u1", "u2", "u3", "u4"]


@pytest.mark.parametrize(
    ("key", "older_than", "upload_id", "names"),
    [
        ("", 0.0, "", ["u1", "u2", "u3", "u4"]),
        ("key", 0.0, "", ["u3", "u4"]),
        ("", 60.0, "", ["u1", "u2", "u3", "u4"]),
        ("", 61.0, "", ["u1", "u3"]),
        ("", 3660.0, "", ["u1", "u3"]),
        ("", 3661.0, "", []),
        ("", 0.0, "u2", ["u2"]),
        ("", 61.0, "u2", []),
    ],
)
def test_prefix_age_and_id_choose(key: str, older_than: float, upload_id: str, names: list[str]) -> None:
    desk = uploads(key, older_than=older_than, upload_id=upload_id).run()
    assert [entry.upload_id for entry in desk.shown if isinstance(entry, UploadListed)] == names


def test_without_an_age_a_server_whose_clock_is_ahead_hides_nothing() -> None:
    story = Uploads(replace(TARGET, key=""), older_than=0.0, upload_id="", abort=False, now=EPOCH - 9999)
    store = Bucket()
    store.began = list(BEGAN)
    assert Desk(story, store).run().result == 4


@pytest.mark.parametrize("page", [1, 1000])
def test_aborted_uploads_are_confirmed_to_be_gone_and_the_younger_ones_stay(page: int) -> None:
    desk = uploads(older_than=61.0, abort=True, page=page).run()
    assert desk.shown == [Aborted("a b&", "u1"), Aborted("key", "u3")]
    assert desk.result == 2
    assert left(desk) == ["u2", "u4"]
    work = [line for line in desk.log if "list_multipart" not in line]
    assert work == [
        "abort_multipart_upload a%20b%26",
        "list_parts a%20b%26",
        "abort_multipart_upload key",
        "list_parts key",
    ]


def test_an_id_is_aborted_at_exactly_its_key_without_leave_to_list() -> None:
    desk = uploads("key", upload_id="u3", abort=True).run()
    assert desk.log == ["list_parts key", "abort_multipart_upload key", "list_parts key"]
    assert desk.shown == [Aborted("key", "u3")]
    assert left(desk) == ["u1", "u2", "u4"]


def test_an_id_that_is_not_there_is_an_error() -> None:
    desk = uploads("key", upload_id="u9", abort=True).run()
    assert "list_parts: server answered 404 NoSuchUpload" in desk.error
    assert len(desk.log) == 1


def test_who_may_abort_need_not_be_allowed_to_list_parts() -> None:
    desk = uploads("key", upload_id="u3", abort=True).on("list_parts key", DENIED, DENIED).run()
    assert desk.shown == [Aborted("key", "u3")]
    assert left(desk) == ["u1", "u2", "u4"]


def test_a_lost_answer_to_an_abort_is_asked_again() -> None:
    desk = uploads("key", upload_id="u3", abort=True).on("abort_multipart_upload key", after(RESET)).run()
    assert desk.shown == [Aborted("key", "u3")]


def test_a_server_that_keeps_the_upload_is_no_success() -> None:
    desk = uploads("key", upload_id="u3", abort=True)
    desk.on("abort_multipart_upload key", *[instead(Response(204, {}))] * 400).run()
    assert desk.error == (
        "uploads abort s3://bucket/key: upload u3: upload u3 is still there after 60 s of aborting"
    )
    assert desk.shown == []


def test_one_that_is_refused_does_not_stop_the_others_and_its_error_is_raised() -> None:
    desk = uploads(abort=True).on("abort_multipart_upload key", DENIED).run()
    assert left(desk) == ["u3"]
    assert desk.error.startswith("uploads abort s3://bucket/key: upload u3: abort_multipart_upload: server")


def test_several_that_are_refused_are_told_each_and_counted() -> None:
    desk = uploads(abort=True).on("abort_multipart_upload a%20b%26", DENIED, DENIED).run()
    assert left(desk) == ["u1", "u2"]
    assert desk.error == "uploads abort s3://bucket/: 2 of 4 uploads were not aborted"
    assert ["upload u1" in desk.warnings[0], "upload u2" in desk.warnings[1]] == [True, True]


def test_a_network_that_fails_stops_all() -> None:
    desk = uploads(abort=True).on("abort_multipart_upload a%20b%26", *[instead(RESET)] * 3).run()
    assert "upload u1: abort_multipart_upload: network error (curl 56)" in desk.error
    assert left(desk) == ["u1", "u2", "u3", "u4"]


def test_a_page_that_is_no_listing_fails() -> None:
    desk = uploads().on("list_multipart_uploads", *[saying(b"<html>hello</html>")] * 2).run()
    assert desk.error.startswith("uploads ls s3://bucket/: list_multipart_uploads: ")


def test_a_server_that_gives_the_same_page_for_ever_is_not_followed() -> None:
    again = saying(
        b"<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>k</NextKeyMarker>"
        b"<NextUploadIdMarker>u</NextUploadIdMarker></ListMultipartUploadsResult>"
    )
    desk = uploads().on("list_multipart_uploads", again, again, again).run()
    assert "the same page for ever" in desk.error
    assert len(desk.log) == 2
