"""What ``verify`` promises: everything that is stored about an object is held against its bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import md5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gof3r.engine.flow.download import Verify
from gof3r.engine.flow.incoming import Incoming
from gof3r.engine.flow.slots import Ledger, stride
from gof3r.engine.s3 import checksums
from tests.flow.scripts import honest, instead
from tests.flow.store import OBJECT, SIDECAR, TARGET, Store, base64_of, error
from tests.flow.stream import Memory
from tests.flow.transfers import get
from tests.flow.world import World

DATA = bytes(range(60))
OTHER = bytes(60)
EQUAL = (16, 16, 16, 12)
UNKNOWN = (8, 20, 20, 12)
WHOLE = ["crc64nvme", "crc32c", "crc32", "sha256", "sha1"]


def verify(store: Store, *, part_size: int = 8, slots: int = 3, seed: int | None = None) -> World:
    memory = slots * stride(part_size)
    parts = Incoming(Ledger(memory, part_size))
    story = Verify(TARGET, parts, part_size=part_size)
    return World(story, parts, store, Memory(memory), capacity=memory, seed=seed)


def composite_of(name: str, data: bytes, cuts: Sequence[int]) -> str:
    """A COMPOSITE checksum as S3 writes it, independently of the code under test."""
    digests, start = b"", 0
    for length in cuts:
        digests += checksums.compute((name,), memoryview(data[start : start + length]))[name]
        start += length
    return f"{base64_of(name, digests)}-{len(cuts)}"


def kept(
    cuts: Sequence[int] = (), digests: Sequence[str] = (), composites: Sequence[str] = (), **headers: str
) -> Store:
    store = Store()
    said = {f"x_amz_checksum_{name}": composite_of(name, DATA, cuts) for name in composites}
    if composites:
        said["x_amz_checksum_type"] = "COMPOSITE"
    store.keep(DATA, cuts=cuts, digests=digests, **said, **headers)
    return store


@pytest.mark.parametrize("seed", [None, 1, 2])
def test_everything_that_is_stored_about_a_single_object_is_checked(seed: int | None) -> None:
    store = kept(digests=WHOLE)
    store.keep_sidecar(DATA, store.objects[OBJECT].etag)
    world = verify(store, seed=seed).run()
    assert world.receipt.proofs == ("md5", *WHOLE)
    assert world.receipt.digests == checksums.compute(("md5", *WHOLE), memoryview(DATA))
    assert world.warnings == []
    assert world.delivered == DATA


@pytest.mark.parametrize("seed", [None, 1, 2])
def test_everything_that_is_stored_about_an_object_of_parts_is_checked(seed: int | None) -> None:
    world = verify(kept(EQUAL, ["crc64nvme", "crc32"]), seed=seed).run()
    assert world.receipt.proofs == ("crc64nvme", "crc32", "md5")
    assert world.warnings == []


@pytest.mark.parametrize("name", WHOLE)
def test_each_wrong_checksum_is_found_though_all_else_is_right(name: str) -> None:
    store = kept(digests=WHOLE)
    store.objects[OBJECT].headers[f"x-amz-checksum-{name}"] = base64_of(name, OTHER)
    world = verify(store).run()
    got, expected = base64_of(name, DATA), base64_of(name, OTHER)
    assert f"{name} of the bytes is {got}, expected {expected} from its checksum" in str(world.error)


def test_a_wrong_etag_is_found_though_the_sidecar_is_right() -> None:
    store = kept()
    store.objects[OBJECT].etag = md5(OTHER).hexdigest()
    store.keep_sidecar(DATA)
    line = str(verify(store).run().error)
    assert line.startswith("verify s3://bucket/key: md5 of the bytes is ")
    assert "from its ETag" in line and "from its sidecar" not in line
    assert "--no-md5" not in line and "do not use" not in line


def test_a_wrong_sidecar_is_found_though_the_etag_is_right() -> None:
    store = kept()
    store.keep_sidecar(OTHER, store.objects[OBJECT].etag)
    assert "from its sidecar" in str(verify(store).run().error)


def test_all_that_is_wrong_is_told_at_once() -> None:
    store = kept(digests=["crc64nvme", "sha256"])
    store.objects[OBJECT].data = OTHER
    line = str(verify(store).run().error)
    assert [name in line for name in ("md5 of", "crc64nvme of", "sha256 of")] == [True] * 3


def test_a_missing_sidecar_is_no_warning() -> None:
    assert verify(kept()).run().warnings == []


def test_a_sidecar_that_holds_no_md5_fails() -> None:
    store = kept()
    store.keep(b"no md5", path=SIDECAR)
    line = str(verify(store).run().error)
    assert "the md5 sidecar holds 'no md5'" in line and "--no-md5" not in line


def test_a_stale_sidecar_is_told_and_proves_nothing() -> None:
    store = kept(digests=["crc64nvme"])
    store.keep_sidecar(OTHER, "an-older-etag")
    world = verify(store).run()
    assert world.receipt.proofs == ("md5", "crc64nvme")
    assert "belongs to another version" in world.warnings[0]


# --- the parts ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["crc64nvme", "crc32c", "crc32", "sha256", "sha1"])
@pytest.mark.parametrize("encryption", [{}, {"x_amz_server_side_encryption": "aws:kms"}])
def test_a_checksum_of_the_parts_checksums_is_recomputed(name: str, encryption: dict[str, str]) -> None:
    world = verify(kept(EQUAL, composites=[name], **encryption)).run()
    assert world.receipt.proofs == ((name,) if encryption else ("md5", name))
    assert world.warnings == []


def test_a_wrong_checksum_of_checksums_is_found_where_the_etag_proves_the_parts() -> None:
    store = kept(EQUAL)
    said = {"x-amz-checksum-crc32": composite_of("crc32", OTHER, EQUAL), "x-amz-checksum-type": "COMPOSITE"}
    store.objects[OBJECT].headers.update(said)
    assert "crc32 of the bytes is " in str(verify(store).run().error)
    assert "from its checksum of checksums" in str(verify(store).run().error)


def test_a_composite_etag_on_wrongly_guessed_parts_is_told_when_something_else_proves_the_object() -> None:
    store = kept((16, 20, 12, 12), ["crc64nvme"])
    world = verify(store).run()
    assert world.receipt.proofs == ("crc64nvme",)
    assert world.warnings == ["s3://bucket/key: not proven by its ETag: its parts may be other than guessed"]


def test_an_object_that_nothing_else_proves_fails_on_wrongly_guessed_parts() -> None:
    line = str(verify(kept((16, 20, 12, 12))).run().error)
    assert line == "verify s3://bucket/key: nothing that is stored with it proves it"


@pytest.mark.parametrize("digests", [[], ["crc64nvme"]])
def test_parts_that_no_habit_explains_are_asked_for_one_by_one(digests: list[str]) -> None:
    world = verify(kept(UNKNOWN, digests)).run()
    assert set(world.receipt.proofs) == {"md5", *digests} and world.warnings == []
    assert world.log.count("head_object") == 1 + len(UNKNOWN)


@pytest.mark.parametrize(("digests", "proofs"), [(["crc64nvme"], ("crc64nvme",)), ([], ())])
def test_parts_of_unknown_lengths_are_told(digests: list[str], proofs: tuple[str, ...]) -> None:
    refused = instead(error(501))
    world = verify(kept(UNKNOWN, digests)).on("head_object", honest, honest, refused)
    world.on("get_object", instead(error(501, "NotImplemented"))).run()
    why = "the digests of its parts could prove it, and their lengths are unknown"
    if proofs:
        assert world.receipt.proofs == proofs
        assert world.warnings == [f"s3://bucket/key: {why}"]
    else:
        assert str(world.error) == f"verify s3://bucket/key: {why}"


def test_parts_too_large_for_the_slots_are_told_with_the_option_that_would_check_them() -> None:
    store = Store()
    store.keep(DATA * 4000, cuts=(140_000, 100_000), digests=["crc64nvme"])
    world = verify(store, part_size=65_536, slots=2).run()
    assert world.receipt.proofs == ("crc64nvme",)
    assert "136.7 KiB do not fit the slots' memory of 128.0 KiB: use a larger --memory" in world.warnings[0]


def test_a_store_that_tells_nothing_of_parts_leaves_the_other_proofs() -> None:
    world = verify(kept(EQUAL, ["crc64nvme"]))
    world.on("head_object", honest, instead(error(501))).on(
        "get_object", instead(error(501, "NotImplemented"))
    )
    assert world.run().receipt.proofs == ("crc64nvme",)


def test_an_object_about_which_nothing_is_stored_fails() -> None:
    line = str(verify(kept(x_amz_server_side_encryption="aws:kms")).run().error)
    assert line == "verify s3://bucket/key: nothing that is stored with it could prove it"


def test_an_empty_object_is_checked() -> None:
    store = Store()
    store.keep(b"", digests=WHOLE)
    assert verify(store).run().receipt.proofs == ("md5", *WHOLE)


# --- a download ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("digests", "proofs"), [(("md5", "crc64nvme"), ("md5",)), (("crc64nvme",), ("crc32",))]
)
def test_a_download_is_proven_by_a_checksum_of_checksums_where_md5_is_left_out(
    digests: tuple[str, ...], proofs: tuple[str, ...]
) -> None:
    world = get(kept(EQUAL, composites=["crc32"]), digests=digests, sidecar=False).run()
    assert world.receipt.proofs == proofs
    assert world.delivered == DATA


def test_a_download_of_an_opaque_etag_is_proven_by_a_checksum_of_checksums() -> None:
    world = get(kept(EQUAL, composites=["sha256"], x_amz_server_side_encryption="aws:kms")).run()
    assert world.receipt.proofs == ("sha256",)
    assert "verifying by sha256 instead" in world.warnings[0]


def test_the_receipt_has_the_digests_that_were_computed() -> None:
    store = kept(EQUAL, ["crc64nvme"])
    store.keep_sidecar(DATA)
    assert get(store).run().receipt.digests == checksums.compute(("md5", "crc64nvme"), memoryview(DATA))


def test_a_key_too_long_for_a_sidecar_is_read_without_one() -> None:
    store = Store()
    target = replace(TARGET, key="k" * 1020)
    store.objects[f"/bucket/{target.key}"] = store.keep(DATA)
    world = get(store, target=target).run()
    assert world.receipt.proofs == ("md5",)
    assert "sidecar" not in world.log


@given(st.sampled_from([EQUAL, (), (60,)]), st.integers(0, 59), st.integers(1, 255))
def test_no_single_changed_byte_passes(cuts: tuple[int, ...], at: int, change: int) -> None:
    store = kept(cuts)
    data = bytearray(DATA)
    data[at] ^= change
    store.objects[OBJECT].data = bytes(data)
    assert verify(store).run().error
