"""Which names are wanted, and what is newer."""

from __future__ import annotations

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gof3r.engine.errors import UsageError
from gof3r.migrate.selection import Rule, is_newer, passed_over, wanted


def rules(text: str) -> list[Rule]:
    """``+a -b``"""
    return [Rule(word[0] == "+", word[1:]) for word in text.split()]


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("", {"a": True, "b/c": True, "": True}),
        ("-*.tmp", {"a": True, "a.tmp": False, "b/c.tmp": False, ".tmp": False, "a.tmp/b": True}),
        ("-* +*.csv", {"a": False, "a.csv": True, "b/a.csv": True}),  # aws s3 cp's usual pair
        ("+*.csv -*", {"a": False, "a.csv": False}),  # the last one decides
        ("+*.csv", {"a": False, "a.csv": True, "b/a.csv": True}),  # only these
        ("+*.csv -old/*", {"a.csv": True, "old/a.csv": False, "a": False}),
        ("-old/* +old/a*", {"x": True, "old/a": True, "old/b": False}),
        ("-a* +ab* -abc*", {"a": False, "ab": True, "abc": False, "abcd": False, "b": True}),
        ("+a +b -c +d", {"a": True, "b": True, "c": False, "d": True, "e": False}),
        ("-logs/2026-??/[!k]*", {"logs/2026-01/x": False, "logs/2026-01/k": True}),
        ("-A", {"a": True, "A": False}),
        ("-[", {"[": False, "x": True}),
        ("-a", {"a\n": True, "a": False, "ba": True, "ab": True}),
        ("-*", {"a\nb": False}),
    ],
)
def test_the_last_pattern_that_matches_decides(given: str, names: dict[str, bool]) -> None:
    decide = wanted(rules(given))
    assert {name: decide(name) for name in names} == names


@given(
    st.lists(st.builds(Rule, st.booleans(), st.text("ab*?[]!-/", min_size=1, max_size=5)), max_size=6),
    st.text("ab/-\n", max_size=6),
)
def test_it_is_as_if_each_pattern_was_asked_in_turn(given: list[Rule], name: str) -> None:
    expected = not given or not given[0].include
    for rule in given:
        if fnmatch.fnmatchcase(name, rule.pattern):
            expected = rule.include
    assert wanted(given)(name) is expected


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_pattern_is_one_or_a_usage_error(pattern: str, name: str) -> None:
    try:
        assert wanted([Rule(True, pattern)])(name) in (True, False)
    except UsageError as error:
        assert str(error).isprintable()


def test_an_empty_pattern_is_told() -> None:
    with pytest.raises(UsageError, match="--exclude: the pattern is empty"):
        wanted([Rule(False, "")])


def test_many_stars_cost_no_more_than_their_name() -> None:
    assert not wanted([Rule(True, "*a" * 50 + "b")])("a" * 10_000)


@pytest.mark.parametrize(
    ("source", "destination", "newer"),
    [(10.0, None, True), (10.5, 10.0, True), (10.0, 10.0, False), (9.0, 10.0, False)],
)
def test_newer_is_later(source: float, destination: float | None, newer: bool) -> None:
    assert is_newer(source, destination) is newer


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        ("", False),
        ("-private/*", True),
        ("-*", True),
        ("-pri*", True),
        ("-private*.tmp", False),
        ("-private/", False),
        ("-private/* +*.csv", False),
        ("+*.csv -private/*", True),
        ("-private/* -*.tmp", True),
        ("+*.csv", False),
        ("-other/*", False),
    ],
)
def test_a_folder_is_passed_over_where_nothing_below_it_is_wanted(given: str, passed: bool) -> None:
    assert passed_over(rules(given))("private/") is passed


PIECES = st.text("ab/*?", min_size=1, max_size=4)


@given(st.lists(st.builds(Rule, st.booleans(), PIECES), max_size=4), PIECES, st.text("ab/", max_size=4))
def test_what_is_passed_over_has_nothing_that_is_wanted(some: list[Rule], folder: str, name: str) -> None:
    if passed_over(some)(f"{folder}/"):
        assert not wanted(some)(f"{folder}/{name}")
