"""Manifests: what a line means, and that what is wrong is told in one line that says where."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gof3r.engine.errors import UsageError
from gof3r.migrate import manifest
from gof3r.migrate.items import Item, LocalFile, S3Object
from gof3r.migrate.options import NONE, Options

A, B = S3Object("a", "x"), S3Object("b", "y")
ANY = Item(A, B)
GOOD = '{"source": "s3://a/x", "destination": "s3://b/y"}\n'
KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
NAMES = st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1, max_size=30)


def json_items(text: str | bytes) -> list[Item]:
    data = text.encode() if isinstance(text, str) else text
    return list(manifest.json_lines(io.BytesIO(data), "m", "/here"))


def csv_items(text: str | bytes) -> list[Item]:
    data = text.encode() if isinstance(text, str) else text
    return list(manifest.csv_lines(io.BytesIO(data), "m", "/here"))


# --- what a line means --------------------------------------------------------------


def test_a_line_of_json_is_an_item_with_its_options() -> None:
    line = {
        "source": "s3://a/x",
        "destination": "s3://b/y",
        "options": {
            "acl": "private",
            "header": ["x-amz-meta-a: 1;2", "Content-Type:text/csv"],
            "source-header": "x-amz-request-payer:requester",
            "checksum": "crc64nvme",
            "no-md5": True,
            "if-none-match": False,
            "partsize": "8MiB",
            "versionId": "v1",
        },
    }
    (item,) = json_items(json.dumps(line))
    assert item == Item(
        S3Object("a", "x", "v1"),
        B,
        Options(
            acl="private",
            headers=(("x-amz-meta-a", "1;2"), ("Content-Type", "text/csv")),
            source_headers=(("x-amz-request-payer", "requester"),),
            checksums=("crc64nvme",),
            md5=False,
            if_none_match=False,
            part_size=8 << 20,
        ),
    )


def test_the_same_in_csv() -> None:
    options = (
        "acl=private;header=x-amz-meta-a: 1\\;2; header=Content-Type:text/csv;checksum=crc64nvme;no-md5;"
        "if-none-match=false;partsize=8388608;source-header=x-amz-request-payer:requester;versionId=v\\\\1="
    )
    (item,) = csv_items(f"s3://a/x,s3://b/y,{options}\r\n")
    assert item.source == S3Object("a", "x", "v\\1=")
    assert item.options == Options(
        acl="private",
        headers=(("x-amz-meta-a", "1;2"), ("Content-Type", "text/csv")),
        source_headers=(("x-amz-request-payer", "requester"),),
        checksums=("crc64nvme",),
        md5=False,
        if_none_match=False,
        part_size=8 << 20,
    )


@pytest.mark.parametrize(
    "text",
    [
        "s3://a/x,s3://b/y",
        "source,destination\ns3://a/x,s3://b/y\n",
        "Source, Destination,OPTIONS\r\n\r\ns3://a/x,s3://b/y,\r\n",
        "\n\nsource,destination\ns3://a/x,s3://b/y\n",
        '"s3://a/x","s3://b/y"',
        "\ufeffsource,destination\ns3://a/x,s3://b/y",
    ],
)
def test_a_csv_may_have_a_line_of_names(text: str) -> None:
    assert csv_items(text) == [ANY]


def test_quotes_carry_what_a_csv_separates_by() -> None:
    (item,) = csv_items('"s3://a/x,""1""\n2",s3://b/y\n')
    assert item.source == S3Object("a", 'x,"1"\n2')


@pytest.mark.parametrize(
    "key", ["a//b", "../up", "/x", "x/", " x ", "ä/ö 1", "a\\b", "%2F+?#", "\u2028\x85", "s3://b/k"]
)
def test_keys_are_taken_as_they_are(key: str) -> None:
    assert json_items(json.dumps({"source": f"s3://a/{key}", "destination": "/f"}))[0].source == S3Object(
        "a", key
    )


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("f", "/here/f"),
        ("./a//b/./c", "/here/a/b/c"),
        ("/a/../b", "/a/../b"),
        ("./s3://x", "/here/s3:/x"),
        ("./-", "/here/-"),
        ("//a", "/a"),
        ("\udc80", "/here/\udc80"),
    ],
)
def test_paths_have_one_spelling(path: str, expected: str) -> None:
    (item,) = json_items(json.dumps({"source": path, "destination": "s3://b/y"}))
    assert item == Item(LocalFile(expected), B)


def test_names_that_are_not_utf8_are_files() -> None:
    (item,) = csv_items(b"/a/\xff,s3://b/y\n")
    assert item.source == LocalFile("/a/\udcff")


@given(st.lists(st.tuples(KEYS, NAMES), max_size=5))
def test_any_key_and_any_name_come_through_both_forms(pairs: list[tuple[str, str]]) -> None:
    expected = [
        Item(S3Object("a", key), LocalFile(f"/d/{name}")) for key, name in pairs if name not in ("..", ".")
    ]
    lines = [(str(item.source), str(item.destination)) for item in expected]
    text = "".join(json.dumps({"source": a, "destination": b}) + "\n" for a, b in lines)
    assert json_items(text) == expected
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows(lines)
    assert csv_items(out.getvalue()) == expected


# --- files --------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("text", [GOOD, "s3://a/x,s3://b/y\n", f"\ufeff\n {GOOD}"])
def test_a_file_says_by_itself_what_it_is_written_in(tmp_path: Path, text: str, packed: bool) -> None:
    path = tmp_path / "m"
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    assert list(manifest.read(str(path), "/")) == [ANY]


def test_an_empty_file_has_no_items(tmp_path: Path) -> None:
    (tmp_path / "m").touch()
    assert list(manifest.read(str(tmp_path / "m"), "/")) == []


def test_a_manifest_is_known_again_by_its_bytes(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("a"), other.write_text("b")
    assert manifest.fingerprint(str(one)) != manifest.fingerprint(str(other))
    other.write_text("a")
    assert manifest.fingerprint(str(one)) == manifest.fingerprint(str(other))


class Endless(io.RawIOBase):
    """A manifest without an end."""

    def __init__(self, piece: bytes) -> None:
        self._piece = piece

    def readable(self) -> bool:
        return True

    def readinto(self, room: bytearray) -> int:  # type: ignore[override]
        data = self._piece * (len(room) // len(self._piece))
        room[: len(data)] = data
        return len(data)


@pytest.mark.parametrize("reader", [manifest.csv_lines, manifest.json_lines])
def test_a_manifest_is_read_as_it_is_asked_for(reader: object) -> None:
    line = b"s3://a/x,s3://b/y\n" if reader is manifest.csv_lines else GOOD.encode()
    file = cast(BinaryIO, io.BufferedReader(Endless(line)))
    items: Iterator[Item] = reader(file, "m", "/")  # type: ignore[operator]
    assert list(islice(items, 1000)) == [ANY] * 1000


@pytest.mark.parametrize("piece", [b"x", b'"', b'"",', b"{"])
@pytest.mark.parametrize("reader", [manifest.csv_lines, manifest.json_lines])
def test_a_line_without_an_end_is_not_waited_for(reader: object, piece: bytes) -> None:
    file = cast(BinaryIO, io.BufferedReader(Endless(piece)))
    with pytest.raises(UsageError, match="m: line 1: expected at most 131072 bytes a line"):
        next(reader(file, "m", "/"))  # type: ignore[operator]


# --- what is wrong ------------------------------------------------------------------


def with_options(**options: object) -> str:
    given = {name.replace("_", "-"): value for name, value in options.items()}
    return json.dumps({"source": "s3://a/x", "destination": "s3://b/y", "options": given})


def to_file(**options: object) -> str:
    return with_options(**options).replace("s3://b/y", "/f")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("x", "expected a JSON object, got Expecting value"),
        ("[" * 100_000, "nested too deeply"),
        ("9" * 5000, ""),
        ("[]", "expected a JSON object, got '[]'"),
        ("{}", "source: expected a text, got none"),
        ('{"source": 1}', "source: expected a text, got 1"),
        ('{"source": "s3://a/x"}', "destination: expected a text, got none"),
        ('{"source": "s3://a/x", "source": "s3://a/y", "destination": "/f"}', "each name once"),
        ('{"source": "s3://a/x", "destination": "/f", "x": 1}', "destination, options, got 'x'"),
        ('{"source": "s3://a/x", "destination": ""}', "expected s3://BUCKET/KEY or a file's path, got ''"),
        ('{"source": "s3://a/x", "destination": "/f/"}', "names a directory"),
        ('{"source": "s3://a/x", "destination": "-"}', "a stream"),
        ('{"source": "s3://a/x", "destination": "S3://b/y"}', "scheme is unknown"),
        ('{"source": "https://a/x", "destination": "s3://b/y"}', "scheme is unknown"),
        ('{"source": "s3://a/x", "destination": "/f\\u0000"}', "NUL"),
        ('{"source": "s3://a/x", "destination": "/\\ud800"}', "no file can have such a name"),
        ('{"source": "s3://a", "destination": "/f"}', "the key is missing"),
        ('{"source": "s3:///x", "destination": "/f"}', "the bucket is missing"),
        ('{"source": "s3://a/\\udc80", "destination": "/f"}', "S3's names are UTF-8"),
        (json.dumps({"source": "s3://a/" + "x" * 1025, "destination": "/f"}), "S3 allows 1024"),
        ('{"source": "/a", "destination": "/f"}', "got two files"),
        ('{"source": "/a", "destination": "s3://b/y", "options": {"versionId": "1"}}', "got a file"),
        ('{"source": "/a", "destination": "s3://b/y", "options": {"source-header": "a:b"}}', "got a file"),
        ('{"source": "s3://a/x", "destination": "/f", "options": {"acl": "private"}}', "got a file"),
        ('{"source": "s3://a/x", "destination": "/f", "options": {"if-none-match": true}}', "got a file"),
        ('{"source": "s3://a/x", "destination": "/f", "options": {"partsize": 1}}', "at least 16384 bytes"),
        (to_file(header="x-amz-meta-a:b"), "nothing is stored"),
        ('{"source": "s3://a/x", "destination": "/f", "options": []}', "expected an object"),
        ('{"source": "s3://a/x", "destination": "/f", "options": null}', "expected an object"),
        (with_options(retries="3"), "got 'retries'"),
        (with_options(acl=1), "option 'acl': expected a text, got 1"),
        (with_options(acl=""), "option 'acl': expected a text, got an empty one"),
        (with_options(acl="a\nb"), "control characters"),
        (with_options(versionId=""), "option 'versionId'"),
        (with_options(no_md5="yes"), "option 'no-md5': expected true or false, got 'yes'"),
        (with_options(header={"a": "b"}), "option 'header': expected NAME:VALUE or a list"),
        (with_options(header="nothing"), "no colon"),
        (with_options(header=["a:b", "A:c"]), "given twice"),
        (with_options(header="Content-MD5:x"), "gof3r decides"),
        (with_options(source_header="x-amz-meta-a:b"), "nothing is stored"),
        (with_options(header="x-amz-server-side-encryption-customer-key:secret"), "no key of SSE-C"),
        (with_options(checksum="md4"), "'md4' is none of md5, crc64nvme"),
        (with_options(partsize="many"), "not a size"),
        (with_options(partsize=0), "at least one byte"),
        (with_options(partsize=True), "option 'partsize'"),
        (with_options(partsize=1.5), "option 'partsize'"),
    ],
)
def test_what_is_wrong_with_a_line_of_json_is_told_with_its_number(line: str, why: str) -> None:
    with pytest.raises(UsageError) as found:
        json_items(f"{GOOD}\n{line}\n")
    said = str(found.value)
    assert said.startswith("m: line 3: ") and why in said and said.isprintable() and len(said) <= 300
    assert "secret" not in said


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("s3://a/x", "expected source,destination[,options], got 1 columns"),
        ("s3://a/x,/f,no-md5,no-md5", "got 4 columns"),
        ("source,destination", "got two files"),
        ('"s3://a/x,/f', "expected CSV, got unexpected end"),
        ('"s3://a/x"x,/f', "expected CSV"),
        ("s3://a/x,/f\0", "NUL"),
        ("s3://a/x,s3://b/y,acl", "expected NAME=VALUE;NAME=VALUE, got 'acl'"),
        ("s3://a/x,s3://b/y,acl=private;", "got ''"),
        ("s3://a/x,s3://b/y,acl=a;acl=b", "option 'acl': expected it once"),
        ("s3://a/x,s3://b/y,no-md5;no-md5", "option 'no-md5': expected it once"),
        ("s3://a/x,s3://b/y,acl=", "an empty one"),
        ("s3://a/x,s3://b/y,no-md5=yes", "expected true or false, got 'yes'"),
        ("s3://a/x,s3://b/y,acl=a\\b", "after a backslash, got"),
        ("s3://a/x,s3://b/y,acl=a\\", "after a backslash, got"),
        ("s3://a/x,s3://b/y,x=y", "got 'x'"),
    ],
)
def test_what_is_wrong_with_a_line_of_csv_is_told_with_its_number(text: str, why: str) -> None:
    with pytest.raises(UsageError) as found:
        csv_items(f's3://a/x,"s3://b/1\n2"\n{text}')
    said = str(found.value)
    assert said.startswith("m: line 3: ") and why in said and said.isprintable()


@pytest.mark.parametrize("reader", [csv_items, json_items])
def test_another_encoding_is_named(reader: object) -> None:
    with pytest.raises(UsageError, match="line 1: expected UTF-8, got UTF-16"):
        reader("s3://a/x,s3://b/y\n".encode("utf-16"))  # type: ignore[operator]


@pytest.mark.parametrize(
    "data",
    [b"\x1f\x8bnot at all", gzip.compress(b"s3://a/x,s3://b/y\n" * 9, mtime=0)[:-9]],
    ids=["foreign", "cut"],
)
def test_gzip_that_is_damaged_is_told(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "m.gz"
    path.write_bytes(data)
    with pytest.raises(UsageError, match="m.gz: line [0-9]+: cannot be read: "):
        list(manifest.read(str(path), "/"))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    for name in ("none", "."):
        with pytest.raises(UsageError, match="cannot be read"):
            list(manifest.read(str(tmp_path / name), "/"))
        with pytest.raises(UsageError, match="cannot be read"):
            manifest.fingerprint(str(tmp_path / name))


TEXTS = (
    st.binary()
    | st.text().map(str.encode)
    | st.builds(
        lambda at, extra: GOOD.encode()[:at] + extra + GOOD.encode()[at:],
        st.integers(0, len(GOOD)),
        st.binary(max_size=3),
    )
)


@given(TEXTS)
def test_any_bytes_are_items_or_one_line(data: bytes) -> None:
    for reader in (csv_items, json_items):
        try:
            for item in reader(data):
                assert item.options == NONE or item.options
        except UsageError as error:
            assert str(error).startswith("m: line ") and str(error).isprintable()
