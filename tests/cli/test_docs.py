"""The user's pages are true as far as a program can tell: their options exist and are all there, their
command lines parse, their links lead somewhere, their JSON, ini and Python is such."""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from gof3r import ini, places, usage
from gof3r.arguments import Option, options_of, parse
from gof3r.engine.errors import UsageError

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = {str(page.relative_to(ROOT)): page.read_text(encoding="utf-8") for page in PAGES}

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
CALL = re.compile(r"(?:^|(?<=[\s(/]))gof3r(?= \S)", re.MULTILINE)


def blocks(kind: str) -> list[tuple[str, str]]:
    """Page and text of every block of a kind."""
    found = ((page, *block) for page, text in TEXTS.items() for block in FENCE.findall(text))
    return [(page, body) for page, name, body in found if name == kind]


# --- command lines ------------------------------------------------------------------


def command_end(text: str) -> int:
    """Where a simple command ends in shell text that begins within it: at an operator, or a parenthesis or a
    quote that it has not opened itself."""
    quote, depth, at = "", 0, 0
    while at < len(text):
        char = text[at]
        if quote:
            quote = "" if char == quote else quote
        elif char == "\\":
            at += 1
        elif char in "'\"" and char in text[at + 1 :]:
            quote = char
        elif text[at : at + 2] == "$(":
            depth += 1
        elif char == ")" and depth:
            depth -= 1
        elif not depth and (char in '|;&<>)"\n' or (char == "#" and text[at - 1 : at] in ("", " "))):
            return at
        at += 1
    return at


def calls(shell: str) -> Iterator[list[str]]:
    """The arguments of every gof3r in shell text; one in a command substitution as well."""
    shell = shell.replace("\\\n", " ")
    for match in CALL.finditer(shell):
        rest = shell[match.end() :]
        yield shlex.split(rest[: command_end(rest)])


def written_calls() -> Iterator[tuple[str, list[str]]]:
    """Page and arguments of every command line; a command that is only named is none."""
    names = {"gof3r COMMAND --help", *(f"gof3r {name}" for name in usage.COMMANDS)}
    for page, body in blocks("sh"):
        for words in calls(body):
            yield page, words
    for page, text in TEXTS.items():
        for span in SPAN.findall(FENCE.sub("", text)):
            if span.startswith("gof3r ") and not span.startswith("gof3r error:") and span not in names:
                for words in calls(span.replace("\\|", "|")):
                    yield page, words


@pytest.mark.parametrize(
    ("shell", "expected"),
    [
        ("tar -c d | gof3r put s3://b/k -s '20 MB' | cat", [["put", "s3://b/k", "-s", "20 MB"]]),
        ("x/gof3r get \\\n  s3://b/k > file", [["get", "s3://b/k"]]),
        (
            'curl -T f "$(gof3r presign s3://b/k)" && gof3r ls s3://b # all',
            [["presign", "s3://b/k"], ["ls", "s3://b"]],
        ),
        ('gof3r put "s3://b/$(date +%F)" -- a', [["put", "s3://b/$(date +%F)", "--", "a"]]),
        ("gof3r.put(x)  mygof3r ls", []),
    ],
)
def test_command_lines_are_found_in_shell_text(shell: str, expected: list[list[str]]) -> None:
    assert list(calls(shell)) == expected


@pytest.mark.parametrize(
    ("page", "words"), [pytest.param(*call, id=shlex.join(call[1])) for call in written_calls()]
)
def test_every_command_line_in_the_pages_parses(page: str, words: list[str]) -> None:
    parse(words)


def test_every_command_has_an_example() -> None:
    written = tuple(f"{' '.join(words)} " for _, words in written_calls())
    unwritten = [name for name in usage.COMMANDS if not any(w.startswith(f"{name} ") for w in written)]
    assert unwritten == []


# --- the table of options ------------------------------------------------------------------

ALL = [name for name in usage.COMMANDS if name != "completion"]
NAMES = {
    "all": ALL,
    "moving": ["put", "get", "cp", "verify"],
    "object": ["put", "get", "rm", "info", "verify", "presign"],
    "gof3r": [""],  # before a command
}


def rows() -> Iterator[list[str]]:
    for line in TEXTS["docs/options.md"].splitlines():
        if line.startswith(("| `-", "| `--")):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def documented() -> dict[tuple[str, str], list[str]]:
    """Command and the option's spelling, to its row."""
    table: dict[tuple[str, str], list[str]] = {}
    for row in rows():
        for name in row[1].split(", "):
            for command in NAMES.get(name, [name]):
                table[command, row[0].strip("`")] = row
    return table


def spelling(option: Option) -> str:
    short = f"-{option.short} " if option.short else ""
    return f"{short}--{option.long}={option.value}".removesuffix("=")


def existing() -> dict[tuple[str, str], Option]:
    texts = {"": usage.TOP, **usage.COMMANDS}
    return {(name, spelling(o)): o for name, text in texts.items() for o in options_of(text).values()}


def test_the_table_has_every_option_of_every_command_and_no_other() -> None:
    assert documented().keys() == existing().keys()


def test_an_option_of_a_command_has_one_row() -> None:
    pairs = [
        (command, row[0])
        for row in rows()
        for name in row[1].split(", ")
        for command in NAMES.get(name, [name])
    ]
    assert len(pairs) == len(set(pairs))


def test_defaults_in_the_table_are_those_of_the_help() -> None:
    for place, option in existing().items():
        said = re.search(r"Default: (\S+)\.(?= |$)", option.text)
        if said:
            assert documented()[place][2] == f"`{said[1]}`", place


def test_the_table_tells_what_may_be_in_the_ini_file() -> None:
    for (command, shown), option in existing().items():
        try:
            ini.read(f"[{command}]\n{option.long} =\n", "ini")
            allowed = bool(command)
        except UsageError:
            allowed = False
        row = documented()[command, shown]
        assert row[3] == ("yes" if allowed else "no") or not command, (command, shown)


def test_the_table_tells_the_environment_variables_in_their_order() -> None:
    told = {row[0].strip("`"): SPAN.findall(row[4]) for row in rows() if row[4]}
    assert told == {
        spelling(option): list(places.ENVIRONMENT[option.long])
        for option in options_of(usage.TOP).values()
        if option.long in places.ENVIRONMENT
    }


# --- the rest ------------------------------------------------------------------


def anchors(text: str) -> set[str]:
    """Of headings, as they are made of them on the web."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", TEXTS)
def test_every_link_between_the_pages_leads_somewhere(page: str) -> None:
    for link in LINK.findall(FENCE.sub("", TEXTS[page])):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.is_file(), link
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), link


@pytest.mark.parametrize(("page", "body"), blocks("json"))
def test_every_json_in_the_pages_is_json(page: str, body: str) -> None:
    json.loads(body)


@pytest.mark.parametrize(("page", "body"), blocks("python"))
def test_every_python_in_the_pages_is_python(page: str, body: str) -> None:
    ast.parse(body)


def test_the_ini_file_in_the_pages_can_be_read() -> None:
    ours = [body for _, body in blocks("ini") if body.startswith("; ~/.gof3r.ini")]
    assert ours
    assert all(ini.read(body, "ini") for body in ours)


def test_every_module_and_test_that_the_architecture_names_is_there() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    modules = re.compile(r"(?:tests|tools|engine|gof3r)/[\w/]+\.py")
    named = {span for span in SPAN.findall(text) if modules.fullmatch(span)}
    assert len(named) > 20
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", TEXTS)
def test_lines_of_the_pages_fit_a_window(page: str) -> None:
    assert [line for line in TEXTS[page].splitlines() if len(line) > 118] == []
