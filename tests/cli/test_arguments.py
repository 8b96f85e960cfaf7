"""The command line's grammar: what argv means, before anything else is looked at."""

from __future__ import annotations

import docopt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gof3r import __version__, cli
from gof3r.config import Command
from gof3r.engine.errors import UsageError

LINES = (
    ("put -b B -k K", {"bucket": "B", "key": "K"}),
    ("put -bB -kK", {"bucket": "B", "key": "K"}),
    ("put -b=B -k=K", {"bucket": "B", "key": "K"}),
    ("put --bucket B --key=K", {"bucket": "B", "key": "K"}),
    ("put -k==K", {"key": "=K"}),
    ("put -kx=y", {"key": "x=y"}),
    ("put --key=a=b", {"key": "a=b"}),
    ("put -k -x", {"key": "-x"}),
    ("put -k --bucket", {"key": "--bucket"}),
    ("put --key=-x", {"key": "-x"}),
    ("put --key=--", {"key": "--"}),
    ("put -p -", {"path": "-"}),
    ("put -p=", {"path": ""}),
    ("put --path=", {"path": ""}),
    ("put -k one -k two --key=three", {"key": "three"}),
    ("put -c 4 -s 20MB", {"concurrency": "4", "partsize": "20MB"}),
    (
        "get -v 3HL4kqtJ --workers=2 --checksum md5",
        {"versionId": "3HL4kqtJ", "workers": "2", "checksum": "md5"},
    ),
    ("--endpoint=h put", {"endpoint": "h"}),
    ("--endpoint h --retries 3 get", {"endpoint": "h", "retries": "3"}),
    ("--endpoint before put --endpoint after", {"endpoint": "after"}),
    ("--region put get", {"region": "put"}),
    ("put --ca-bundle=f --profile p", {"ca-bundle": "f", "profile": "p"}),
)


def parsed(words: list[str]) -> Command:
    command = cli.parse(words)
    assert isinstance(command, Command)
    return command


@pytest.mark.parametrize(("line", "options"), LINES)
def test_every_spelling_of_a_value_means_the_same(line: str, options: dict[str, str]) -> None:
    assert parsed(line.split()).options == options


@pytest.mark.parametrize(
    ("line", "flags"),
    [
        ("put", set()),
        ("put --no-md5", {"no-md5"}),
        ("put --md5Check-off", {"no-md5"}),
        ("put --md5Check-off --no-md5 --no-md5", {"no-md5"}),
        ("--debug --no-ssl get", {"debug", "no-ssl"}),
        ("get --debug --no-ssl", {"debug", "no-ssl"}),
        ("--debug get --debug --path-style --no-sign-request", {"debug", "path-style", "no-sign-request"}),
    ],
)
def test_a_flag_counts_once_before_or_after_the_command(line: str, flags: set[str]) -> None:
    assert parsed(line.split()).flags == flags


def test_headers_are_collected_in_their_order() -> None:
    words = ["put", "-m", "a:1", "--header=b:2", "-mc:3", "-m=d:4", "-m", "a:1"]
    assert parsed(words).headers == ("a:1", "b:2", "c:3", "d:4", "a:1")


