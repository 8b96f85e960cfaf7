"""The manual page: complete, and roff that says what it was made of."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from gof3r import usage
from gof3r.arguments import options_of
from gof3r.manual import man_page


def plain(roff: str) -> str:
    """The text of the page, unescaped, on one line."""
    lines = [line.removeprefix(".B ") for line in roff.splitlines() if line[:1] != "." or line[:3] == ".B "]
    text = " ".join(" ".join(lines).split()).replace("\\-", "-").replace("\\&", "").replace("\\e", "\\")
    for escape, character in (("aq", "'"), ("ga", "`"), ("ha", "^"), ("ti", "~"), ("dq", '"')):
        text = text.replace(f"\\({escape}", character)
    return text


@pytest.mark.parametrize("name", usage.COMMANDS)
def test_the_page_has_every_word_of_a_commands_help(name: str) -> None:
    chapter = re.split(r"(?m)^\.SH ", man_page().partition(f'.SH "GOF3R {name.upper()}"\n')[2])[0]
    text, page = usage.COMMANDS[name], plain(chapter)
    for option in options_of(text.partition("\nConnection:\n")[0]).values():
        assert option.text in page
        assert f"--{option.long}" in page
    for block in re.sub(r"\nConnection:\n(?:  .*\n)*", "", text).split("\n\n"):
        assert set(block.split()) - {"Arguments:", "Options:", "Transfer:"} <= set(page.split())


def test_the_page_tells_the_options_of_the_connection_once() -> None:
    page = plain(man_page())
    for option in options_of(usage.TOP).values():
        assert option.text in page
    assert page.count(options_of(usage.TOP)["path-style"].text) == 1


def test_no_line_of_the_page_is_taken_for_a_request_by_mistake() -> None:
    requests = {"TH", "nh", "ad", "SH", "PP", "TP", "B", "nf", "fi"}
    for line in man_page().splitlines():
        assert line
        assert not line.startswith("'")
        assert not line.startswith(".") or line[1:].split()[0] in requests
        assert re.fullmatch(r"(?:[^\\]|\\[-e&]|\\\([a-z]{2})*", line)


@pytest.mark.skipif(not shutil.which("groff"), reason="there is no groff to ask")
def test_groff_has_nothing_to_say_against_the_page() -> None:
    ran = subprocess.run(
        ["groff", "-man", "-ww", "-Tutf8"], input=man_page(), capture_output=True, text=True, check=True
    )
    assert ran.stderr == ""
    assert "gof3r put [options]" in ran.stdout
