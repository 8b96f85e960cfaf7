"""Completion: bash is asked for real; the scripts for the others are known to hold everything."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gof3r import usage
from gof3r.arguments import NAMES, options_of
from gof3r.completion import completion

# What bash does when Tab is pressed after these words; it takes `=` for a word of its own.
_ASK = """
source "$1"
COMP_WORDS=("${@:2}") COMP_CWORD=$(($# - 2))
_gof3r
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("completion") / "gof3r.bash"
    path.write_text(completion("bash"))
    return path


def completed(script: Path, *words: str, where: Path | None = None) -> list[str]:
    ran = subprocess.run(
        ["bash", "--norc", "-c", _ASK, "bash", str(script), "gof3r", *words],
        capture_output=True,
        text=True,
        check=True,
        cwd=where,
    )
    assert ran.stderr == ""
    return ran.stdout.split()


def long_options(text: str) -> list[str]:
    return [f"--{name}" for name in options_of(text)]


@pytest.mark.parametrize(
    ("words", "answers"),
    [
        ([""], sorted(NAMES)),
        (["up"], ["uploads"]),
        (["uploads", ""], ["abort", "ls"]),
        (["--debug", "uploads", "--no-ssl", "a"], ["abort"]),
        (["put", "--if"], ["--if-none-match"]),
        (["--endpoint", "h", "put", "--if"], ["--if-none-match"]),
        (["copy", "--source-r"], ["--source-region"]),
        (["put", "--stats", ""], ["json", "text"]),
        (["put", "--stats", "="], ["json", "text"]),
        (["put", "--stats", "=", "js"], ["json"]),
        (["presign", "--method", "P"], ["PUT"]),
        (["completion", ""], ["bash", "fish", "zsh"]),
        (["put", "--region", ""], []),
        (["put", "-k", "-"], []),
        (["ls", ""], []),
    ],
)
def test_bash_completes_commands_options_and_their_words(
    script: Path, words: list[str], answers: list[str]
) -> None:
    assert sorted(completed(script, *words)) == answers


@pytest.mark.parametrize("name", usage.COMMANDS)
def test_bash_offers_all_options_of_a_command_and_no_other(script: Path, name: str) -> None:
    assert completed(script, *name.split(), "--") == long_options(usage.COMMANDS[name])


@pytest.mark.parametrize(
    ("words", "answers"),
    [
        (["put", "fi"], ["file-1", "file-2"]),
        (["put", "-p", "fi"], ["file-1", "file-2"]),
        (["put", "--path", "=", "file-2"], ["file-2"]),
        (["ls", "--ca-bundle", "fi"], ["file-1", "file-2"]),
        (["cp", "s3://b/k", "o"], ["other"]),
        (["ls", "fi"], []),
        (["put", "-k", "fi"], []),
    ],
)
def test_bash_completes_files_where_files_are_meant(
    script: Path, tmp_path: Path, words: list[str], answers: list[str]
) -> None:
    for name in ("file-1", "file-2", "other"):
        (tmp_path / name).touch()
    assert sorted(completed(script, *words, where=tmp_path)) == answers


@pytest.mark.parametrize(("shell", "shown"), [("zsh", "--{}"), ("fish", "-l {} ")])
def test_the_other_shells_are_told_every_command_and_every_option(shell: str, shown: str) -> None:
    script = completion(shell)
    for above, word in [("top", name) for name in NAMES] + [("uploads", "ls"), ("uploads", "abort")]:
        assert f"{above}/{word}" in script
    for text in (usage.TOP, *usage.COMMANDS.values()):
        for name in options_of(text):
            assert shown.format(name) in script