@pytest.mark.parametrize(
    ("words", "url", "path"),
    [
        (["put"], None, None),
        (["put", "s3://b/k"], "s3://b/k", None),
        (["put", "s3://b/k", "file"], "s3://b/k", "file"),
        (["get", "s3://b/k", "-"], "s3://b/k", "-"),
        (["get", "s3://b/k", ""], "s3://b/k", ""),
        (["get", "s3://b/k", "-c", "4", "file"], "s3://b/k", "file"),
        (["get", "s3://b/k", "--", "-file"], "s3://b/k", "-file"),
        (["get", "--", "s3://b/k", "--help"], "s3://b/k", "--help"),
        (["get", "s3://b/k", "--", "--"], "s3://b/k", "--"),
        (["get", "s3://b/a b#c?d"], "s3://b/a b#c?d", None),
    ],
)
def test_arguments_are_the_url_and_the_file(words: list[str], url: str | None, path: str | None) -> None:
    command = parsed(words)
    assert (command.url, command.path) == (url, path)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "no command is given"),
        (["--debug"], "no command is given"),
        (["frob"], "unknown command 'frob'"),
        (["--", "put"], "unknown command '--'"),
        (["-"], "unknown command '-'"),
        (["-x", "put"], "unknown option -x"),
        (["-b", "B", "put"], "unknown option -b"),
        (["put", "--bogus"], "unknown option --bogus"),
        (["put", "--buck=B"], "unknown option --buck"),
        (["put", "--version"], "unknown option --version"),
        (["put", "-v", "ID"], "unknown option -v"),
        (["get", "-m", "a:1"], "unknown option -m"),
        (["put", "-1"], "unknown option -1"),
        (["put", "-k"], "option -k needs a value"),
        (["put", "-k", "--", "x"], "option -k needs a value"),
        (["put", "--key="], "option --key has an empty value"),
        (["put", "-b", ""], "option -b has an empty value"),
        (["put", "--debug=yes"], "option --debug takes no value"),
        (["put", "--md5Check-off="], "option --md5Check-off takes no value"),
        (["put", "-hx"], "option -h takes no value"),
        (["put", "s3://b/k", "file", "more"], "too many arguments"),
    ],
)
def test_what_the_help_does_not_show_is_refused_in_its_own_words(words: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        cli.parse(words)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("--help", cli.TOP),
        ("-h", cli.TOP),
        ("--debug -h", cli.TOP),
        ("--help put", cli.TOP),
        ("put --help", cli.PUT),
        ("put -b B -h", cli.PUT),
        ("--no-ssl get -h", cli.GET),
        ("--version", f"gof3r {__version__}\n"),
    ],
)
def test_help_and_version_are_text(line: str, text: str) -> None:
    assert cli.parse(line.split()) == cli.Shown(text)


@pytest.mark.parametrize("text", [cli.TOP, cli.PUT, cli.GET])
def test_the_normaliser_reads_the_same_options_from_the_help_as_docopt(text: str) -> None:
    ours = {(short or None, long, int(bool(value))) for short, long, value in cli._OPTION.findall(text)}
    docopts = docopt.parse_options(docopt.parse_docstring_sections(text).after_usage)
    assert ours == {(option.short, option.longer, option.argcount) for option in docopts}


@pytest.mark.parametrize("text", [cli.TOP, cli.PUT, cli.GET])
def test_the_help_fits_a_terminal_of_80_columns(text: str) -> None:
    assert max(map(len, text.splitlines())) < 80


WORDS = st.lists(
    st.one_of(
        st.sampled_from(
            ["put", "get", "-", "--", "-k", "-k=", "-m", "-m=a:b", "--key", "--path=", "--debug", "-c4"]
        ),
        st.sampled_from(
            ["--md5Check-off", "--no-md5", "-h", "--version", "--endpoint", "--endpoint=h", "s3://b/k"]
        ),
        st.text(max_size=5),
    ),
    max_size=8,
)


@given(WORDS)
def test_any_argv_is_understood_or_refused(words: list[str]) -> None:
    try:
        cli.parse(words)
    except UsageError as error:
        assert str(error)


@given(WORDS)
def test_the_normal_form_is_its_own_normal_form(words: list[str]) -> None:
    try:
        once = cli.normalise(cli.PUT, words)
    except UsageError:
        return
    assert cli.normalise(cli.PUT, once) == once


@given(value=st.text(min_size=1), spelling=st.sampled_from(["-k{}", "-k={}", "--key={}"]))
def test_any_value_survives(value: str, spelling: str) -> None:
    if spelling == "-k{}" and value.startswith("="):
        value = value[1:] or "x"  # -k=x is s3gof3r's spelling of x
        spelling = "-k={}"
    assert parsed(["put", spelling.format(value)]).options == {"key": value}


@given(st.text(min_size=1).filter(lambda value: value != "--"))
def test_any_value_survives_as_a_word_of_its_own(value: str) -> None:
    assert parsed(["put", "-k", value]).options == {"key": value}
