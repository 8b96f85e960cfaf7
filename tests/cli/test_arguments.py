"""The command line's grammar: what argv means, before anything else is looked at."""

from __future__ import annotations

import re
import shlex

import docopt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gof3r import __version__, arguments, usage
from gof3r.arguments import Command, Shown, WriteIni, normalise, options_of, parse
from gof3r.engine.errors import UsageError

TEXTS = {"": usage.TOP, **usage.GROUPS, **usage.COMMANDS}

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
    (
        "get --memory=1GiB --limit-rate 5MB --stats json",
        {"memory": "1GiB", "limit-rate": "5MB", "stats": "json"},
    ),
    ("copy a b -v 1 --acl private", {"versionId": "1", "acl": "private"}),
    ("rm s3://b/k -v=1", {"versionId": "1"}),
    ("--region r uploads --region s ls s3://b --older-than 7d", {"region": "s", "older-than": "7d"}),
    ("uploads abort --upload-id=-x s3://b", {"upload-id": "-x"}),
    ("presign s3://b/k --expires=12h --method PUT", {"expires": "12h", "method": "PUT"}),
)


def parsed(words: list[str]) -> Command:
    command = parse(words)
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
        ("ls -l --json s3://b", {"long", "json"}),
        ("--debug uploads --no-ssl ls s3://b --path-style", {"debug", "no-ssl", "path-style"}),
        ("put --progress --no-progress", {"no-progress"}),
        ("put --no-progress --progress --progress", {"progress"}),
    ],
)
def test_a_flag_counts_once_before_or_after_the_command(line: str, flags: set[str]) -> None:
    assert parsed(line.split()).flags == flags


def test_headers_are_collected_in_their_order() -> None:
    words = ["put", "-m", "a:1", "--header=b:2", "-mc:3", "-m=d:4", "-m", "a:1"]
    assert parsed(words).headers == ("a:1", "b:2", "c:3", "d:4", "a:1")


def test_headers_of_the_source_are_kept_apart() -> None:
    command = parsed(
        ["cp", "s3://b/k", "s3://c/k", "-m", "a:1", "--source-header", "b:2", "--source-header=c:3"]
    )
    assert (command.headers, command.source_headers) == (("a:1",), ("b:2", "c:3"))


@pytest.mark.parametrize(
    ("words", "name", "given_arguments"),
    [
        (["put"], "put", ()),
        (["put", "s3://b/k"], "put", ("s3://b/k",)),
        (["put", "s3://b/k", "file"], "put", ("s3://b/k", "file")),
        (["put", "s3://b/k", ""], "put", ("s3://b/k", "")),
        (["get", "s3://b/k", "-"], "get", ("s3://b/k", "-")),
        (["get", "s3://b/k", ""], "get", ("s3://b/k", "")),
        (["get", "s3://b/k", "-c", "4", "file"], "get", ("s3://b/k", "file")),
        (["get", "s3://b/k", "--", "-file"], "get", ("s3://b/k", "-file")),
        (["get", "--", "s3://b/k", "--help"], "get", ("s3://b/k", "--help")),
        (["get", "s3://b/k", "--", "--"], "get", ("s3://b/k", "--")),
        (["get", "s3://b/a b#c?d"], "get", ("s3://b/a b#c?d",)),
        (["cp", "-", "s3://b/k"], "cp", ("-", "s3://b/k")),
        (["cp", "--", "-file", "s3://b/k"], "cp", ("-file", "s3://b/k")),
        (["copy", "put", "get"], "cp", ("put", "get")),
        (["rm"], "rm", ()),
        (["rm", "s3://b/1", "s3://b/2", "s3://b/3"], "rm", ("s3://b/1", "s3://b/2", "s3://b/3")),
        (["ls", "s3://b"], "ls", ("s3://b",)),
        (["info", "-b", "B", "-k", "K"], "info", ()),
        (["verify", "s3://b/k"], "verify", ("s3://b/k",)),
        (["uploads", "ls", "s3://b/p"], "uploads ls", ("s3://b/p",)),
        (["uploads", "abort", "--older-than", "0", "s3://b"], "uploads abort", ("s3://b",)),
        (["presign", "s3://b/k"], "presign", ("s3://b/k",)),
    ],
)
def test_arguments_keep_their_order(words: list[str], name: str, given_arguments: tuple[str, ...]) -> None:
    command = parsed(words)
    assert (command.name, command.arguments, command.run) == (name, given_arguments, ())


