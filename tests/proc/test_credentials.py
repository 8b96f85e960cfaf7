"""Where keys come from, asked in real processes, with a home directory of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

import psutil
import pytest

from gof3r.engine.errors import Gof3rError
from gof3r.engine.flow.signers import Signer
from gof3r.engine.orders import Signer as Order
from gof3r.engine.proc import credentials
from gof3r.engine.values import Credentials

KEYS = {"AWS_ACCESS_KEY_ID": "AKENV", "AWS_SECRET_ACCESS_KEY": "secret-env"}
SHARED = """
[default]
aws_access_key_id = AKDEFAULT
aws_secret_access_key = secret-default
[other]
aws_access_key_id = AKOTHER
aws_secret_access_key = secret-other
aws_session_token = token-other
"""


@pytest.fixture
def shared(environment: dict[str, str]) -> dict[str, str]:
    Path(environment["AWS_SHARED_CREDENTIALS_FILE"]).write_text(SHARED)
    return environment


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        (KEYS, Credentials("AKENV", "secret-env")),
        ({**KEYS, "AWS_SESSION_TOKEN": "new"}, Credentials("AKENV", "secret-env", "new")),
        ({**KEYS, "AWS_SECURITY_TOKEN": "old"}, Credentials("AKENV", "secret-env", "old")),
        (
            {**KEYS, "AWS_SESSION_TOKEN": "new", "AWS_SECURITY_TOKEN": "old"},
            Credentials("AKENV", "secret-env", "new"),
        ),
        ({**KEYS, "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "absent"}, Credentials("AKENV", "secret-env")),
    ],
)
def test_keys_in_the_environment_answer(environ: Mapping[str, str], found: Credentials) -> None:
    assert credentials.resolve(Order(), environ) == Signer(found)


def test_keys_in_the_environment_need_neither_botocore_nor_a_process(environment: dict[str, str]) -> None:
    program = (
        "import sys; sys.path[:] = sys.argv[1:]\n"
        "import os; from gof3r.engine.orders import Signer; from gof3r.engine.proc import credentials\n"
        "sys.executable = '/nowhere/python'\n"
        "assert credentials.resolve(Signer(), os.environ).credentials.access_key == 'AKENV'\n"
        "assert 'botocore' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program, *sys.path], env={**environment, **KEYS}, check=True)


def test_unsigned_requests_need_no_keys() -> None:
    assert credentials.resolve(Order(sign=False), {}) == Signer(None)


def test_keys_given_outright_go_before_all_others() -> None:
    given = Credentials("AKGIVEN", "secret-given")
    assert credentials.resolve(Order(keys=given), KEYS) == Signer(given)


@pytest.mark.parametrize("name", ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
@pytest.mark.parametrize("value", ["secret\n", "sec ret", "secret\r"])
def test_keys_with_a_line_s_end_from_a_file_are_named_and_not_shown(name: str, value: str) -> None:
    with pytest.raises(Gof3rError, match=f"^{name} holds a space or a control character") as raised:
        credentials.resolve(Order(), {**KEYS, name: value})
    assert "sec" not in str(raised.value)


@pytest.mark.parametrize(
    ("environ", "profile", "found"),
    [
        ({}, "", Credentials("AKDEFAULT", "secret-default")),
        ({"AWS_PROFILE": "other"}, "", Credentials("AKOTHER", "secret-other", "token-other")),
        ({"AWS_PROFILE": "default"}, "other", Credentials("AKOTHER", "secret-other", "token-other")),
        # As with AWS's own tools: a profile on the command line overrules keys in the environment.
        (KEYS, "other", Credentials("AKOTHER", "secret-other", "token-other")),
    ],
)
def test_the_shared_file_answers_for_a_profile(
    environ: Mapping[str, str], profile: str, found: Credentials, shared: dict[str, str]
) -> None:
    signer = credentials.resolve(Order(profile=profile), {**shared, **environ})
    # Whoever wrote the file may write newer ones into it.
    assert signer == Signer(found, renewable=True)


def test_a_credential_process_answers_with_its_expiry(environment: dict[str, str], tmp_path: Path) -> None:
    answer = tmp_path / "answer.json"
    answer.write_text(
        json.dumps(
            {
                "Version": 1,
                "AccessKeyId": "AKPROCESS",
                "SecretAccessKey": "secret-process",
                "SessionToken": "token-process",
                "Expiration": "2099-01-02T03:04:05Z",
            }
        )
    )
    Path(environment["AWS_CONFIG_FILE"]).write_text(f"[profile p]\ncredential_process = cat {answer}\n")
    expires = datetime(2099, 1, 2, 3, 4, 5, tzinfo=timezone.utc).timestamp()
    signer = credentials.resolve(Order(profile="p"), environment)
    assert signer.credentials == Credentials("AKPROCESS", "secret-process", "token-process")
    assert signer.credentials is not None and signer.credentials.expires == expires
    assert signer.renewable and signer.lasts is not None


@pytest.mark.parametrize(
    ("seconds", "kept", "once"),
    [(None, 300.0, True), (3600, 300.0, True), (800, 300.0, False), (3600, -1.0, False)],
)
def test_what_was_found_serves_the_rings_that_follow_for_a_while(
    seconds: int | None,
    kept: float,
    once: bool,
    environment: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(credentials, "KEPT", kept)
    said: dict[str, object] = {"Version": 1, "AccessKeyId": "AK", "SecretAccessKey": "secret"}
    if seconds is not None:
        then = datetime.fromtimestamp(time.time() + seconds, timezone.utc)
        said |= {"SessionToken": "token", "Expiration": f"{then:%Y-%m-%dT%H:%M:%SZ}"}
    (tmp_path / "answer.json").write_text(json.dumps(said))
    (tmp_path / "ask").write_text(f"echo look >> {tmp_path}/looks; cat {tmp_path}/answer.json\n")
    config = f"[profile p]\ncredential_process = sh {tmp_path}/ask\n"
    Path(environment["AWS_CONFIG_FILE"]).write_text(config)
    found = [credentials.resolve(Order(profile="p"), environment) for _ in range(3)]
    assert {one.credentials and one.credentials.access_key for one in found} == {"AK"}
    assert all(one.renewable for one in found)
    looks = len((tmp_path / "looks").read_text().split())
    assert (looks == 1) == once  # of keys that last for less than 15 minutes botocore asks twice
    credentials.resolve(Order(profile="p"), {**environment, "OTHER": "1"})
    assert len((tmp_path / "looks").read_text().split()) > looks


@pytest.mark.parametrize(
    ("environ", "profile", "said"),
    [
        ({}, "", ("none found", "AWS_ACCESS_KEY_ID", "profile 'default'", "container", "instance metadata")),
        ({"AWS_PROFILE": "absent"}, "", ("ProfileNotFound", "profile 'absent'")),
        ({}, "absent", ("ProfileNotFound", "profile 'absent'")),
        ({"AWS_ACCESS_KEY_ID": "AK"}, "", ("missing: AWS_SECRET_ACCESS_KEY",)),
        ({}, "failing", ("no such person",)),
    ],
)
def test_without_keys_the_error_says_where_they_were_looked_for(
    environ: Mapping[str, str], profile: str, said: tuple[str, ...], environment: dict[str, str]
) -> None:
    failing = "[profile failing]\ncredential_process = sh -c 'echo no such person >&2; exit 1'\n"
    Path(environment["AWS_CONFIG_FILE"]).write_text(failing)
    with pytest.raises(Gof3rError) as raised:
        credentials.resolve(Order(profile=profile), {**environment, **environ})
    text = str(raised.value)
    assert raised.value.exit_code == 1
    assert "\n" not in text
    for words in (*said, "--no-sign-request"):
        assert words in text


def test_files_in_the_current_directory_are_not_run(
    shared: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json", "subprocess", "botocore"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a file of the current directory was run')")
    monkeypatch.chdir(tmp_path)
    found = credentials.resolve(Order(), shared).credentials
    assert found == Credentials("AKDEFAULT", "secret-default")


def test_a_search_that_takes_too_long_is_given_up(
    shared: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "TIMEOUT", 0.001)  # no interpreter starts in a millisecond
    with pytest.raises(Gof3rError, match="cannot look for credentials: no answer in 0 s"):
        credentials.resolve(Order(), shared)


def test_a_credential_process_that_waits_for_somebody_ends_with_the_search(
    environment: dict[str, str], tmp_path: Path
) -> None:
    told = tmp_path / "pid"
    os.mkfifo(told)
    waiting = f"sh -c 'echo $$ > {told}; sleep 1000; true'"
    Path(environment["AWS_CONFIG_FILE"]).write_text(f"[profile p]\ncredential_process = {waiting}\n")
    look = credentials.Lookup(Order(profile="p"), environment)
    shell = psutil.Process(int(told.read_text()))
    while not (family := shell.children()):
        pass
    assert "no answer in 30 s" in str(look.result())
    gone, alive = psutil.wait_procs([shell, *family], timeout=30)
    assert not alive


def test_an_interpreter_that_does_not_start_is_named(
    shared: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(Gof3rError, match="/nowhere/python does not start: No such file"):
        credentials.resolve(Order(), shared)


def test_a_search_that_dies_is_told(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(Gof3rError, match="cannot look for credentials: the process for it exited with 1"):
        credentials.resolve(Order(), environment)
