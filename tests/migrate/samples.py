"""Items and receipts to test with: some as they are, and any that can be."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from gof3r.fields import LARGEST, LAST_SECOND
from gof3r.migrate.items import UNKNOWN, Identity, Item, LocalFile, Place, S3Object
from gof3r.migrate.receipts import Receipt

RECEIPT = Receipt(
    source=S3Object("a", "x", "v1"),
    destination=S3Object("b", "y"),
    size=3,
    source_etag="0123-2",
    etag="0123-2",
    version_id="v2",
    crc64nvme="AAAAAAAAAAE=",
    md5="0" * 32,
    verified=("md5", "crc64nvme"),
    retries={"SlowDown": 2},
    seconds=0.25,
    when=1_764_000_000.5,
)


def item(number: int, size: int | None = 1, etag: str = "e", bucket: str = "src") -> Item:
    known = UNKNOWN if size is None else Identity(size, etag)
    return Item(S3Object(bucket, f"key {number}"), S3Object("dst", f"key {number}"), known=known)


def receipt_of(one: Item) -> Receipt:
    return replace(
        RECEIPT,
        source=one.source,
        destination=one.destination,
        size=one.known.size or 0,
        source_etag=one.known.etag,
    )


# --- any ----------------------------------------------------------------------------

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
BYTES = st.binary(min_size=1, max_size=10).filter(lambda raw: b"\0" not in raw and b"/" not in raw)
FILES = BYTES.map(lambda raw: raw.decode(errors="surrogateescape")).filter(lambda name: name != ".")
KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=10)
OBJECTS = st.builds(S3Object, st.sampled_from(["a", "b.c"]), KEYS, TEXTS)
PLACES: st.SearchStrategy[Place] = OBJECTS | FILES.map(lambda name: LocalFile(f"/d/{name}"))
NANOSECONDS = st.none() | st.integers(-(2**63), 2**63 - 1)
RECEIPTS = st.builds(
    Receipt,
    source=PLACES,
    destination=PLACES.map(
        lambda place: place if isinstance(place, LocalFile) else replace(place, version_id="")
    ),
    size=st.integers(0, LARGEST),
    source_etag=TEXTS,
    source_mtime_ns=NANOSECONDS,
    etag=TEXTS,
    version_id=TEXTS,
    crc64nvme=st.sampled_from(["", "AAAAAAAAAAE="]),
    md5=st.sampled_from(["", "f" * 32]),
    verified=st.lists(TEXTS, max_size=2).map(tuple),
    retries=st.dictionaries(TEXTS, st.integers(0, 10), max_size=2),
    seconds=st.floats(0, LARGEST),
    when=st.floats(0, LAST_SECOND),
    supersedes=st.none() | st.integers(0, LARGEST),
)