@pytest.mark.parametrize(
    ("words", "given_arguments", "run"),
    [
        (["put", "s3://b/k", "--", "pg_dump"], ("s3://b/k",), ("pg_dump",)),
        (["put", "-b", "B", "-k", "K", "--", "tar", "-c", "."], (), ("tar", "-c", ".")),
        (["put", "s3://b/k", "--", "x", "--", "-h", "--help"], ("s3://b/k",), ("x", "--", "-h", "--help")),
        (["put", "s3://b/k", "--", "--odd", ""], ("s3://b/k",), ("--odd", "")),
        (["put", "s3://b/k", "--", "get", "-m", "a:b"], ("s3://b/k",), ("get", "-m", "a:b")),
    ],
)
def test_after_two_dashes_put_has_a_command_to_run(
    words: list[str], given_arguments: tuple[str, ...], run: tuple[str, ...]
) -> None:
    command = parsed(words)
    assert (command.arguments, command.run, command.headers) == (given_arguments, run, ())


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
        (["ls", "-k", "K", "s3://b"], "unknown option -k"),
        (["verify", "--no-md5", "s3://b/k"], "unknown option --no-md5"),
        (["get", "--acl", "private"], "unknown option --acl"),
        (["put", "-1"], "unknown option -1"),
        (["put", "-k"], "option -k needs a value"),
        (["put", "-k", "--", "x"], "option -k needs a value"),
        (["put", "--key="], "option --key has an empty value"),
        (["put", "-b", ""], "option -b has an empty value"),
        (["put", "--debug=yes"], "option --debug takes no value"),
        (["put", "--md5Check-off="], "option --md5Check-off takes no value"),
        (["put", "-hx"], "option -h takes no value"),
        (
            ["put", "s3://b/k", "file", "more"],
            r"expected gof3r put \[<url> \[<path>\]\], or gof3r put \[<url>\] -- <cmd>",
        ),
        (["put", "s3://b/k", "file", "--", "cat"], "a file and a command"),
        (["put", "s3://b/k", "--"], "no command follows '--'"),
        (["put", "s3://b/k", "-p", "file", "--", "cat"], "a file and a command"),
        (["cp", "s3://b/k"], "expected gof3r cp <source> <destination>$"),
        (["ls"], "expected gof3r ls <url>$"),
        (["uploads"], "no command of uploads is given: ls, abort"),
        (["uploads", "frob"], "unknown command of uploads 'frob': ls, abort"),
        (["completion", "tcsh"], r"expected gof3r completion \(bash | zsh | fish\)"),
    ],
)
def test_what_the_help_does_not_show_is_refused_in_its_own_words(words: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse(words)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("--help", usage.TOP),
        ("-h", usage.TOP),
        ("--debug -h", usage.TOP),
        ("--help put", usage.TOP),
        ("put --help", usage.COMMANDS["put"]),
        ("put -b B -h", usage.COMMANDS["put"]),
        ("--no-ssl get -h", usage.COMMANDS["get"]),
        ("cp -h", usage.COMMANDS["cp"]),
        ("copy -h", usage.COMMANDS["cp"]),
        ("uploads -h", usage.GROUPS["uploads"]),
        ("uploads abort -h", usage.COMMANDS["uploads abort"]),
        ("completion -h", usage.COMPLETION),
        ("--version", f"gof3r {__version__}\n"),
        ("-v", f"gof3r {__version__}\n"),
    ],
)
def test_help_and_version_are_text(line: str, text: str) -> None:
    assert parse(line.split()) == Shown(text)


@pytest.mark.parametrize("line", ["-i", "--writeini", "--debug -i put"])
def test_the_ini_file_is_written_when_asked_for(line: str) -> None:
    assert parse(line.split()) == WriteIni()


