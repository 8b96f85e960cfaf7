"""The ini file: read as the original reads it, beneath the command line, and refused by its line."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gof3r import ini, usage
from gof3r.arguments import Command, options_of, parse
from gof3r.config import Config
from gof3r.engine.errors import UsageError
from gof3r.resolve import config_of

# What s3gof3r v0.5.0 writes for --writeini (shortened), with some of its comments taken away.
ORIGINAL = """\
[put]
; Do not use SSL for endpoint connection.
no-ssl = true

; Do not use md5 hash checking to ensure data integrity.
; no-md5 = false

; Concurrency of transfers
concurrency = 20

; Initial size of concurrent parts, in bytes
; partsize = 20971520

; Amazon S3 endpoint
endpoint = s3-us-west-2.amazonaws.com

; Enable debug logging.
; debug = false

header = x-amz-server-side-encryption:AES256

; canned acl to apply to the object
ACL = bucket-owner-full-control

[get]
; concurrency = 10

[rm]
endpoint = s3-us-west-2.amazonaws.com
"""


def parsed(line: str) -> Command:
    command = parse(line.split())
    assert isinstance(command, Command)
    return command


def test_a_file_of_the_original_means_what_it_meant() -> None:
    assert ini.read(ORIGINAL, "ini") == {
        "put": {
            "no-ssl": ("true",),
            "concurrency": ("20",),
            "endpoint": ("s3-us-west-2.amazonaws.com",),
            "header": ("x-amz-server-side-encryption:AES256",),
            "acl": ("bucket-owner-full-control",),
        },
        "rm": {"endpoint": ("s3-us-west-2.amazonaws.com",)},
    }


@pytest.mark.parametrize(
    ("lines", "values"),
    [
        ("partsize=64MiB", {"partsize": ("64MiB",)}),
        ("  PartSize  =  20 MB  ", {"partsize": ("20 MB",)}),
        ('partsize = "20 MB"', {"partsize": ("20 MB",)}),
        ('profile = "a\\"b;#"', {"profile": ('a"b;#',)}),
        ("ca-bundle = /a?b=c", {"ca-bundle": ("/a?b=c",)}),
        ("retries = 1\nretries = 2", {"retries": ("2",)}),
        ("endpoint =", {}),
        ("c = 4\ns = 1M", {"concurrency": ("4",), "partsize": ("1M",)}),
        ("NoSSL = true\nNoMd5 = 1", {"no-ssl": ("true",), "no-md5": ("true",)}),
        ("md5Check-off = TRUE", {"no-md5": ("true",)}),
        ("no-md5 =", {"no-md5": ("true",)}),
        ("no-md5 = true\nno-md5 = False", {}),
        ("progress = true\nno-progress = true", {"no-progress": ("true",)}),
        ("no-progress = true\nprogress = false", {"no-progress": ("true",)}),
        ("header = a:1\nheader = b:2", {"header": ("a:1", "b:2")}),
        ("# endpoint = h\n;endpoint = h\n\n", {}),
        ("endpoint = h\r\n", {"endpoint": ("h",)}),
    ],
)
def test_every_spelling_go_flags_takes_is_understood(lines: str, values: dict[str, tuple[str, ...]]) -> None:
    assert ini.read(f"[put]\n{lines}", "ini").get("put", {}) == values


@pytest.mark.parametrize(
    ("section", "command"),
    [
        *((name, name) for name in usage.COMMANDS if name != "completion"),
        ("copy", "cp"),
        ("PUT", "put"),
        (" uploads   ls ", "uploads ls"),
    ],
)
def test_every_command_may_have_its_section(section: str, command: str) -> None:
    assert ini.read(f"[{section}]\nendpoint = h\n", "ini") == {command: {"endpoint": ("h",)}}


def test_the_sections_of_others_are_passed_over() -> None:
    text = "[Application Options]\nversion = 1\nanything goes\n[get]\nregion = r\n[mirror]\nx = y\n"
    assert ini.read(text, "ini") == {"get": {"region": ("r",)}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[put]\n\nfrob = 1", "^~/ini:3: put has no option 'frob'$"),
        ("[get]\nacl = private", "^~/ini:2: get has no option 'acl'$"),
        ("[put]\nbucket = B", "^~/ini:2: 'bucket' belongs on the command line$"),
        ("[put]\nkey = K", "'key' belongs on the command line"),
        ("[put]\npath = P", "'path' belongs on the command line"),
        ("[get]\nversionId = 1", "'versionId' belongs on the command line"),
        ("endpoint = h", "^~/ini:1: no section"),
        ("[put", r"^~/ini:1: a section's name has no '\]'$"),
        ("[put]\nendpoint", "^~/ini:2: expected endpoint = VALUE$"),
        ("[put]\ndebug = maybe", "^~/ini:2: debug: 'maybe' is neither true nor false$"),
        ("[put]\n\npartsize = big", "^~/ini:3: part size: not a size .*: 'big'$"),
        ("[get]\nconcurrency = 0", "^~/ini:2: concurrency: 0 is not a whole number from 1 to 10000$"),
        ("[rm]\nretries = many", "^~/ini:2: --retries: 'many' is not a whole number$"),
        ("[ls]\nendpoint = ftp://h", "^~/ini:2: endpoint 'ftp://h': the scheme must be http or https"),
        ("[ls]\nregion = here and there", "^~/ini:2: 'here and there' is not a region"),
        ("[cp]\nchecksum = sha1", "^~/ini:2: checksums: 'sha1' is none of md5, crc64nvme$"),
        ("[put]\nheader = a:1\nheader = SECRET", "^~/ini:3: a header has no colon"),
        ("[put]\nheader = Host:h", "^~/ini:2: header 'Host': gof3r decides on this header itself$"),
        ('[put]\nacl = "a\\nb"', "^~/ini:2: header 'x-amz-acl': its value has control characters$"),
        ("[presign]\nexpires = 1", "^~/ini:2: not a time .*: '1'$"),
        ('[put]\nregion = "r', "^~/ini:2: its value begins with a quote and is not quoted properly$"),
        ('[put]\nregion = "r" s', "not quoted properly"),
    ],
)
def test_what_cannot_be_understood_is_named_with_its_line(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        ini.read(text, "~/ini")


@pytest.mark.parametrize(
    ("line", "options", "flags", "headers"),
    [
        ("put", {"region": "f", "retries": "3"}, {"no-md5", "progress"}, ("A:file", "b:file")),
        ("put --region=c", {"region": "c", "retries": "3"}, {"no-md5", "progress"}, ("A:file", "b:file")),
        (
            "put --debug",
            {"region": "f", "retries": "3"},
            {"no-md5", "progress", "debug"},
            ("A:file", "b:file"),
        ),
        (
            "put --no-progress",
            {"region": "f", "retries": "3"},
            {"no-md5", "no-progress"},
            ("A:file", "b:file"),
        ),
        ("put -m a:line", {"region": "f", "retries": "3"}, {"no-md5", "progress"}, ("b:file", "a:line")),
        ("get", {}, set(), ()),
    ],
)
def test_the_command_line_lies_above_the_file(
    line: str, options: dict[str, str], flags: set[str], headers: tuple[str, ...]
) -> None:
    text = (
        "[put]\nregion = f\nretries = 3\nno-md5 = true\nprogress = true\nheader = A:file\nheader = b:file\n"
    )
    command = ini.combine(parsed(line), ini.read(text, "ini"))
    assert (dict(command.options), set(command.flags), command.headers) == (options, flags, headers)


def test_the_arguments_stay_as_they_were_typed() -> None:
    command = parsed("put s3://b/k -- tar -c .")
    assert ini.combine(command, {"put": {"region": ("r",)}}).run == command.run
    assert ini.combine(command, {}) == command


def test_a_file_as_written_says_nothing_yet() -> None:
    assert ini.read(ini.write(), "ini") == {}


@pytest.mark.parametrize("name", ["put", "get", "cp", "rm"])
def test_the_file_as_written_shows_every_option_that_may_be_in_it(name: str) -> None:
    section = ini.write().partition(f"\n[{name}]\n")[2].partition("\n[")[0]
    shown = set(re.findall(r"(?m)^; ([\w-]+) =", section))
    never = {"help", "bucket", "key", "path", "versionId", "expected-size", "upload-id"}
    never |= {"trace", "source-header", "source-endpoint", "source-region", "source-profile"}
    assert shown == set(options_of(usage.COMMANDS[name])) - never


@pytest.mark.parametrize("line", ["put", "get", "cp a b", "rm"])
def test_the_defaults_as_written_are_the_defaults(line: str) -> None:
    """With every semicolon taken away."""
    values = ini.read(re.sub(r"(?m)^; ([\w-]+ =)", r"\1", ini.write()), "ini")
    assert parsed(line).name in values
    assert config_of(ini.combine(parsed(line), values)) == Config()


LINES = st.lists(
    st.one_of(
        st.sampled_from(
            ["[put]", "[", "[]", "[get]", "=", "no-md5", "no-md5=x", 'region="', 'region="\\', "header=:"]
        ),
        st.builds(
            "{}={}".format, st.sampled_from(["region", "debug", "header", "PARTSIZE"]), st.text(max_size=5)
        ),
        st.text(max_size=8),
    )
)


@given(LINES)
def test_any_text_is_understood_or_refused(lines: list[str]) -> None:
    try:
        values = ini.read("\n".join(lines), "ini")
    except UsageError as error:
        assert str(error).startswith("ini:")
    else:
        ini.combine(parsed("put"), values)
