"""S3 Inventories, as S3 delivers them and as anybody might."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Sequence
from hashlib import md5
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gof3r.engine.errors import UsageError
from gof3r.migrate import inventory
from gof3r.migrate.items import Identity, Item, S3Object
from gof3r.migrate.mapping import Mapping, mapping

SCHEMA = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass"
MAPPING = mapping("s3://src/p", "s3://dst/q", "/")
ROWS = [
    ("src", "p/a", "v1", "true", "false", "10", "2026-01-01T00:00:00.000Z", "e1", "STANDARD"),
    ("src", "p/a", "v0", "false", "false", "9", "2025-01-01T00:00:00.000Z", "e0", "STANDARD"),
    ("src", "p/gone", "v2", "true", "true", "", "2026-01-01T00:00:00.000Z", "", ""),
    (
        "src",
        "p/b+c%2Bd%2F%C3%A4%22",
        "",
        "true",
        "false",
        "0",
        "2026-01-01T00:00:00.000Z",
        '"e-2"',
        "GLACIER",
    ),
    ("src", "other/x", "v3", "true", "false", "1", "2026-01-01T00:00:00.000Z", "e3", "STANDARD"),
]
ITEMS = [
    Item(S3Object("src", "p/a", "v1"), S3Object("dst", "q/a"), known=Identity(10, "e1", "v1")),
    Item(S3Object("src", 'p/b c+d/ä"'), S3Object("dst", 'q/b c+d/ä"'), known=Identity(0, "e-2")),
]


def csv(rows: Sequence[tuple[str, ...]]) -> bytes:
    return "".join(
        ",".join(f'"{column.replace(chr(34), chr(34) * 2)}"' for column in row) + "\n" for row in rows
    ).encode()


def document(data: bytes = b"", **changes: object) -> str:
    found: dict[str, object] = {
        "sourceBucket": "src",
        "destinationBucket": "arn:aws:s3:::inventories",
        "version": "2016-11-30",
        "creationTimestamp": "1764000000000",
        "fileFormat": "CSV",
        "fileSchema": SCHEMA,
        "files": [{"key": "x/data/1.csv.gz", "size": len(data), "MD5checksum": md5(data).hexdigest()}],
    }
    return json.dumps({name: value for name, value in (found | changes).items() if value is not None})


def listed(rows: Sequence[tuple[str, ...]], schema: str = SCHEMA, to: Mapping = MAPPING) -> list[Item]:
    found = inventory.from_json(document(fileSchema=schema), "m")
    return list(inventory.listed(io.BytesIO(csv(rows)), "1.csv", found, to))


@pytest.mark.parametrize("place", ["2026-11-01T00-00Z/1.csv.gz", "data/1.csv.gz"])
def test_what_a_reader_of_the_bucket_would_see_is_carried_over(tmp_path: Path, place: str) -> None:
    data = gzip.compress(csv(ROWS))
    for folder in ("2026-11-01T00-00Z", "data"):
        (tmp_path / folder).mkdir()
    (tmp_path / place).write_bytes(data)
    path = tmp_path / "2026-11-01T00-00Z/manifest.json"
    path.write_text(document(data))
    assert list(inventory.items(str(path), MAPPING)) == ITEMS


def test_two_columns_are_enough() -> None:
    assert listed([("src", "p/a")], "Bucket, Key") == [Item(S3Object("src", "p/a"), S3Object("dst", "q/a"))]


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30))
def test_any_key_comes_through(key: str) -> None:
    from urllib.parse import quote_plus

    (item,) = listed([("src", quote_plus("p/" + key))], "Bucket,Key")
    assert item.source == S3Object("src", "p/" + key)


def test_a_key_that_is_no_utf8_fails_alone() -> None:
    assert "UTF-8" in listed([("src", "p/%FF")], "Bucket,Key")[0].refused


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (("src", "p/a"), "expected 9 columns by fileSchema, got 2"),
        (("other", *ROWS[0][1:]), "expected bucket src, got 'other'"),
        ((*ROWS[0][:5], "ten", *ROWS[0][6:]), "Size: expected bytes, got 'ten'"),
        ((*ROWS[0][:5], "-1", *ROWS[0][6:]), "Size: expected bytes, got '-1'"),
    ],
)
def test_what_is_wrong_with_a_row_is_told_with_its_number(row: tuple[str, ...], why: str) -> None:
    with pytest.raises(UsageError) as found:
        listed([ROWS[0], row])
    assert str(found.value) == f"1.csv: line 2: {why}"


def test_an_inventory_of_another_bucket_is_told() -> None:
    with pytest.raises(UsageError, match="expected an inventory of a, got one of src"):
        listed([], to=mapping("s3://a", "s3://b", "/"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("[]", "no object"),
        (document(fileFormat="ORC"), "fileFormat: expected CSV, got 'ORC'"),
        (document(fileSchema=None), "fileSchema is missing"),
        (document(fileSchema="Bucket, Size"), "expected a column Key, got Bucket, Size"),
        (document(fileSchema="Bucket, Key, Key"), "expected each column once"),
        (document(files={}), "files: no list"),
        (document(files=[{"key": "x"}]), "files: 1.: MD5checksum is missing"),
        (document(files=[{"key": "x", "MD5checksum": "0"}]), "no md5 in hex"),
        (document(sourceBucket=1), "sourceBucket: no text"),
    ],
)
def test_a_document_that_is_none_is_told(text: str, why: str) -> None:
    with pytest.raises(UsageError) as found:
        inventory.from_json(text, "m.json")
    assert str(found.value).startswith("m.json is no manifest.json of an S3 Inventory: ")
    assert why in str(found.value) and str(found.value).isprintable()


def test_files_that_are_missing_or_other_are_told(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    with pytest.raises(UsageError, match="cannot be read"):
        list(inventory.items(str(path), MAPPING))
    path.write_bytes(b"\xff")
    with pytest.raises(UsageError, match="expected UTF-8"):
        list(inventory.items(str(path), MAPPING))
    for key in ("x/1.csv", "..", "", "a\0"):
        path.write_text(document(files=[{"key": key, "MD5checksum": "0" * 32}]))
        with pytest.raises(UsageError, match="got none"):
            list(inventory.items(str(path), MAPPING))
    (tmp_path / "1.csv").write_bytes(csv(ROWS))
    path.write_text(document(files=[{"key": "x/1.csv", "MD5checksum": "0" * 32}]))
    with pytest.raises(UsageError, match="1.csv: expected md5 0+ by its manifest.json, got [0-9a-f]+"):
        list(inventory.items(str(path), MAPPING))
