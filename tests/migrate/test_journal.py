"""The journal: each item in one state, known again by its destination, in any run."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from gof3r.engine.errors import Gof3rError, UsageError
from gof3r.engine.values import Begun
from gof3r.migrate.items import UNKNOWN, Identity, Item, LocalFile, S3Object
from gof3r.migrate.journal import Journal
from gof3r.migrate.mapping import mapping
from gof3r.migrate.options import Options
from gof3r.migrate.states import TWICE, Cause, Done, Duplicate, Failed, Left, State, Total, left
from tests.migrate.samples import TEXTS, item


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(str(tmp_path / "j"), "work")
    journal.begin()
    yield journal
    journal.close()


def states(journal: Journal) -> dict[State, int]:
    """How many items are in each, told twice: by the counters and by the items."""
    counted = {state: total.items for state, total in journal.totals().items() if total.items}
    assert counted == {state: len(found) for state in State if (found := journal.entries(state))}
    for state, total in journal.totals().items():
        sizes = [entry.item.known.size for entry in journal.entries(state)]
        assert total == Total(len(sizes), sum(size or 0 for size in sizes), sizes.count(None))
    return counted


def finish(journal: Journal, one: Item, receipt: int = 0) -> None:
    entry = journal.entry(str(one.destination))
    assert entry is not None
    journal.done([Done(entry.id, receipt, one.known)], receipt + 1)


# --- adding -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "one",
    [
        item(1),
        item(2, None),
        Item(
            LocalFile("/a\udcff\n"), S3Object("b", "ä\0 "), Options(acl="private"), Identity(0, mtime_ns=-5)
        ),
        Item(
            S3Object("a", "x", "v"),
            LocalFile("/s3://x"),
            Options("", (("a", "b"),), (("c", "d"),), ("md5",), False, True, 9),
            Identity(1, "e", "v"),
        ),
        Item(S3Object("a", "x"), S3Object("b", "y"), Options(md5=True, if_none_match=False)),
    ],
)
def test_an_item_comes_back_as_it_was(journal: Journal, one: Item) -> None:
    assert journal.add([one], current=True) == []
    (entry,) = journal.take(10)
    assert (entry.item, entry.attempts, entry.left, entry.receipt) == (one, 0, None, None)
    assert journal.entry(str(one.destination)) == entry == journal.by_number(entry.id)


def test_what_sqlite_has_no_text_for_is_kept_all_the_same(journal: Journal) -> None:
    journal.add([item(1, etag="\ud800"), replace(item(2), refused="\udc80")], current=True)
    journal.failed([Failed(1, "\udcff", "\udcff")])
    assert [cause.text for cause in journal.causes()] == ["\\udcff", "\\udc80"]


def test_what_is_refused_has_failed(journal: Journal) -> None:
    down = mapping("s3://src", "/d", "/")
    journal.add([down.item("a//b", Identity(5, "e")), down.item("a/b", Identity(7, "e"))], current=True)
    assert states(journal) == {State.FAILED: 1, State.TODO: 1}
    (cause,) = journal.causes()
    assert (cause.cause, cause.items, cause.bytes) == ("refused", 1, 5) and "a//b" in cause.text


def test_the_next_run_finds_what_was_added(journal: Journal) -> None:
    first = [item(number) for number in range(5)]
    journal.add(first, current=True)
    finish(journal, first[0])
    journal.take(2)
    journal.failed([Failed(journal.entries(State.TODO)[0].id, "x", "y")])
    journal.begin()
    assert states(journal) == {State.DONE: 1, State.TODO: 4}
    assert journal.add([*first, item(5)], current=True) == []
    assert states(journal) == {State.DONE: 1, State.TODO: 5}
    assert sum(entry.attempts for entry in journal.entries(State.TODO)) == 1


IDENTITIES = st.builds(
    Identity,
    st.none() | st.integers(0, 1),
    st.sampled_from(["", "a", "b"]),
    st.sampled_from(["", "a", "b"]),
    st.none() | st.integers(0, 1),
)


@given(st.lists(st.tuples(IDENTITIES, IDENTITIES), min_size=1, max_size=30))
@settings(max_examples=60)
def test_a_source_that_has_changed_since_is_done_again(pairs: list[tuple[Identity, Identity]]) -> None:
    with TemporaryDirectory() as folder, closing(Journal(f"{folder}/j", "work")) as journal:
        journal.begin()
        old = [replace(item(number), known=then) for number, (then, _) in enumerate(pairs)]
        journal.add(old, current=True)
        for one in old:
            finish(journal, one)
        journal.begin()
        journal.add([replace(item(number), known=now) for number, (_, now) in enumerate(pairs)], current=True)
        for number, (then, now) in enumerate(pairs):
            entry = journal.entry(f"s3://dst/key {number}")
            assert entry is not None
            assert entry.state is (State.DONE if then.is_still(now) else State.TODO), (then, now)
        states(journal)


@pytest.mark.parametrize(
    ("then", "now", "same"),
    [
        (Identity(1, "a"), Identity(1, "a"), True),
        (Identity(1, "a", "v1"), Identity(1, "a"), True),
        (Identity(1, "a"), Identity(1, "b"), False),
        (Identity(1, "a"), Identity(2, "a"), False),
        (Identity(1, "a", "v1"), Identity(1, "a", "v2"), False),
        (Identity(1, mtime_ns=5), Identity(1, mtime_ns=5), True),
        (Identity(1, mtime_ns=5), Identity(1, mtime_ns=6), False),
        (Identity(1), Identity(1), False),
        (Identity(1, "a"), Identity(1, mtime_ns=5), False),
        (UNKNOWN, UNKNOWN, False),
    ],
)
def test_what_cannot_be_told_has_changed(then: Identity, now: Identity, same: bool) -> None:
    assert then.is_still(now) is now.is_still(then) is same


def test_an_inventory_knows_nothing_of_changes(journal: Journal) -> None:
    one = item(1, 5, "then")
    journal.add([one], current=False)
    finish(journal, replace(one, known=Identity(6, "when it was read", "v")))
    journal.begin()
    journal.add([one], current=False)
    assert states(journal) == {State.DONE: 1}
    other = replace(one, options=Options(acl="private"))
    journal.begin()
    journal.add([other], current=False)
    assert states(journal) == {State.TODO: 1}


def test_what_is_deleted_is_over_until_a_listing_has_it_again(journal: Journal) -> None:
    some = [item(number, 5) for number in range(3)]
    journal.add(some, current=True)
    finish(journal, some[0])
    finish(journal, some[1])
    numbers = [entry.id for entry in journal.entries(State.DONE) + journal.entries(State.TODO)]
    journal.deleted(numbers)
    assert states(journal) == {State.DELETED: 2, State.TODO: 1}
    journal.failed([Failed(number, "x", "y") for number in numbers])
    journal.again(numbers)
    journal.release(numbers)
    assert states(journal) == {State.DELETED: 2, State.TODO: 1}
    journal.begin()
    journal.add([some[2]], current=True)
    journal.drop_unseen()
    assert states(journal) == {State.DELETED: 2, State.TODO: 1}
    journal.begin()
    journal.add(some, current=False)
    assert states(journal) == {State.DELETED: 2, State.TODO: 1}
    journal.begin()
    journal.add([*some, replace(some[2], source=S3Object("other", "k"))], current=False)
    assert states(journal) == {State.DELETED: 2, State.FAILED: 1}
    journal.begin()
    journal.add(some[1:], current=True)
    assert states(journal) == {State.DELETED: 1, State.TODO: 2}
    entry = journal.entry(str(some[1].destination))
    assert entry is not None and entry.receipt == 0, "which the next one supersedes"


def test_items_are_added_to_a_run(tmp_path: Path) -> None:
    with closing(Journal(str(tmp_path / "j"), "work")) as journal:
        with pytest.raises(ValueError, match="none is begun"):
            journal.add([item(1)], current=True)


@pytest.mark.parametrize("run", [1, 2])
@pytest.mark.parametrize("apart", [False, True])
def test_two_sources_for_one_destination_are_found_in_each_run(
    journal: Journal, run: int, apart: bool
) -> None:
    one, other = item(1), item(1, bucket="other")
    for _ in range(run):
        journal.begin()
        if apart:
            found = journal.add([one, item(2)], current=True) + journal.add([other, item(3)], current=True)
        else:
            found = journal.add([one, item(3), other, item(2)], current=True)
        assert found == [Duplicate("s3://dst/key 1", "s3://src/key 1", "s3://other/key 1")]
        assert states(journal) == {State.TODO: 2, State.FAILED: 1}
        assert [(cause.cause, cause.items) for cause in journal.causes()] == [(TWICE, 1)]


def test_a_duplicate_of_what_is_done_is_told_and_changes_nothing(journal: Journal) -> None:
    journal.add([item(1)], current=True)
    finish(journal, item(1))
    assert len(journal.add([item(1, bucket="other")], current=True)) == 1
    assert states(journal) == {State.DONE: 1}


def test_the_same_item_twice_is_one(journal: Journal) -> None:
    assert journal.add([item(1), item(1), item(2)], current=True) == []
    assert journal.add([item(1)], current=True) == []
    assert states(journal) == {State.TODO: 2}


def test_what_the_listing_has_no_more_is_dropped_unless_it_was_done_or_has_an_upload(
    journal: Journal,
) -> None:
    journal.add([item(number) for number in range(6)], current=True)
    finish(journal, item(5))
    journal.again([6])
    finish(journal, item(0))
    one = journal.entry("s3://dst/key 1")
    assert one is not None
    journal.uploading([(one.id, Left(1.0))])
    journal.begin()
    journal.add([item(4)], current=True)
    assert journal.drop_unseen() == 2
    assert states(journal) == {State.TODO: 3, State.DONE: 1}
    assert [entry.left for entry in journal.uploads()] == [Left(1.0)]


# --- taking -------------------------------------------------------------------------


def sizes(
    journal: Journal, count: int, most: int | None = None, below: int | None = None
) -> list[int | None]:
    return [entry.item.known.size for entry in journal.take(count, most=most, below=below)]


def test_the_largest_come_first_and_none_twice(journal: Journal) -> None:
    journal.add([item(number, size) for number, size in enumerate([5, None, 7, 7, 0, 2**40])], current=True)
    assert sizes(journal, 2) == [None, 2**40]
    journal.add([item(9, 6)], current=True)  # while others are taken
    assert sizes(journal, 3) == [7, 7, 6]
    assert states(journal) == {State.TODO: 2, State.UNDER_WAY: 5}
    assert sizes(journal, 9) == [5, 0]
    assert sizes(journal, 9) == []


def test_small_ones_can_be_packed_beside_large_ones(journal: Journal) -> None:
    journal.add([item(number, size) for number, size in enumerate([100, 30, 30, 30, 5, None])], current=True)
    assert sizes(journal, 9, most=65, below=100) == [30, 30]
    assert sizes(journal, 9, most=1, below=31) == [30]
    assert sizes(journal, 1) == [None]
    assert sizes(journal, 9, most=104) == [100]
    assert sizes(journal, 9, most=104) == [5]


def test_sizes_can_be_learned(journal: Journal) -> None:
    journal.add([item(1, None), item(2, None)], current=False)
    (first, second) = journal.entries(State.TODO)
    journal.learn([(first.id, Identity(1, "a")), (second.id, Identity(2, "b"))])
    assert states(journal) == {State.TODO: 2}
    assert sizes(journal, 2) == [2, 1]


# --- what becomes of them -----------------------------------------------------------


def test_failures_are_grouped_by_their_cause(journal: Journal) -> None:
    journal.add([item(number, number) for number in range(6)], current=True)
    entries = journal.take(6)
    journal.failed([Failed(entry.id, "SlowDown", f"{entry.item.source}: slow") for entry in entries[:3]])
    journal.failed([Failed(entries[3].id, "AccessDenied", "no")])
    assert journal.causes() == [
        Cause("SlowDown", 3, 5 + 4 + 3, "s3://src/key 3: slow"),
        Cause("AccessDenied", 1, 2, "no"),
    ]
    journal.release([entries[0].id])
    journal.take(1)
    journal.failed([Failed(entries[0].id, "AccessDenied", "again")])
    found = journal.by_number(entries[0].id)
    assert found is not None and found.attempts == 2
    assert states(journal) == {State.UNDER_WAY: 2, State.FAILED: 4}


def test_what_is_done_does_not_fail_any_more(journal: Journal) -> None:
    journal.add([item(1)], current=True)
    finish(journal, item(1))
    journal.failed([Failed(1, "late", "a lost machine's word")])
    assert states(journal) == {State.DONE: 1}


def test_who_is_given_up_late_does_not_have_its_work_done_twice(journal: Journal) -> None:
    journal.add([item(1)], current=True)
    (entry,) = journal.take(1)
    finish(journal, item(1))
    journal.release([entry.id])
    assert journal.take(1) == []
    journal.again([entry.id])
    assert [one.receipt for one in journal.take(1)] == [0]


def test_an_upload_is_remembered_until_its_item_is_done(journal: Journal) -> None:
    journal.add([item(1), item(2)], current=True)
    first, second = journal.take(2)
    journal.uploading([(first.id, one := Left(1.0, Begun("u1", "e-2", "ab")))])
    journal.uploading([(second.id, Left(2.0))])
    assert journal.uploads() == []  # somebody is at them
    journal.failed([Failed(first.id, "x", "y")])
    journal.begin()
    assert [(entry.left, entry.state) for entry in journal.uploads()] == [
        (one, State.TODO),
        (Left(2.0), State.TODO),
    ]
    journal.uploading([(second.id, None)])
    finish(journal, item(1))
    assert journal.uploads() == []


@given(st.integers(0, 2**40), st.none() | st.builds(Begun, TEXTS, TEXTS, TEXTS))
def test_an_upload_is_read_as_it_was_written(since: int, begun: Begun | None) -> None:
    one = Left(float(since), begun)
    assert left(str(one)) == one


def test_entries_come_page_by_page(journal: Journal) -> None:
    journal.add([item(number) for number in range(25)], current=True)
    found, after = [], 0
    while page := journal.entries(State.TODO, after=after, count=10):
        found += page
        after = page[-1].id
    assert len(found) == len({entry.id for entry in found}) == 25


class Model(RuleBasedStateMachine):
    """Any order of operations, beside a dictionary that does the same."""

    numbers = Bundle("numbers")
    taken = Bundle("taken")

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.journal = Journal(f"{self.folder.name}/j", "work")
        self.journal.begin()
        self.model: dict[int, State] = {}
        self.listed: set[int] = set()

    @rule(target=numbers, number=st.integers(0, 8), size=st.none() | st.integers(0, 9))
    def add(self, number: int, size: int | None) -> int:
        assert self.journal.add([item(number, size)], current=True) == []
        if number not in self.listed:
            self.listed.add(number)
            entry = self.entry(number)
            if self.model.get(number) is State.DONE:
                assert entry.state in (State.DONE, State.TODO)
            self.model[number] = entry.state
        return number

    @rule(target=taken, count=st.integers(1, 3))
    def take(self, count: int) -> list[int]:
        found = self.journal.take(count)
        assert len(found) == min(count, list(self.model.values()).count(State.TODO))
        numbers = [int(str(entry.item.destination).split()[-1]) for entry in found]
        for number in numbers:
            assert self.model[number] is State.TODO
            self.model[number] = State.UNDER_WAY
        return numbers

    @rule(taken=consumes(taken), good=st.booleans())
    def end(self, taken: list[int], good: bool) -> None:
        for number in taken:
            entry = self.entry(number)
            if good:
                self.journal.done([Done(entry.id, 0, entry.item.known)], 0)
                self.model[number] = State.DONE
            else:
                self.journal.failed([Failed(entry.id, "x", "y")])
                if self.model[number] is not State.DONE:
                    self.model[number] = State.FAILED

    @rule(number=numbers)
    def release(self, number: int) -> None:
        self.journal.release([self.entry(number).id])
        if self.model[number] is not State.DONE:
            self.model[number] = State.TODO

    @rule(number=numbers)
    def again(self, number: int) -> None:
        self.journal.again([self.entry(number).id])
        if self.model[number] is State.DONE:
            self.model[number] = State.TODO

    @rule()
    def begin(self) -> None:
        self.journal.begin()
        self.listed.clear()
        for number, state in self.model.items():
            self.model[number] = State.DONE if state is State.DONE else State.TODO

    def entry(self, number: int):  # type: ignore[no-untyped-def]
        entry = self.journal.entry(f"s3://dst/key {number}")
        assert entry is not None
        return entry

    @invariant()
    def the_same(self) -> None:
        assert {number: self.entry(number).state for number in self.model} == self.model
        states(self.journal)

    def teardown(self) -> None:
        self.journal.close()
        self.folder.cleanup()


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)

# --- the file -----------------------------------------------------------------------


def test_another_process_is_kept_out_until_this_one_ends(tmp_path: Path) -> None:
    path = str(tmp_path / "j")
    journal = Journal(path, "work")
    pid = os.fork()
    if not pid:
        try:
            Journal(path, "work")
        except UsageError as error:
            os._exit(0 if "another gof3r migrate is at work with it" in str(error) else 2)
        os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0
    with pytest.raises(UsageError, match="at work"):
        Journal(path, "work")
    journal.begin()
    journal.add([item(1)], current=True)
    journal.close()
    again = Journal(path, "work")
    assert states(again) == {State.TODO: 1}
    again.close()


def test_what_it_forks_does_not_hold_it(tmp_path: Path) -> None:
    path = str(tmp_path / "j")
    waiting, done = os.pipe()
    parent = os.fork()
    if not parent:
        Journal(path, "work").begin()
        if not os.fork():
            os.read(waiting, 1)
        os._exit(0)  # as a signal would end it: nothing is closed
    os.waitpid(parent, 0)
    journal = Journal(path, "work")
    journal.begin()
    os.write(done, b"x")
    journal.close()
    os.close(waiting)
    os.close(done)


def other_tables(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE mine (x)")
    db.close()


def other_format(path: Path) -> None:
    Journal(str(path), "work").close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 4")
    db.close()


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: path.write_text("my diary, and more of it"), "no journal of gof3r migrate"),
        (lambda path: path.write_text("SQLite format 3\0" + "x" * 5000), "no journal of gof3r migrate"),
        (other_tables, "another program's database"),
        (other_format, "its format is 4, and this version reads 3"),
        (
            lambda path: Journal(str(path), "sha256:ff").close(),
            "another migration (sha256:ff), not of work: use other --receipts",
        ),
    ],
)
def test_a_file_that_is_not_this_migrations_journal_stays_as_it_is(tmp_path: Path, make, why: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "j"
    make(path)
    before = path.read_bytes()
    with pytest.raises(UsageError) as found:
        Journal(str(path), "work")
    assert why in str(found.value) and str(found.value).isprintable()
    assert path.read_bytes() == before


def test_a_place_where_no_file_can_be_is_told(tmp_path: Path) -> None:
    for path in ("", str(tmp_path), str(tmp_path / "none/j")):
        with pytest.raises(Gof3rError, match="cannot be kept|unable"):
            Journal(path, "work")


def test_an_empty_file_is_a_new_journal(tmp_path: Path) -> None:
    (tmp_path / "j").touch()
    Journal(str(tmp_path / "j"), "work").close()
    Journal(str(tmp_path / "j"), "work").close()


def test_a_name_that_sqlite_has_other_uses_for_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (":memory:", "file:j?mode=memory"):
        Journal(name, "work").close()
        assert (tmp_path / name).stat().st_size > 0
