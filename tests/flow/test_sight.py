"""Objects that are taken as they were listed: by one GET, proven as any other, and by nothing else."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gof3r.engine.errors import Unfit
from gof3r.engine.values import Seen
from tests.flow.harbour import Harbour, source_path, target_path
from tests.flow.scripts import saying
from tests.flow.store import Store

KINDS = ("copy", "get")
HEAD = f"head_object {source_path(0)}"


def listed(store: Store) -> dict[int, Seen]:
    """What a listing of the store says of its sources by now."""
    found = {int(path.rpartition("/")[2]): each for path, each in store.objects.items() if "/source/" in path}
    return {number: Seen(len(each.data), each.etag) for number, each in found.items()}


def one(**headers: str) -> Store:
    store = Store()
    store.keep(b"twenty bytes of data", path=source_path(0)).headers.update(headers)
    return store


def arrived(harbour: Harbour, kind: str) -> bytes | None:
    """What is at the destination of the first object, which has a receipt."""
    assert (harbour.carried[0].receipt is None) == bool(harbour.errors())
    if kind == "get":
        return harbour.files.get(0)
    found = harbour.store.objects.get(target_path(0))
    return found.data if found else None


@pytest.mark.parametrize("kind", KINDS)
@given(st.integers(0, 2**32), st.lists(st.integers(0, 64), min_size=1, max_size=12))
def test_what_was_listed_arrives_and_nobody_looks_at_its_source(
    kind: str, seed: int, sizes: list[int]
) -> None:
    random, store = Random(seed), Store()
    for number, size in enumerate(sizes):
        store.keep(random.randbytes(size), path=source_path(number))
    harbour = Harbour(store, len(sizes), kind=kind, listed=listed(store), seed=seed).run()
    assert harbour.errors() == {}
    for number, size in enumerate(sizes):
        source = store.objects[source_path(number)]
        receipt = harbour.carried[number].receipt
        assert receipt is not None and receipt.proofs
        assert kind == "get" or (receipt.source_etag, receipt.etag) == (source.etag, source.etag)
        there = harbour.files[number] if kind == "get" else store.objects[target_path(number)].data
        assert there == source.data
        assert (f"head_object {source_path(number)}" in harbour.log) == (size == 0)


def test_a_copy_has_the_headers_of_its_source() -> None:
    store = one(**{"content-type": "text/x", "x-amz-meta-a": "b", "x-amz-version-id": "v1"})
    store.objects[source_path(0)].tags = "colour=blue"
    harbour = Harbour(store, 1, listed=listed(store)).run()
    made = store.objects[target_path(0)]
    assert (made.headers["content-type"], made.headers["x-amz-meta-a"]) == ("text/x", "b")
    assert made.tags == "colour=blue"
    receipt = harbour.carried[0].receipt
    assert receipt is not None and receipt.source_version_id == "v1"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "now", [b"another twenty bytes", b"shorter", b"longer than it was when it was listed"]
)
def test_what_has_changed_since_is_to_be_looked_at(kind: str, now: bytes) -> None:
    store = one()
    before = listed(store)
    store.keep(now, path=source_path(0))
    harbour = Harbour(store, 1, kind=kind, listed=before).run()
    assert isinstance(harbour.carried[0].error, Unfit)
    assert arrived(harbour, kind) is None


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_gone_since_is_told(kind: str) -> None:
    store = one()
    before = listed(store)
    del store.objects[source_path(0)]
    harbour = Harbour(store, 1, kind=kind, listed=before).run()
    assert "404 NoSuchKey" in harbour.errors()[0]
    assert not isinstance(harbour.carried[0].error, Unfit)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("digests", [(), ("crc64nvme",), ("crc32c",), ("crc32",), ("sha256", "crc32")])
def test_bytes_that_are_not_the_sources_arrive_nowhere(kind: str, digests: tuple[str, ...]) -> None:
    store = Store()
    store.keep(b"twenty bytes of data", path=source_path(0), digests=digests)
    harbour = Harbour(store, 1, kind=kind, listed=listed(store))
    harbour.on(f"get_object {source_path(0)}", *[saying(b"y" * 20)] * 9).run()
    assert arrived(harbour, kind) is None
    name = next((name for name in digests if name != "sha256"), "md5")
    assert name in harbour.errors()[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("digests", "proofs"),
    [
        (("crc64nvme",), ("crc64nvme",)),
        (("crc32",), ("crc32",)),
        (("crc32c", "sha256"), ("crc32c",)),
        (("sha256",), None),
        ((), None),
    ],
)
def test_an_opaque_etag_proves_nothing(
    kind: str, digests: tuple[str, ...], proofs: tuple[str, ...] | None
) -> None:
    store = Store()
    kept = store.keep(b"twenty bytes of data", path=source_path(0), digests=digests)
    kept.headers["x-amz-server-side-encryption"] = "aws:kms"
    harbour = Harbour(store, 1, kind=kind, listed=listed(store)).run()
    receipt = harbour.carried[0].receipt
    assert (receipt.proofs if receipt else None) == proofs
    assert isinstance(harbour.carried[0].error, Unfit) == (digests == ("sha256",))
    assert (arrived(harbour, kind) is None) == (proofs is None)


@pytest.mark.parametrize("kind", KINDS)
def test_another_version_than_the_one_asked_for_is_not_taken(kind: str) -> None:
    store = one(**{"x-amz-version-id": "v2"})
    harbour = Harbour(store, 1, kind=kind, listed=listed(store), version_id="v1").run()
    assert isinstance(harbour.carried[0].error, Unfit)
    assert arrived(harbour, kind) is None


def test_what_is_there_already_costs_no_bytes() -> None:
    store = one()
    store.keep(b"theirs", path=target_path(0))
    harbour = Harbour(store, 1, listed=listed(store), if_none_match=True).run()
    assert "there is an object already" in harbour.errors()[0]
    assert not any(line.startswith("get_object") for line in harbour.log)
    assert store.objects[target_path(0)].data == b"theirs"


@pytest.mark.parametrize(("server_side", "sidecar"), [(True, False), (False, True)])
def test_what_needs_a_look_gets_one(server_side: bool, sidecar: bool) -> None:
    store = one()
    harbour = Harbour(store, 1, listed=listed(store), server_side=server_side, sidecar=sidecar).run()
    assert HEAD in harbour.log and harbour.errors() == {}
