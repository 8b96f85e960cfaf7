"""What is sent to machines means the same there, and holds no secret."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from gof3r.config import Config
from gof3r.engine.errors import UsageError
from gof3r.fleet.errand import Arrived, Carry, Errand, Outcome, Refused, check_secrets, settled
from gof3r.migrate.ordered import How
from gof3r.migrate.states import Entry, State
from gof3r.places import place
from tests.migrate.samples import RECEIPT, item

SSE_C = "x-amz-server-side-encryption-customer-key"
HERE = {"AWS_ENDPOINT_URL_S3": "http://10.0.0.1:9000", "AWS_REGION": "eu-west-1"}
THERE = {"AWS_ENDPOINT_URL_S3": "http://else:1", "AWS_REGION": "us-west-2"}


@pytest.mark.parametrize(
    "config",
    [
        Config(),
        Config(endpoint="http://127.0.0.1:1"),
        Config(endpoint="s3.example.com", ssl=False, path_style=True),
        Config(region="ap-south-1"),
        Config(endpoint="https://127.0.0.1:1", ca_bundle=__file__),
    ],
)
@pytest.mark.parametrize("environ", [{}, HERE])
def test_a_place_is_the_same_wherever_it_is_asked_for(config: Config, environ: dict[str, str]) -> None:
    environ = {"AWS_REGION": "eu-north-1", **environ}
    how = settled(How(config, replace(config, profile="")), environ)
    for each in (how.config, how.source):
        assert place(each, THERE) == place(config, environ)
        assert settled(how, THERE) == how


def test_an_errand_has_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {**HERE, "AWS_ACCESS_KEY_ID": "AKIDHERE", "AWS_SECRET_ACCESS_KEY": "SECRETHERE"}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    how = settled(How(Config(), Config(profile="old")), environ)
    check_secrets(how)
    errand = Errand("k", "t", "1", Carry((Entry(1, item(1), State.TODO, 0, None, None),), how))
    data = pickle.dumps(errand)
    assert b"AKIDHERE" not in data and b"SECRETHERE" not in data
    assert b"old" in data
    assert pickle.loads(data) == errand


KEYS = Config(access_key="AKID", secret_key="SECRET")


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (How(KEYS, Config()), "keys given outright"),
        (How(Config(), KEYS), "keys given outright"),
        (How(Config(), Config(), headers=((SSE_C, "KEY"),)), "SSE-C"),
        (How(Config(), Config(), headers=((SSE_C.upper(), "KEY"),)), "SSE-C"),
        (How(Config(), Config(), source_headers=((f"{SSE_C}-md5", "KEY"),)), "SSE-C"),
    ],
)
def test_secrets_stay_here(how: How, said: str) -> None:
    with pytest.raises(UsageError, match=said) as raised:
        check_secrets(how)
    assert "KEY" not in str(raised.value) and "SECRET" not in str(raised.value)


def test_other_headers_and_profiles_may_go() -> None:
    headers = (("x-amz-server-side-encryption", "aws:kms"), ("x-amz-meta-a", "b"))
    check_secrets(How(Config(profile="a"), Config(sign=False), headers=headers))


def test_an_outcome_tells_of_what_has_arrived_or_failed() -> None:
    outcome = Outcome((Arrived(1, RECEIPT), Arrived(2, RECEIPT)), (Refused(3, "403", "no", False),))
    assert outcome.told == {1, 2, 3}
    assert Outcome().told == set()
