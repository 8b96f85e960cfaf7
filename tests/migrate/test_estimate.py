"""What a migration takes, held against transfers as the engine really tells them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from gof3r.engine.errors import UsageError
from gof3r.engine.flow.plan import GiB, MiB
from gof3r.engine.values import Seen
from gof3r.migrate import estimate
from gof3r.migrate.estimate import Estimate, How, parts_of
from gof3r.migrate.items import UNKNOWN, Identity, Item, LocalFile, Place, S3Object
from gof3r.migrate.options import Options
from tests.flow import transfers
from tests.flow.harbour import Harbour, source_path
from tests.flow.store import FROM, FROM_SIDECAR, OBJECT, SIDECAR, Store
from tests.flow.world import World

PART = 5 * MiB
HOW = How(PART, 3)


def made(world: World) -> Counter[str]:
    """The requests of a transfer."""
    world.run()
    assert world.receipt
    assert len(world.jobs) == len(world.log) - world.log.count("hush") - world.log.count("silent")
    return Counter(job.request.operation for job in world.jobs)


def expected(requests: estimate.Requests) -> Counter[str]:
    return Counter({name: count for name, count in requests.items() if count})


# --- beside the engine --------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 3 * PART, 3 * PART + 1])
def test_a_put_takes_the_requests_that_it_makes(size: int) -> None:
    assert made(transfers.put(bytes(size), part_size=PART)) == expected(estimate.put(size, HOW))


@pytest.mark.parametrize("sidecar", [False, True])
@pytest.mark.parametrize("never", [False, True])
@pytest.mark.parametrize("data", [b"", b"1234567"])
def test_a_puts_options_cost_requests(data: bytes, sidecar: bool, never: bool) -> None:
    world = transfers.put(data, part_size=8, sidecar=sidecar, if_none_match=never)
    how = replace(HOW, sidecar=sidecar, if_none_match=never)
    assert made(world) == expected(estimate.put(len(data), how))


@pytest.mark.parametrize("sidecar", [False, True])
@pytest.mark.parametrize("size", [0, 1, 8, 9, 80])
def test_a_get_takes_the_requests_that_it_makes(size: int, sidecar: bool) -> None:
    store, data = Store(), bytes(range(size))
    etag = store.keep(data, digests=("crc64nvme",)).etag
    if sidecar:
        store.keep_sidecar(data, etag, SIDECAR)
    how = replace(HOW, part_size=8, sidecar=sidecar)
    assert made(transfers.get(store, part_size=8, sidecar=sidecar)) == expected(
        estimate.get(size, parts_of(etag), how)
    )


def test_a_get_that_only_its_parts_prove_asks_for_the_first() -> None:
    store = Store()
    etag = store.keep(bytes(20), cuts=(8, 8, 4)).etag
    got = made(transfers.get(store, part_size=8))
    assert got == expected(estimate.get(20, parts_of(etag), replace(HOW, part_size=8)))
    assert OBJECT in store.objects


@pytest.mark.parametrize(
    ("size", "cuts"), [(0, ()), (9, ()), (PART + 1, ()), (PART + 1, (PART, 1)), (2 * PART, (PART,) * 2)]
)
@pytest.mark.parametrize("server_side", [False, True])
@pytest.mark.parametrize("sidecar", [False, True])
@pytest.mark.parametrize("never", [False, True])
def test_a_copy_takes_the_requests_that_it_makes(
    size: int, cuts: tuple[int, ...], server_side: bool, sidecar: bool, never: bool
) -> None:
    store, data = Store(), bytes(size)
    etag = store.keep(data, path=FROM, cuts=cuts, digests=("crc64nvme",)).etag
    if sidecar:
        store.keep_sidecar(data, etag, FROM_SIDECAR)
    world = transfers.copy(
        store, part_size=PART, server_side=server_side, sidecar=sidecar, if_none_match=never
    )
    how = replace(HOW, sidecar=sidecar, if_none_match=never)
    count = estimate.server_copy if server_side else estimate.copy
    assert made(world) == expected(count(size, parts_of(etag), how))


# --- sums ---------------------------------------------------------------------------


def item(source: str, destination: str, known: Identity = UNKNOWN, options: Options | None = None) -> Item:
    def place(text: str) -> Place:
        return LocalFile(text) if text[0] == "/" else S3Object("b.c" if "." in text else "b", text)

    return Item(place(source), place(destination), options or Options(), known)


def test_a_run_is_the_sum_of_its_items() -> None:
    found = Estimate(replace(HOW, part_size=8 * MiB))
    for one in (
        item("/a", "k", Identity(20 * MiB, mtime_ns=1)),
        item("k", "/a", Identity(10 * MiB, "e")),
        item("k", "l", Identity(5, "e")),
        item("k", "l"),
    ):
        found.add(one)
    found.add_listing(2001)
    assert (found.objects, found.unknown) == (4, 1)
    assert (found.sent, found.received, found.copied) == (20 * MiB + 5, 10 * MiB + 5, 0)
    assert found.requests == {
        "create_multipart_upload": 1,
        "upload_part": 3,
        "complete_multipart_upload": 1,
        "put_object": 1 + 2 * 2,
        "head_object": 1 + 1 + 2 * 2,
        "get_object": (2 + 1) + (1 + 1) + (0 + 1),
        "list_objects": 3,
    }
    assert (found.put_class, found.get_class) == (1 + 3 + 1 + 5 + 3, 6 + 6)
    assert found.put_class + found.get_class == found.requests.total()


@pytest.mark.parametrize("kind", ["copy", "get"])
@pytest.mark.parametrize(("size", "etag"), [(0, "0" * 32), (20, "0" * 32), (20, f"{'0' * 32}-1"), (20, "")])
def test_what_was_listed_is_not_looked_at_before(kind: str, size: int, etag: str) -> None:
    store = Store()
    kept = store.keep(bytes(size), path=source_path(0), cuts=(size,) if "-" in etag else ())
    listed = {0: Seen(size, kept.etag)} if etag else {}
    harbour = Harbour(store, 1, kind=kind, listed=listed).run()
    assert harbour.errors() == {}
    found = Estimate(replace(HOW, sidecar=False))
    found.add(item("k", "l" if kind == "copy" else "/a", Identity(size, kept.etag if etag else "")))
    assert Counter(line.split()[0] for line in harbour.log) == +found.requests


def test_what_the_server_copies_does_not_come_here() -> None:
    found = Estimate(replace(HOW, server_side=True))
    found.add(item("k", "l", Identity(6 * GiB, "0" * 32)))
    found.add(item("k", "l", Identity(5, "0" * 32)))
    assert (found.copied, found.received, found.sent) == (6 * GiB + 5, 0, 0)
    assert found.requests["upload_part_copy"] == 6 * GiB // PART + 1
    assert found.requests["copy_object"] == 1


def test_an_items_own_options_count() -> None:
    def requests(options: Options) -> Counter[str]:
        found = Estimate(HOW)
        found.add(item("/a", "k", Identity(10 * MiB), options))
        return found.requests

    assert requests(Options())["upload_part"] == 2
    assert "upload_part" not in requests(Options(part_size=16 * MiB))
    assert requests(Options(md5=False))["put_object"] == 0
    assert requests(Options(checksums=("crc64nvme",)))["put_object"] == 0
    assert requests(Options(if_none_match=True))["head_object"] == 2


def test_md5_objects_have_two_places_where_the_bucket_has_a_dot() -> None:
    found = Estimate(HOW)
    found.add(item("k.", "/a", Identity(0, "e")))
    assert found.requests["get_object"] == 2


def test_a_file_that_no_upload_holds_is_told() -> None:
    with pytest.raises(UsageError, match="above S3's largest object"):
        Estimate(HOW).add(item("/a", "k", Identity(2**60)))


def test_time_is_bytes_and_waiting() -> None:
    found = Estimate(HOW)
    for _ in range(10):
        found.add(item("/a", "k", Identity(MiB)))
    assert found.seconds(MiB) == 10.0
    assert found.seconds(MiB, latency=0.1, at_once=3) == pytest.approx(10 + 30 * 0.1 / 3)