@pytest.mark.parametrize(
    ("line", "begins"),
    [
        ("-m", ".TH GOF3R 1"),
        ("--manpage", ".TH GOF3R 1"),
        ("completion bash", "# gof3r's completion for bash"),
        ("completion zsh", "#compdef gof3r"),
        ("completion fish", "# gof3r's completion for fish"),
    ],
)
def test_the_manual_and_completion_are_text(line: str, begins: str) -> None:
    shown = parse(line.split())
    assert isinstance(shown, Shown)
    assert shown.text.startswith(begins)


@pytest.mark.parametrize("name", TEXTS)
def test_the_normaliser_reads_the_same_options_from_the_help_as_docopt(name: str) -> None:
    ours = {
        (option.short and f"-{option.short}", f"--{option.long}", int(bool(option.value)))
        for option in options_of(TEXTS[name]).values()
    }
    docopts = docopt.parse_options(docopt.parse_docstring_sections(TEXTS[name]).after_usage)
    assert ours == {(option.short or "", option.longer, option.argcount) for option in docopts}


@pytest.mark.parametrize("name", TEXTS)
def test_every_option_is_described_in_a_sentence(name: str) -> None:
    options = options_of(TEXTS[name])
    assert all(option.text and option.text[0].isupper() for option in options.values())
    assert [option for option in options if f"--{option}" in TEXTS[name]] == list(options)


@pytest.mark.parametrize("name", TEXTS)
def test_the_help_fits_a_terminal_of_80_columns(name: str) -> None:
    assert max(map(len, TEXTS[name].splitlines())) < 80


@pytest.mark.parametrize("name", usage.COMMANDS)
def test_every_example_in_the_help_is_understood(name: str) -> None:
    lines = usage.COMMANDS[name].partition("\nExamples:\n")[2].splitlines()
    assert lines
    for line in lines:
        words = shlex.split(re.split(r"[|>)]", line[line.index("gof3r ") :])[0].rstrip('"'))[1:]
        asked = parse(words)
        assert isinstance(asked, Shown) if name == "completion" else asked == parsed(words), line


def test_the_overview_names_every_command() -> None:
    for name in arguments.NAMES:
        assert re.search(rf"^  {name} |Also: {name}\.", usage.TOP, re.MULTILINE)


WORDS = st.lists(
    st.one_of(
        st.sampled_from(
            ["put", "get", "-", "--", "-k", "-k=", "-m", "-m=a:b", "--key", "--path=", "--debug", "-c4"]
        ),
        st.sampled_from(
            ["cp", "rm", "ls", "uploads", "abort", "completion", "bash", "--progress", "-i", "-v"]
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
        parse(words)
    except UsageError as error:
        assert str(error)


@given(WORDS, st.sampled_from([usage.COMMANDS["put"], usage.COMMANDS["get"]]))
def test_the_normal_form_is_its_own_normal_form(words: list[str], text: str) -> None:
    try:
        options, given_arguments = normalise(text, words)
    except UsageError:
        return
    end = ["--"] if text is usage.COMMANDS["get"] else []  # for put it is among the arguments
    assert normalise(text, [*options, *end, *given_arguments]) == (options, given_arguments)


@given(st.lists(st.text(max_size=5), min_size=1))
def test_any_command_to_run_survives(words: list[str]) -> None:
    assert parsed(["put", "s3://b/k", "--", *words]).run == tuple(words)


@given(value=st.text(min_size=1), spelling=st.sampled_from(["-k{}", "-k={}", "--key={}"]))
def test_any_value_survives(value: str, spelling: str) -> None:
    if spelling == "-k{}" and value.startswith("="):
        value = value[1:] or "x"  # -k=x is s3gof3r's spelling of x
        spelling = "-k={}"
    assert parsed(["put", spelling.format(value)]).options == {"key": value}


@given(st.text(min_size=1).filter(lambda value: value != "--"))
def test_any_value_survives_as_a_word_of_its_own(value: str) -> None:
    assert parsed(["put", "-k", value]).options == {"key": value}


def test_patterns_keep_their_order() -> None:
    words = ("--exclude", "*.tmp", "--include=a*", "--exclude=ab*")
    asked = parse(["migrate", *words, "--from=a", "--to=s3://b"])
    assert isinstance(asked, Command)
    assert asked.rules == (("exclude", "*.tmp"), ("include", "a*"), ("exclude", "ab*"))
    assert set(asked.options) == {"from", "to"}
