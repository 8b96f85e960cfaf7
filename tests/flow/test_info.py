"""The story of a question: everything stored about an object is told, and what is not there is no error."""

from __future__ import annotations

from dataclasses import replace
from hashlib import md5

import pytest

from gof3r.engine.flow.info import Info, ObjectInfo, Parts
from gof3r.engine.values import Target
from tests.flow.desk import Bucket, Desk
from tests.flow.scripts import instead
from tests.flow.store import SIDECAR, TARGET, Store, base64_of, error

DATA = bytes(range(60))


def ask(store: Store, target: Target = TARGET) -> Desk:
    return Desk(Info(target), store)


def told(desk: Desk) -> ObjectInfo:
    result = desk.run().result
    assert isinstance(result, ObjectInfo)
    return result


def test_a_plain_object_is_one_look_and_a_look_for_its_sidecar() -> None:
    store = Bucket()
    stored = store.keep(DATA, x_amz_meta_colour="blue")
    desk = ask(store)
    info = told(desk)
    assert desk.log == ["head_object key", "get_object .md5/key.md5"]
    assert (info.head.size, info.head.etag, info.head.metadata) == (60, stored.etag, {"colour": "blue"})
    assert (info.parts, info.sidecar, info.sidecar_is_current) == (None, None, False)
    assert info.checksums == {}


@pytest.mark.parametrize(
    ("cuts", "layout"),
    [
        ((16, 16, 16, 12), ((3, 16), (1, 12))),
        ((20, 20, 20), ((3, 20),)),
        ((60,), ((1, 60),)),
        ((8, 20, 20, 12), ()),
    ],
)
def test_the_parts_are_counted_and_their_lengths_guessed(
    cuts: tuple[int, ...], layout: tuple[tuple[int, int], ...]
) -> None:
    store = Bucket()
    store.keep(DATA, cuts=cuts)
    assert told(ask(store)).parts == Parts(len(cuts), cuts[0], layout)


def test_a_store_that_tells_nothing_of_parts_is_no_error() -> None:
    store = Bucket()
    store.keep(DATA, cuts=(30, 30))
    desk = (
        ask(store)
        .on("head_object key", lambda act: act(), instead(error(501)))
        .on("get_object key", instead(error(501, "NotImplemented")))
    )
    assert told(desk).parts is None


def test_checksums_are_told_with_their_type() -> None:
    store = Bucket()
    store.keep(DATA, cuts=(30, 30), digests=["crc64nvme"])
    assert told(ask(store)).checksums == {"crc64nvme": (base64_of("crc64nvme", DATA), "FULL_OBJECT")}
    composite = "AAAAAA==-2"
    store.keep(DATA, cuts=(30, 30), x_amz_checksum_crc32=composite, x_amz_checksum_type="COMPOSITE")
    assert told(ask(store)).checksums == {"crc32": (composite, "COMPOSITE")}


@pytest.mark.parametrize(("etag", "current"), [("same", True), ("", True), ("another", False)])
def test_a_sidecar_is_told_and_whether_it_is_about_this_object(etag: str, current: bool) -> None:
    store = Bucket()
    stored = store.keep(DATA)
    store.keep_sidecar(DATA, stored.etag if etag == "same" else etag)
    info = told(ask(store))
    assert info.sidecar is not None
    assert (info.sidecar.md5, info.sidecar_is_current) == (md5(DATA).hexdigest(), current)


def test_a_sidecar_that_names_no_etag_is_not_about_a_particular_version() -> None:
    store = Bucket()
    store.keep(DATA, x_amz_version_id="v1")
    store.keep_sidecar(DATA)
    info = told(ask(store, replace(TARGET, version_id="v1")))
    assert info.sidecar is not None
    assert not info.sidecar_is_current


@pytest.mark.parametrize("first", ["another", "same"])
def test_of_two_sidecars_the_one_about_this_object_is_told(first: str) -> None:
    store = Bucket()
    stored = store.keep(DATA)
    store.objects = {"/my.bucket/key": stored}
    tags = {"same": stored.etag, "another": "x"}
    other = "same" if first == "another" else "another"
    store.keep_sidecar(DATA, tags[first], path="/my.bucket/.md5/key.md5")
    store.keep_sidecar(DATA, tags[other], path="/my.bucket/.md5/my.bucket/key.md5")
    info = told(ask(store, replace(TARGET, bucket="my.bucket")))
    assert info.sidecar is not None
    assert info.sidecar.etag == stored.etag


def test_a_sidecar_that_holds_no_md5_is_a_warning() -> None:
    store = Bucket()
    store.keep(DATA)
    store.keep(b"no md5", path=SIDECAR)
    desk = ask(store)
    assert told(desk).sidecar is None
    assert "s3://bucket/.md5/key.md5: the md5 sidecar holds 'no md5'" in desk.warnings[0]


def test_an_object_that_is_not_there_is_named_with_the_servers_reason() -> None:
    desk = ask(Bucket()).run()
    assert desk.error.startswith("info s3://bucket/key: get_object: server answered 404 NoSuchKey")
