"""Many small objects in lanes: each arrives as it is, whatever comes between, and none keeps another."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gof3r.engine.errors import Interrupted, TransferError, Unfit
from gof3r.engine.flow import plan
from gof3r.engine.flow.events import CollectorLost, Load, Save, Signalled
from gof3r.engine.values import Begun, Failure
from tests.flow.harbour import STARTED, Harbour, source_path, target_path
from tests.flow.scripts import RESET, Die, Hang, after, instead, saying
from tests.flow.store import Store, error

REFUSED = instead(error(403, "AccessDenied", "No"))


def stored(count: int, **headers: str) -> Store:
    store, random = Store(), Random(1)
    for number in range(count):
        store.keep(random.randbytes(20), path=source_path(number)).headers.update(headers)
    return store


@pytest.fixture
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "MIN_PART", 8)


def arrived(harbour: Harbour) -> set[int]:
    """Those that are at their destination, byte for byte; of each there is a receipt."""
    found = set()
    for number, carried in harbour.carried.items():
        target = harbour.store.objects.get(target_path(number))
        if carried.receipt is not None:
            source = harbour.store.objects[source_path(number)]
            assert target is not None and target.data == source.data
            assert carried.receipt.etag == target.etag and carried.receipt.size == len(target.data)
            assert carried.receipt.proofs
            found.add(number)
    return found


@pytest.mark.parametrize("lanes", [1, 3, 20])
def test_every_object_arrives_with_its_headers_and_a_receipt(lanes: int) -> None:
    harbour = Harbour(stored(10, **{"content-type": "text/x", "x-amz-meta-a": "b"}), 10, lanes=lanes).run()
    assert arrived(harbour) == set(range(10))
    assert harbour.finish is not None and harbour.finish.result == 10
    assert harbour.most <= lanes
    headers = harbour.store.objects[target_path(7)].headers
    assert (headers["content-type"], headers["x-amz-meta-a"]) == ("text/x", "b")
    assert all(carried.seconds > 0 and not carried.retries for carried in harbour.carried.values())


@given(st.integers(0, 2**32), st.lists(st.integers(0, 64), min_size=1, max_size=12), st.booleans())
def test_in_whatever_order_they_are_answered_nothing_is_mixed_up(
    seed: int, sizes: list[int], sidecar: bool
) -> None:
    random, store = Random(seed), Store()
    for number, size in enumerate(sizes):
        store.keep(random.randbytes(size), path=source_path(number))
    harbour = Harbour(store, len(sizes), sidecar=sidecar, seed=seed).run()
    assert arrived(harbour) == set(range(len(sizes)))
    for number in range(len(sizes) if sidecar else 0):
        beside = store.objects[f"/bucket/.md5/{number}.md5"]
        assert beside.data.decode() == store.objects[target_path(number)].etag


def test_one_that_fails_keeps_no_other() -> None:
    store = stored(6)
    del store.objects[source_path(2)]
    harbour = Harbour(store, 6).on(f"put_object {target_path(4)}", REFUSED, REFUSED).run()
    assert arrived(harbour) == {0, 1, 3, 5}
    errors = harbour.errors()
    assert "copy s3://source/2 to s3://bucket/2: get_object: server answered 404" in errors[2]
    assert "copy s3://source/4 to s3://bucket/4: put_object" in errors[4] and "AccessDenied" in errors[4]
    assert harbour.finish is not None and harbour.finish.error is None


def test_what_fails_for_a_while_is_tried_again_and_counted() -> None:
    harbour = Harbour(stored(4), 4)
    harbour.on(f"get_object {source_path(1)}", instead(error(500, "InternalError")), instead(RESET))
    harbour.on(f"put_object {target_path(2)}", after(RESET))
    harbour.run()
    assert arrived(harbour) == {0, 1, 2, 3}
    assert harbour.carried[1].retries == {"InternalError": 1, "56": 1}
    assert harbour.carried[2].retries == {"56": 1}
    assert harbour.carried[0].retries == {}


def test_bytes_that_are_not_the_sources_are_no_object() -> None:
    harbour = Harbour(stored(3), 3)
    bad = saying(b"x" * 20)
    harbour.on(f"get_object {source_path(1)}", *[bad] * 9).run()
    assert arrived(harbour) == {0, 2}
    assert target_path(1) not in harbour.store.objects
    assert "md5" in harbour.errors()[1]


@pytest.mark.parametrize("what", ["get_object", "put_object"])
def test_a_lost_worker_costs_nobody_anything(what: str) -> None:
    path = source_path(3) if what == "get_object" else target_path(3)
    harbour = Harbour(stored(9), 9).on(f"{what} {path}", lambda act: Die()).run()
    assert arrived(harbour) == set(range(9))
    assert "worker process" in harbour.warnings[0]


def test_too_many_lost_workers_end_all() -> None:
    harbour = Harbour(stored(9), 9)
    for number in range(9):
        harbour.on(f"get_object {source_path(number)}", *[lambda act: Die()] * 9)
    harbour.run()
    assert arrived(harbour) == set()
    assert all("worker processes were lost" in text for text in harbour.errors().values())
    assert len(harbour.carried) <= 3, "nothing new is begun"


def test_a_server_that_cannot_be_reached_ends_all() -> None:
    harbour = Harbour(stored(50), 50, attempts=2)
    refused = instead(Failure("transport", "7", "connection refused", connected=False))
    for number in range(50):
        harbour.on(f"head_object {source_path(number)}", *[refused] * 5)
    harbour.run()
    assert harbour.finish is not None and "connection refused" in str(harbour.finish.error)
    assert len(harbour.carried) <= 6


@pytest.mark.parametrize("event", [Signalled(15), CollectorLost()])
def test_what_is_no_objects_fault_ends_all_at_once(event: Signalled | CollectorLost) -> None:
    harbour = Harbour(stored(20), 20)
    told = [False]

    def before() -> Signalled | CollectorLost | None:
        if len(harbour.carried) == 5 and not told[0]:
            told[0] = True
            return event
        return None

    harbour.before = before
    harbour.run()
    assert 5 <= len(harbour.carried) <= 8
    assert arrived(harbour) == {number for number, one in harbour.carried.items() if one.receipt}
    if isinstance(event, Signalled):
        assert harbour.finish is not None and isinstance(harbour.finish.error, Interrupted)


@pytest.mark.usefixtures("_small_parts")
def test_an_object_of_parts_that_only_its_stream_proves_is_nothing_for_a_lane() -> None:
    store = Store()
    data = bytes(range(40))
    store.keep(data, path=source_path(0), cuts=(20, 20))
    store.keep_sidecar(data, store.objects[source_path(0)].etag, "/source/.md5/0.md5")
    store.keep(data, path=source_path(1))
    harbour = Harbour(store, 2, sidecar=True).run()
    assert arrived(harbour) == {1}
    assert isinstance(harbour.carried[0].error, Unfit)
    assert not store.uploads, "its upload is aborted"
    assert target_path(0) not in store.objects


@pytest.mark.usefixtures("_small_parts")
def test_an_object_of_parts_keeps_them() -> None:
    store = Store()
    store.keep(bytes(range(40)), path=source_path(0), cuts=(20, 20))
    harbour = Harbour(store, 1).run()
    assert arrived(harbour) == {0}
    assert store.objects[target_path(0)].etag == store.objects[source_path(0)].etag


@pytest.mark.usefixtures("_small_parts")
@given(st.integers(0, 2**32), st.lists(st.integers(1, 90), min_size=1, max_size=9), st.booleans())
def test_objects_of_parts_go_through_a_slot_part_by_part(seed: int, sizes: list[int], combined: bool) -> None:
    random, store = Random(seed), Store()
    for number, size in enumerate(sizes):
        data = random.randbytes(size)
        cuts = (*[16] * (size // 16), *([size % 16] if size % 16 else []))
        store.keep(
            data, path=source_path(number), cuts=() if combined else cuts, digests=("crc32",) * combined
        )
    harbour = Harbour(store, len(sizes), size=16, most=90, seed=seed).run()
    assert arrived(harbour) == set(range(len(sizes)))
    assert not store.uploads
    begun = {said.number: said.value for said in harbour.said}
    assert begun.keys() == {number for number, size in enumerate(sizes) if size > 16}
    assert all(isinstance(value, Begun) for value in begun.values())


@pytest.mark.usefixtures("_small_parts")
def test_an_object_of_parts_is_gone_on_with_in_a_lane() -> None:
    store = Store()
    store.keep(bytes(range(60)), path=source_path(0), cuts=(20, 20, 20))
    harbour = Harbour(store, 1, size=20, most=60)
    harbour.on(f"upload_part {target_path(0)}", lambda act: act(), lambda act: act(), REFUSED).run()
    error = harbour.carried[0].error
    assert isinstance(error, TransferError) and error.kept in store.uploads
    begun = harbour.said[0].value
    assert isinstance(begun, Begun) and begun.upload_id == error.kept
    again = Harbour(store, 1, size=20, most=60, left=begun).run()
    assert arrived(again) == {0} and not store.uploads
    assert sum(line.startswith("upload_part") for line in again.log) == 1


@pytest.mark.usefixtures("_small_parts")
@pytest.mark.parametrize("kind", ["copy", "get"])
def test_what_only_an_md5_over_all_parts_proves_is_found_out_before_they_move(kind: str) -> None:
    store = stored(2)
    store.keep(bytes(range(60)), path=source_path(0))
    harbour = Harbour(store, 2, size=20, most=60, kind=kind).run()
    assert isinstance(harbour.carried[0].error, Unfit)
    assert not any(source_path(0) in line for line in harbour.log if line.startswith("get_object"))
    assert harbour.carried[1].receipt and not store.uploads


@pytest.mark.usefixtures("_small_parts")
def test_what_is_larger_than_was_said_is_nothing_for_a_lane() -> None:
    store = Store()
    store.keep(bytes(range(80)), path=source_path(0), cuts=(20, 20, 20, 20))
    harbour = Harbour(store, 1, size=20, most=79).run()
    assert isinstance(harbour.carried[0].error, Unfit) and not store.uploads


@pytest.mark.usefixtures("_small_parts")
def test_an_upload_is_aborted_only_when_nothing_of_it_is_on_its_way() -> None:
    store = Store()
    store.keep(bytes(range(60)), path=source_path(0), cuts=(20, 20, 20))
    harbour = Harbour(store, 1, attempts=1)
    harbour.on(f"upload_part {target_path(0)}", lambda act: act(), REFUSED).run()
    assert "AccessDenied" in harbour.errors()[0]
    assert not store.uploads and harbour.log[-1].startswith(("abort", "list_parts"))


def test_an_object_that_is_there_is_left_alone_where_that_was_asked_for() -> None:
    store = stored(3)
    store.keep(b"theirs", path=target_path(1))
    harbour = Harbour(store, 3, if_none_match=True).run()
    assert arrived(harbour) == {0, 2}
    assert store.objects[target_path(1)].data == b"theirs"


def test_a_server_that_copies_by_itself_moves_no_bytes() -> None:
    harbour = Harbour(stored(5), 5, server_side=True).run()
    assert arrived(harbour) == set(range(5))
    assert not any(line.startswith(("get_object", "put_object")) for line in harbour.log)


def test_a_request_that_is_never_answered_ends_what_waits_for_it() -> None:
    harbour = Harbour(stored(3), 3)
    harbour.on(f"get_object {source_path(1)}", lambda act: Hang())
    harbour.run()
    assert arrived(harbour) >= {0, 2}
    assert harbour.now > STARTED


# --- files ------------------------------------------------------------------


@pytest.mark.usefixtures("_small_parts")
@given(st.integers(0, 2**32), st.lists(st.integers(0, 90), min_size=1, max_size=9))
def test_files_are_read_part_by_part(seed: int, sizes: list[int]) -> None:
    random = Random(seed)
    harbour = Harbour(Store(), len(sizes), kind="put", size=16, most=90, seed=seed)
    harbour.files = {number: random.randbytes(size) for number, size in enumerate(sizes)}
    harbour.run()
    assert harbour.errors() == {}
    for number, data in harbour.files.items():
        assert harbour.store.objects[target_path(number)].data == data
    assert not harbour.store.uploads


@pytest.mark.usefixtures("_small_parts")
def test_a_file_that_fails_in_its_middle_is_let_go_of() -> None:
    harbour = Harbour(Store(), 3, kind="put", size=16, most=90)
    harbour.files = dict.fromkeys(range(3), bytes(40))
    harbour.on(f"upload_part {target_path(1)}", lambda act: act(), REFUSED).run()
    assert set(harbour.errors()) == {1} and harbour.forgotten == [1]


@pytest.mark.usefixtures("_small_parts")
def test_a_file_that_cannot_be_read_on_keeps_no_other() -> None:
    harbour = Harbour(Store(), 3, kind="put", size=16, most=90)
    harbour.files = dict.fromkeys(range(3), bytes(40))
    reads = Counter[int]()

    def disk(action: Load | Save) -> str:
        reads[action.task] += 1
        return "Input/output error" if (action.task, reads[action.task]) == (1, 2) else ""

    harbour.disk = disk
    harbour.run()
    assert set(harbour.errors()) == {1} and "Input/output error" in harbour.errors()[1]


@given(st.integers(0, 2**32), st.lists(st.integers(0, 64), min_size=1, max_size=12), st.booleans())
def test_files_arrive_in_the_store(seed: int, sizes: list[int], sidecar: bool) -> None:
    random = Random(seed)
    harbour = Harbour(Store(), len(sizes), kind="put", sidecar=sidecar, seed=seed)
    harbour.files = {number: random.randbytes(size) for number, size in enumerate(sizes)}
    harbour.run()
    for number, data in harbour.files.items():
        assert harbour.store.objects[target_path(number)].data == data
        receipt = harbour.carried[number].receipt
        assert receipt is not None and receipt.proofs == ("md5", "crc64nvme")
        assert not sidecar or f"/bucket/.md5/{number}.md5" in harbour.store.objects


@given(st.integers(0, 2**32), st.lists(st.integers(0, 64), min_size=1, max_size=12), st.booleans())
def test_objects_arrive_in_files(seed: int, sizes: list[int], sidecar: bool) -> None:
    random, store = Random(seed), Store()
    for number, size in enumerate(sizes):
        store.keep(random.randbytes(size), path=source_path(number))
    harbour = Harbour(store, len(sizes), kind="get", sidecar=sidecar, seed=seed).run()
    assert harbour.files == {number: store.objects[source_path(number)].data for number in range(len(sizes))}
    assert all(carried.receipt for carried in harbour.carried.values())


def test_a_file_appears_only_when_its_bytes_are_proven() -> None:
    harbour = Harbour(stored(3), 3, kind="get")
    harbour.on(f"get_object {source_path(1)}", *[saying(b"x" * 20)] * 9).run()
    assert set(harbour.files) == {0, 2}
    assert "md5" in harbour.errors()[1] and harbour.forgotten == [1]


@pytest.mark.usefixtures("_small_parts")
@pytest.mark.parametrize("damage", [False, True])
def test_a_file_of_parts_is_written_part_by_part(damage: bool) -> None:
    store = Store()
    store.keep(bytes(range(60)), path=source_path(0), cuts=(25, 25, 10))
    harbour = Harbour(store, 1, kind="get")
    if damage:
        harbour.on(f"get_object {source_path(0)}", lambda act: act(), *[saying(b"y" * 25)] * 9)
    harbour.run()
    assert harbour.files == ({} if damage else {0: bytes(range(60))})
    assert bool(harbour.errors()) == damage


@pytest.mark.parametrize("kind", ["put", "get"])
@pytest.mark.parametrize("size", [0, 20])
def test_a_file_that_cannot_be_read_or_written_keeps_no_other(kind: str, size: int) -> None:
    store = Store()
    for number in range(4):
        store.keep(bytes(size), path=source_path(number))
    harbour = Harbour(store, 4, kind=kind)
    harbour.files = {} if kind == "get" else dict.fromkeys(range(4), bytes(size))
    harbour.disk = lambda action: "Input/output error" if action.task == 2 else ""
    harbour.run()
    assert {number for number, one in harbour.carried.items() if one.receipt} == {0, 1, 3}
    assert "Input/output error" in harbour.errors()[2]
    assert harbour.finish is not None and harbour.finish.result == 3
