"""Storms: for a while the server throttles, breaks or resets a share of all requests, or every one.

A whole transfer is played against it, in simulated seconds: a part takes about one to be answered, a refusal
a fifth. What must hold follows from the code: ``throttle.Window`` halves once a second and climbs by one a
second, ``retry.Budget`` gives a token to every retry, ``retry.decide`` ends after ten attempts.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from math import inf
from random import Random
from statistics import median

import pytest

from gof3r.engine.flow import plan
from gof3r.engine.flow.retry import CAP, CAPACITY, EARNED, REFILL
from gof3r.engine.flow.throttle import PACE
from gof3r.engine.values import Job
from tests.flow.scripts import REFUSED, RESET, Result, Script, honest, instead
from tests.flow.store import FROM, OBJECT, Store, error
from tests.flow.transfers import copy, get, put
from tests.flow.world import STARTED, World

PART = 8
"""Bytes; ``put``, ``get`` and ``copy`` have it so."""
CONCURRENCY = 20
ATTEMPTS = 10
"""As by default."""
BEGINS = 10.0
"""Seconds of fair weather at first."""
REFUSED_AFTER = 0.2
SERVED_AFTER = 0.5, 1.5
"""Seconds until the answer."""

SLOW_DOWN = error(503, "SlowDown")
SLOW_DOWN_5 = error(503, "SlowDown", retry_after="5")
BROKEN = error(500, "InternalError")


@dataclass
class Storm:
    """From ``BEGINS`` on, for ``seconds``, ``share`` of the requests end in ``result``."""

    world: World
    result: Result
    share: float
    seconds: float

    def __post_init__(self) -> None:
        self._random = Random(1)
        self._refused: set[int] = set()
        self.ends = BEGINS + self.seconds
        self.world.tick = 0.0001
        self.world.latency = self._arrives
        self.world.default = self._answer

    def _arrives(self, job: Job) -> float:
        """Whether a request will be refused is decided as it comes."""
        now = self.world.now - STARTED
        if BEGINS <= now < self.ends and self._random.random() < self.share:
            self._refused.add(job.id)
            return REFUSED_AFTER
        return self._random.uniform(*SERVED_AFTER)

    def _answer(self, job: Job) -> Script:
        return instead(self.result) if job.id in self._refused else honest

    def in_flight(self, first: float, last: float) -> list[int]:
        """Part requests on the wire, second by second."""
        seen = [(at - STARTED, progress.in_flight) for at, progress in self.world.progress]
        return [in_flight for at, in_flight in seen if first <= at < last]

    @property
    def last_part(self) -> float:
        """When the last part went out for the first time: until then there was always one to send."""
        sent = zip(self.world.times, self.world.jobs, strict=True)
        return max(at for at, job in sent if job.part and job.attempt == 1) - STARTED


def transfer(verb: str, parts: int, concurrency: int = CONCURRENCY) -> tuple[World, bytes]:
    """A transfer of ``parts`` parts, and its bytes."""
    data = Random(verb).randbytes(parts * PART - 1)
    store = Store()
    if verb == "put":
        return put(data, store=store, slots=concurrency, concurrency=concurrency), data
    if verb == "get":
        store.keep(data, digests=("crc64nvme",))
        return get(store, slots=concurrency, concurrency=concurrency), data
    cuts = [PART] * (parts - 1) + [PART - 1]
    store.keep(data, path=FROM, cuts=cuts, digests=("crc64nvme",))
    return copy(store, server_side=False, slots=concurrency, concurrency=concurrency), data


def assert_all_is_there(world: World, data: bytes) -> None:
    """Success, with exactly these bytes."""
    assert world.receipt.size == len(data)
    assert world.receipt.proofs
    assert (world.delivered or world.store.objects[OBJECT].data) == data
    assert not world.store.uploads


def assert_within_budget(world: World) -> None:
    """Since the first failure each retry had a token: of those that there were, that successes have earned,
    or that time has brought."""
    first = min(at for at, verdict in world.verdicts if verdict.failure)
    successes = [at for at, verdict in world.verdicts if not verdict.failure and at > first]
    retries = [at for at, job in zip(world.times, world.jobs, strict=True) if job.attempt > 1]
    for count, at in enumerate(retries, 1):
        assert count <= CAPACITY + EARNED * bisect_right(successes, at) + REFILL * (at - first) + 1e-6
    assert max(job.attempt for job in world.jobs) <= ATTEMPTS


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "MIN_PART", 1)  # or a copy takes larger ones


@pytest.mark.parametrize(
    ("result", "share", "seconds"),
    [(SLOW_DOWN, 0.3, 60.0), (SLOW_DOWN, 1.0, 20.0), (SLOW_DOWN_5, 0.3, 60.0)],
    ids=["30-percent", "all", "30-percent-with-retry-after"],
)
@pytest.mark.parametrize("verb", ["put", "get", "copy"])
def test_a_server_that_throttles_is_asked_less_and_afterwards_as_much_as_before(
    verb: str, result: Result, share: float, seconds: float
) -> None:
    world, data = transfer(verb, 1200 if verb != "copy" else 600)
    storm = Storm(world, result, share, seconds)
    world.run()
    assert_all_is_there(world, data)
    assert_within_budget(world)
    before = median(storm.in_flight(3, BEGINS))
    falls = 5 * PACE  # of CONCURRENCY, four halvings leave one
    during = median(storm.in_flight(BEGINS + falls, storm.ends))
    after = storm.in_flight(storm.last_part - 10, storm.last_part)
    assert before >= 0.75 * CONCURRENCY  # of a get, slots also wait for their turn
    assert during <= 0.2 * CONCURRENCY
    assert storm.last_part > storm.ends + 10, "there was something left to do"
    assert median(after) >= 0.8 * before  # what is on its way to its turn comes and goes
    assert world.dispatch._window.limit == CONCURRENCY
    calm = len([job for job in world.jobs if job.attempt == 1]) / before * sum(SERVED_AFTER) / 2
    assert world.now - STARTED <= calm + seconds + CAP + CONCURRENCY * PACE * 1.5


@pytest.mark.parametrize(
    ("verb", "result"),
    [("put", BROKEN), ("get", RESET), ("copy", BROKEN)],
    ids=["put-500", "get-reset", "copy-500"],
)
def test_a_server_that_fails_30_percent_of_requests_is_asked_within_the_budget_until_all_is_there(
    verb: str, result: Result
) -> None:
    world, data = transfer(verb, 1200 if verb != "copy" else 600)
    storm = Storm(world, result, 0.3, 60.0)
    world.run()
    assert_all_is_there(world, data)
    assert_within_budget(world)
    assert storm.last_part > BEGINS + 30, "most of the storm was met"
    calm = len([job for job in world.jobs if job.attempt == 1]) / CONCURRENCY * sum(SERVED_AFTER) / 2
    assert world.now - STARTED <= 2 * calm


def test_an_outage_met_by_128_parts_is_bridged_by_no_more_retries_than_the_budget_has() -> None:
    world, data = transfer("put", 1600, concurrency=128)
    storm = Storm(world, RESET, 1.0, 20.0)
    world.run()
    assert_all_is_there(world, data)
    assert_within_budget(world)
    sent = zip(world.times, world.jobs, strict=True)
    retries = sum(job.attempt > 1 and at - STARTED < storm.ends for at, job in sent)
    assert retries > CAPACITY, "the outage was long enough to empty the bucket"


@pytest.mark.parametrize(
    ("verb", "result"),
    [("put", SLOW_DOWN), ("put", RESET), ("get", SLOW_DOWN), ("get", BROKEN), ("copy", SLOW_DOWN)],
    ids=["put-503", "put-reset", "get-503", "get-500", "copy-503"],
)
def test_a_storm_without_end_ends_in_one_error_after_the_attempts_and_leaves_only_what_it_names(
    verb: str, result: Result
) -> None:
    world, data = transfer(verb, 1200 if verb != "copy" else 600)
    Storm(world, result, 1.0, inf)
    world.run()
    failure = world.error.failure  # type: ignore[attr-defined]
    assert failure.code in str(world.error)
    assert f"after {ATTEMPTS} attempts" in str(world.error)
    assert_within_budget(world)
    assert OBJECT not in world.store.objects or verb == "get"
    assert data.startswith(world.delivered)
    # The abort met the storm, too.
    assert bool(world.store.uploads) == (verb != "get")
    told = [text for text in world.warnings if "could not be aborted; remove it with" in text]
    assert len(told) == len(world.store.uploads)


@pytest.mark.parametrize("verb", ["put", "copy"])
def test_parts_that_are_throttled_for_ever_are_given_up_and_their_upload_is_aborted(verb: str) -> None:
    world, _ = transfer(verb, 1200 if verb != "copy" else 600)
    Storm(world, SLOW_DOWN, 1.0, inf)
    world.on("abort_multipart_upload", honest).on("list_parts", honest)
    world.run()
    assert "SlowDown" in str(world.error) and f"after {ATTEMPTS} attempts" in str(world.error)
    assert not world.store.uploads
    assert world.log.index("silent") < world.log.index("abort_multipart_upload")


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("result", [REFUSED, RESET, BROKEN], ids=["refused", "reset", "500"])
def test_an_outage_of_half_a_minute_is_bridged_at_the_default_concurrency(result: Result, seed: int) -> None:
    """Of ten parts one is always unlucky, and it would end the transfer."""
    data = Random(seed).randbytes(PART * 300)
    world = put(data, slots=10, concurrency=10)
    world.random.seed(seed)
    Storm(world, result, 1.0, 30.0)
    world.run()
    assert_all_is_there(world, data)
