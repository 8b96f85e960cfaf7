"""From listed names to items: keys as they are, paths only where they name a file, and that one alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gof3r.engine.errors import UsageError
from gof3r.migrate import folder
from gof3r.migrate.items import UNKNOWN, Identity, Item, LocalFile, S3Object
from gof3r.migrate.mapping import mapping, no_path
from gof3r.migrate.options import Options

BETWEEN = mapping("s3://a/p", "s3://b/q/", "/here")
DOWN = mapping("s3://a/p/", "out", "/here")
UP = mapping("/data/", "s3://b", "/here")
KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
HOSTILE = st.lists(
    st.sampled_from(["..", ".", "", "/", "a", "\0", "ä" * 100, "b" * 255, "~", "..."]), max_size=6
).map("/".join)


@pytest.mark.parametrize(
    ("source", "destination", "name", "expected"),
    [
        ("s3://a/p", "s3://b/q", "x/y", ("s3://a/p/x/y", "s3://b/q/x/y")),
        ("s3://a/p/", "s3://b/q/", "x", ("s3://a/p/x", "s3://b/q/x")),
        ("s3://a", "s3://b", "x", ("s3://a/x", "s3://b/x")),
        ("s3://a/", "s3://b/q", "/x", ("s3://a//x", "s3://b/q//x")),
        ("s3://a/p//", "s3://b/q", "../x", ("s3://a/p//../x", "s3://b/q/../x")),
        ("s3://a/p", "out", "x/y", ("s3://a/p/x/y", "/here/out/x/y")),
        ("s3://a/p", "/", "x", ("s3://a/p/x", "/x")),
        ("data", "s3://b/q", "x/ y", ("/here/data/x/ y", "s3://b/q/x/ y")),
        (".", "s3://b", "x", ("/here/x", "s3://b/x")),
    ],
)
def test_what_is_under_one_folder_goes_to_the_same_name_under_the_other(
    source: str, destination: str, name: str, expected: tuple[str, str]
) -> None:
    item = mapping(source, destination, "/here").item(name)
    assert (str(item.source), str(item.destination), item.refused) == (*expected, "")


def test_an_item_has_what_was_listed_of_it() -> None:
    known, options = Identity(3, "etag"), Options(acl="private")
    item = mapping("s3://a/p", "s3://b/q", "/", options).item("x", known, "v1")
    assert item == Item(S3Object("a", "p/x", "v1"), S3Object("b", "q/x"), options, known)


def test_a_prefix_is_a_folder() -> None:
    names = {"p/x": "x", "p/": "", "p": None, "p2/x": None, "q/p/x": None}
    assert {key: BETWEEN.name_of(key) for key in names} == names


@pytest.mark.parametrize(
    ("source", "destination", "why"),
    [
        ("a", "b", "got two directories"),
        ("", "s3://b", "--from: expected"),
        ("s3://a", "", "--to: expected"),
        ("s3://", "b", "not a bucket's URL"),
        ("gs://a", "s3://b", "--from: expected"),
        ("a\0", "s3://b", "--from: expected"),
        ("s3://a", "\ud800", "--to: expected"),
        ("s3://a/\udc80", "b", "UTF-8"),
    ],
)
def test_folders_that_are_none_are_told(source: str, destination: str, why: str) -> None:
    with pytest.raises(UsageError) as found:
        mapping(source, destination, "/here")
    assert why in str(found.value) and str(found.value).isprintable()


def test_options_are_checked_against_both_ends() -> None:
    with pytest.raises(UsageError, match="acl"):
        mapping("s3://a", "b", "/", Options(acl="private"))


@pytest.mark.parametrize(
    ("source", "destination", "nested"),
    [
        ("s3://a/p", "s3://a/p", True),
        ("s3://a", "s3://a/copy", True),
        ("s3://a/p", "s3://a/p2", False),
        ("s3://a/p", "s3://a", False),
        ("s3://a", "s3://b", False),
        ("s3://a", "b", False),
    ],
)
def test_a_destination_within_the_source_is_seen(source: str, destination: str, nested: bool) -> None:
    assert mapping(source, destination, "/").is_nested is nested


# --- names that cannot be -----------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "it is empty"),
        ("/etc/passwd", "it begins with a slash"),
        ("a/", "it ends in a slash"),
        ("a//b", "a piece of it is empty"),
        ("..", "a piece of it is . or .."),
        ("../x", "a piece of it is . or .."),
        ("a/../../x", "a piece of it is . or .."),
        ("a/./b", "a piece of it is . or .."),
        ("a\0b", "it has a NUL"),
        ("a/" + "b" * 256, "256 bytes, and a file's name at most 255"),
        ("ä" * 128, "256 bytes"),
        ("/".join(["a" * 200] * 21), "a path at most 4095"),
    ],
)
def test_a_key_that_is_no_path_is_refused_as_its_own_failure(name: str, why: str) -> None:
    item = DOWN.item(name)
    assert why in item.refused and item.refused.isprintable() and item.source == S3Object("a", f"p/{name}")


@pytest.mark.parametrize("name", ["a", "a/b", "...", "..a", " ", "~", "-", "a\nb", "\\", "b" * 255])
def test_all_other_names_are_files(name: str) -> None:
    assert DOWN.item(name) == Item(S3Object("a", f"p/{name}"), LocalFile(f"/here/out/{name}"))


@pytest.mark.parametrize(
    ("name", "why"), [("x" * 1023, "S3 allows 1024"), ("\udcff", "S3's names are UTF-8")]
)
def test_a_name_that_is_no_key_is_refused_as_its_own_failure(name: str, why: str) -> None:
    assert why in mapping("/data", "s3://b/q/", "/").item(name).refused
    assert mapping("/data", "s3://b", "/").item("x" * 1023).refused == ""


def test_an_empty_key_is_refused() -> None:
    assert "the key is empty" in mapping("s3://a/p", "s3://b", "/").item("").refused


@given(KEYS | HOSTILE)
def test_no_key_leaves_the_folder_and_no_two_meet_in_one_file(name: str) -> None:
    item = DOWN.item(name)
    path = str(item.destination)
    if not item.refused:
        assert os.path.normpath(path) == path == f"/here/out/{name}"
        assert path.startswith("/here/out/") and len(os.fsencode(path)) <= 4095


@given(KEYS | HOSTILE)
def test_between_buckets_the_name_is_all_that_is_added(name: str) -> None:
    item = BETWEEN.item(name)
    assert (item.source, item.destination) == (S3Object("a", f"p/{name}"), S3Object("b", f"q/{name}"))
    assert BETWEEN.name_of(f"p/{name}") == name
    assert item.known == UNKNOWN


# --- what the disk has in the way ---------------------------------------------------


def obstacle(root: Path, name: str) -> str:
    assert not no_path(str(root), name)
    return folder.obstacle(str(root), f"{root}/{name}")


def test_nothing_is_in_the_way_of_new_files_and_of_old_ones(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/old").touch()
    for name in ("new", "d/new", "d/old", "e/f/new"):
        assert obstacle(tmp_path, name) == ""
    assert obstacle(tmp_path / "none", "a/b") == ""


def test_a_directory_a_file_and_a_pipe_are_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "d/e").mkdir(parents=True)
    (tmp_path / "f").touch()
    os.mkfifo(tmp_path / "p")
    assert "is a directory already" in obstacle(tmp_path, "d")
    assert "is a directory already" in obstacle(tmp_path, "d/e")
    assert "is a file, and would have to be a directory" in obstacle(tmp_path, "f/x")
    assert "no regular file" in obstacle(tmp_path, "p")


def test_links_may_lead_anywhere_within(tmp_path: Path) -> None:
    out, root = tmp_path / "out", tmp_path / "root"
    out.mkdir()
    (root / "d").mkdir(parents=True)
    (root / "within").symlink_to("d")
    (root / "away").symlink_to(out)
    (root / "file").symlink_to(out / "x")
    (root / "dangling").symlink_to("none")
    (tmp_path / "also").symlink_to(root)
    assert obstacle(root, "within/x") == obstacle(tmp_path / "also", "d/x") == ""
    assert "leads out of" in obstacle(root, "away/x")
    assert "leads out of" in obstacle(root, "away/deep/x")
    assert "leads out of" in obstacle(root, "file")
    assert "is a file, and would have to be" in obstacle(root, "dangling/x")


def test_a_name_that_the_disk_does_not_take_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "d").mkdir()
    assert "File name too long" in folder.obstacle(str(tmp_path), f"{tmp_path}/d/{'x' * 256}")
    monkeypatch.setattr(os, "pathconf", lambda path, name: 143)  # as eCryptfs
    assert "144 bytes, and here one has at most 143" in obstacle(tmp_path, f"new/{'x' * 144}")
    assert obstacle(tmp_path, f"new/{'x' * 143}") == ""
