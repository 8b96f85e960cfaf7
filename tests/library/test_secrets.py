"""What the library is told in secret stays between its caller's process and the engine's."""

from __future__ import annotations

import resource
import traceback
from collections.abc import Callable

import psutil
import pytest

import gof3r
from tests.e2e.live import PART
from tests.e2e.test_secrets import KEY, SECRET, SOURCE_KEY, SSE_C, TOKEN, WORD, Raw, refusal
from tests.library.conftest import SMALL, engines

MINE, SOURCES = {f"{SSE_C}key": KEY}, {f"{SSE_C}key": SOURCE_KEY}

CALLS: dict[str, Callable[[gof3r.Config, Callable[[object], None]], object]] = {
    "put": lambda config, on: gof3r.put(b"1", "s3://b/k", config=config, headers=MINE, on_event=on),
    "get": lambda config, on: gof3r.get("s3://b/k", "got", config=config, headers=MINE, on_event=on),
    "copy": lambda config, on: gof3r.copy(
        "s3://b/k", "s3://b/k2", config=config, headers=MINE, source_headers=SOURCES, on_event=on
    ),
    "info": lambda config, on: gof3r.info("s3://b/k", config=config, headers=MINE, on_event=on),
    "remove": lambda config, on: gof3r.remove("s3://b/k", config=config, on_event=on),
    "open": lambda config, on: gof3r.open("s3://b/k", config=config, headers=MINE, on_event=on).read(),
}
"""Everything that speaks to a server, with all the secrets that it takes."""


def told(error: BaseException) -> str:
    """All that a program can show of ``error``."""
    return "".join((*traceback.format_exception(error), repr(error), repr(vars(error))))


@pytest.mark.parametrize("call", CALLS)
def test_no_error_and_no_event_has_a_secret_in_it(
    call: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("https_proxy", f"http://me:{WORD}@127.0.0.1:1")
    events: list[object] = []
    with Raw(refusal) as server:
        config = gof3r.Config(
            access_key="AK", secret_key=SECRET, token=TOKEN, endpoint=server.endpoint, retries=1
        )
        with pytest.raises(gof3r.AccessDenied, match="server answered 403 SignatureDoesNotMatch") as caught:
            CALLS[call](config, events.append)
    assert TOKEN in "".join(server.heads)
    assert WORD not in told(caught.value)
    assert events
    assert WORD not in repr((events, config))
    assert WORD not in "".join(capfd.readouterr())


def test_keys_are_in_no_command_line_and_no_environment_and_the_engine_dumps_no_core(
    url: str, surroundings: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {name: surroundings[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    for name in keys:
        monkeypatch.delenv(name)
    config = gof3r.Config(
        access_key=keys["AWS_ACCESS_KEY_ID"],
        secret_key=keys["AWS_SECRET_ACCESS_KEY"],
        part_size=SMALL.part_size,
        concurrency=2,
    )
    with gof3r.open(url, "wb", config=config, headers=MINE) as file:
        file.write(bytes(3 * PART))
        found: list[psutil.Process] = engines(surroundings["MARK"])
        assert len(found) >= 3, "the parent, the collector, a worker"
        for process in found:
            seen = (*process.cmdline(), *process.environ().values())
            assert not [text for text in seen if config.secret_key in text or WORD in text]
            assert process.rlimit(resource.RLIMIT_CORE)[0] in (0, 1)
    assert gof3r.info(url, config=config, headers=MINE).size == 3 * PART
