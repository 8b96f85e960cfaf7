"""Whether two places are two: what names say, and files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gof3r.migrate.apart import as_file, files_not_to_delete, inode_of, is_plain
from gof3r.migrate.items import UNKNOWN, Item, LocalFile, S3Object
from gof3r.migrate.journal import Journal
from gof3r.migrate.states import Done, Failed, State


@pytest.mark.parametrize(
    ("key", "plain"),
    [("a", True), ("a/b", True), ("a.b/..c", True), ("/a", False), ("a//b", False), ("a/", False)]
    + [("./a", False), ("a/../b", False)],
)
def test_a_plain_key_is_a_paths_only_spelling(key: str, plain: bool) -> None:
    assert is_plain(key) is plain


@pytest.mark.parametrize(
    ("one", "other"),
    [("a/b", "a//b"), ("a/b", "/a/./b"), ("A/b", "a/B"), ("a/c/../b", "a/b"), ("e\u0301", "é"), ("ß", "SS")],
)
def test_keys_that_some_file_system_takes_for_one(one: str, other: str) -> None:
    assert as_file(one) == as_file(other)


def test_other_keys_are_others() -> None:
    assert len({as_file(key) for key in ("a", "b", "a/b", "ab", "a b", "..", "a.")}) == 7


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(str(tmp_path / "journal"), "work")
    journal.begin()
    yield journal
    journal.close()


def file_at(path: Path) -> LocalFile:
    path.write_bytes(b"")
    return LocalFile(str(path))


def test_files_that_are_needed_or_written_are_known_by_their_inodes(journal: Journal, tmp_path: Path) -> None:
    names = ("done", "todo", "failed", "written", "other")
    done, todo, failed, written, other = (file_at(tmp_path / name) for name in names)
    items = [Item(place, S3Object("b", str(place))) for place in (done, todo, failed)]
    journal.add([*items, Item(S3Object("b", "k"), written)], current=False)
    numbers = {str(entry.item.source): entry.id for entry in journal.entries(State.TODO)}
    assert files_not_to_delete(journal, ()) == frozenset(), "nothing is done"
    journal.done([Done(numbers[str(done)], 0, UNKNOWN), Done(numbers["s3://b/k"], 1, UNKNOWN)], 2)
    journal.failed([Failed(numbers[str(failed)], "x", "y")])
    expected = {inode_of(place.path) for place in (todo, failed, written, other)}
    assert files_not_to_delete(journal, [other.path, "s3://b/k"]) == expected
    assert inode_of(str(tmp_path / "none")) is None


def test_one_of_each_bucket(journal: Journal) -> None:
    items = [
        Item(S3Object("a", "1"), S3Object("c", "1")),
        Item(S3Object("a", "2"), LocalFile("/x/2")),
        Item(S3Object("ab", "3"), S3Object("d", "3")),
        Item(LocalFile("/x/4"), S3Object("c", "4")),
        Item(LocalFile("/y/5"), S3Object("c", "5")),
    ]
    journal.add(items, current=False)
    assert [str(entry.item.source) for entry in journal.buckets("source", State.TODO)] == [
        "s3://a/1",
        "s3://ab/3",
        "/x/4",
    ]
    assert [str(entry.item.destination) for entry in journal.buckets("destination", *State)] == [
        "s3://c/1",
        "/x/2",
        "s3://d/3",
    ]
    assert journal.buckets("source", State.DONE, State.DELETED) == []
    assert [entry.item for entry in journal.sharing("s3://a/2")] == [replace(items[1])]
