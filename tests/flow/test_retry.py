"""Every row of the decision about retries, the bounds of its waits, and the budget in storms and outages."""

from __future__ import annotations

import heapq
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gof3r.engine.flow.retry import CAPACITY, EARNED, REFILL, Budget, GiveUp, Newer, Retry, decide
from gof3r.engine.values import Failure

FIRST = 0.75 * 0.2
THROTTLED = 0.75 * 1.0
"""Seconds of the first wait at a random number of 0.5."""

WILL_NOT_CHANGE = GiveUp("will not change by trying again")


def server(status: int, code: str = "", retry_after: float | None = None) -> Failure:
    return Failure("server", code, status=status, retry_after=retry_after, server_time=1_700_000_000.0)


def after(
    failure: Failure,
    attempt: int = 1,
    failed_checks: int = 0,
    *,
    attempts: int = 10,
    resolved: bool = True,
    random: float = 0.5,
    region: str = "",
    moved_to: str = "",
    newer: Newer = "none",
) -> Retry | GiveUp:
    return decide(
        failure,
        attempt,
        failed_checks,
        attempts=attempts,
        resolved=resolved,
        random=random,
        region=region,
        moved_to=moved_to,
        newer=newer,
    )


MOVED = Failure("server", "PermanentRedirect", status=301, region="eu-west-1")
"""Asked in us-east-1, of a bucket in eu-west-1."""


@pytest.mark.parametrize(
    ("region", "moved_to", "decision"),
    [
        ("us-east-1", "", Retry(0.0, region="eu-west-1")),
        ("us-east-1", "eu-west-1", Retry(0.0)),  # sent before another request learned the region
        ("eu-west-1", "eu-west-1", WILL_NOT_CHANGE),  # it is asked there and says so all the same
        ("eu-north-1", "eu-north-1", WILL_NOT_CHANGE),  # sent on twice: a loop
    ],
)
def test_a_bucket_elsewhere_is_asked_there_at_once_and_only_once(
    region: str, moved_to: str, decision: Retry | GiveUp
) -> None:
    assert after(MOVED, region=region, moved_to=moved_to) == decision


def test_a_bucket_elsewhere_is_asked_there_also_when_one_attempt_is_all() -> None:
    assert after(MOVED, attempts=1, region="us-east-1") == Retry(0.0, region="eu-west-1")


@pytest.mark.parametrize("code", ["ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"])
@pytest.mark.parametrize(
    ("newer", "decision"),
    [
        ("to come", Retry(0.0, renew=True)),
        ("here", Retry(0.0)),
        ("none", WILL_NOT_CHANGE),
    ],
)
def test_expired_credentials_are_renewed_where_that_is_possible(
    code: str, newer: Newer, decision: Retry | GiveUp
) -> None:
    assert after(server(400, code), newer=newer) == decision
    assert after(server(400, code), newer=newer, attempts=1) == decision


def test_credentials_that_are_always_expired_are_not_renewed_for_ever() -> None:
    assert after(server(400, "ExpiredToken"), attempt=10, newer="to come") == WILL_NOT_CHANGE


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_a_busy_or_broken_server_is_asked_again(status: int) -> None:
    assert after(server(status, "SomethingElse")) == Retry(FIRST)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "RequestTimeout"),
        (500, "InternalError"),
        (200, "InternalError"),
        (503, "ServiceUnavailable"),
        (200, "ServiceUnavailable"),
    ],
)
def test_an_s3_code_is_retried_whatever_its_status(status: int, code: str) -> None:
    assert after(server(status, code)) == Retry(FIRST)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (503, "SlowDown"),
        (200, "SlowDown"),
        (503, ""),  # HEAD: no body
        (503, "SlowDownRead"),
        (503, "SlowDownWrite"),
        (429, ""),
        (429, "Anything"),
        (400, "Throttling"),
        (400, "ThrottlingException"),
        (503, "RequestLimitExceeded"),
        (400, "RequestThrottled"),
        (400, "TooManyRequests"),
        (400, "TooManyRequestsException"),
        (509, "BandwidthLimitExceeded"),
    ],
)
def test_throttling_waits_from_a_second_and_lowers_the_concurrency(status: int, code: str) -> None:
    assert after(server(status, code)) == Retry(THROTTLED, throttled=True)


@pytest.mark.parametrize("code", ["BadDigest", "XAmzContentChecksumMismatch", "IncompleteBody"])
def test_bytes_damaged_on_the_way_are_sent_again_on_a_fresh_connection(code: str) -> None:
    assert after(server(400, code)) == Retry(FIRST, fresh=True)


def test_a_skewed_clock_is_corrected_from_the_servers_date() -> None:
    assert after(server(403, "RequestTimeTooSkewed")) == Retry(FIRST, correct_clock=True)


def test_a_skewed_clock_is_fatal_when_the_server_gives_no_date() -> None:
    assert after(Failure("server", "RequestTimeTooSkewed", status=403)) == WILL_NOT_CHANGE


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (301, "PermanentRedirect"),
        (307, "TemporaryRedirect"),
        (304, ""),
        (400, "InvalidArgument"),
        (400, "ExpiredToken"),
        (400, "InvalidToken"),
        (401, ""),
        (403, "AccessDenied"),
        (403, "SignatureDoesNotMatch"),
        (404, "NoSuchUpload"),
        (404, "NoSuchKey"),
        (409, "ConditionalRequestConflict"),
        (412, "PreconditionFailed"),
        (416, "InvalidRange"),
        (200, "AccessDenied"),
        (501, "NotImplemented"),
        (505, ""),
        (0, ""),
    ],
)
def test_what_the_server_understood_and_refused_is_not_tried_again(status: int, code: str) -> None:
    assert after(server(status, code)) == WILL_NOT_CHANGE


@pytest.mark.parametrize("code", ["5", "6", "7", "16", "18", "28", "35", "52", "55", "56", "65", "92"])
def test_a_network_error_is_tried_again(code: str) -> None:
    assert after(Failure("transport", code)) == Retry(FIRST)


@pytest.mark.parametrize("code", ["60", "77", "22", "23", "26", "42", "43", "51", "58", "63", ""])
def test_an_untrusted_certificate_and_any_other_curl_error_is_fatal(code: str) -> None:
    assert after(Failure("transport", code)) == WILL_NOT_CHANGE


@pytest.mark.parametrize("code", ["5", "6"])
def test_a_name_that_has_never_resolved_gets_three_attempts(code: str) -> None:
    failure = Failure("transport", code)
    assert isinstance(after(failure, 2, resolved=False), Retry)
    assert after(failure, 3, resolved=False) == GiveUp("after 3 attempts")
    assert isinstance(after(failure, 9, resolved=True), Retry)
    assert after(failure, 2, attempts=2, resolved=False) == GiveUp("after 2 attempts")


def test_only_names_are_cut_to_three_attempts_before_the_first_resolution() -> None:
    assert isinstance(after(Failure("transport", "7"), 9, resolved=False), Retry)


def test_a_failed_check_is_tried_once_more_on_a_fresh_connection() -> None:
    failure = Failure("check", "md5")
    assert after(failure, 1, 1) == Retry(FIRST, fresh=True)
    assert after(failure, 5, 2) == GiveUp("again, on a fresh connection")


def test_earlier_failed_checks_do_not_forbid_retries_of_other_failures() -> None:
    assert isinstance(after(server(503, "SlowDown"), 5, 1), Retry)


@pytest.mark.parametrize("attempt", [1, 10, 50])
def test_a_lost_worker_costs_its_parts_no_attempt_and_no_wait(attempt: int) -> None:
    assert after(Failure("lost", "3"), attempt) == Retry(0.0)


@pytest.mark.parametrize(
    "failure",
    [server(500), server(503, "SlowDown"), server(400, "BadDigest"), Failure("transport", "56")],
)
def test_the_last_attempt_is_the_last(failure: Failure) -> None:
    assert isinstance(after(failure, 9), Retry)
    assert after(failure, 10) == GiveUp("after 10 attempts")
    assert after(failure, 1, attempts=1) == GiveUp("after 1 attempt")


def test_a_fatal_failure_of_the_last_attempt_is_called_fatal() -> None:
    assert after(server(403, "AccessDenied"), 10) == WILL_NOT_CHANGE


@pytest.mark.parametrize(
    ("attempt", "plain", "throttled"),
    [(1, 0.2, 1), (2, 0.4, 2), (5, 3.2, 16), (6, 6.4, 20), (7, 12.8, 20), (8, 20, 20), (5000, 20, 20)],
)
def test_the_bound_of_the_wait_doubles_up_to_20_seconds(attempt: int, plain: float, throttled: float) -> None:
    for failure, bound in ((server(500), plain), (server(429), throttled)):
        retry = after(failure, attempt, attempts=10_000, random=1.0)
        assert isinstance(retry, Retry)
        assert retry.after == pytest.approx(bound)


@given(st.integers(1, 100), st.floats(0, 1, exclude_max=True))
def test_jitter_is_equal(attempt: int, random: float) -> None:
    whole = after(server(500), attempt, attempts=1000, random=1.0)
    part = after(server(500), attempt, attempts=1000, random=random)
    assert isinstance(whole, Retry) and isinstance(part, Retry)
    assert part.after == pytest.approx((1 + random) / 2 * whole.after)


@given(
    st.sampled_from([429, 500, 503]),
    st.integers(1, 20),
    st.floats(0, 1, exclude_max=True),
    st.floats(-10, 1e6),
)
def test_retry_after_is_a_minimum_up_to_a_minute(
    status: int, attempt: int, random: float, retry_after: float
) -> None:
    plain = after(server(status), attempt, attempts=100, random=random)
    asked = after(server(status, retry_after=retry_after), attempt, attempts=100, random=random)
    assert isinstance(plain, Retry) and isinstance(asked, Retry)
    assert asked.after >= min(max(retry_after, 0), 60)
    assert asked.after == pytest.approx(plain.after + min(max(retry_after, 0), 60))


def test_parts_told_the_same_retry_after_do_not_come_back_as_one() -> None:
    told = server(503, "SlowDown", retry_after=5.0)
    assert after(told, random=0.1) != after(told, random=0.9)


@pytest.mark.parametrize("seed", range(3))
def test_a_storm_in_which_30_percent_of_requests_fail_never_waits_for_the_budget(seed: int) -> None:
    random, budget = Random(seed), Budget()
    for _ in range(60 * 600):  # a minute at 600 a second, and time itself gives nothing
        wait = 0.0
        if random.random() < 0.3:
            budget, wait = budget.spend(0.0)
        else:
            budget = budget.earn(0.0)
        assert wait == 0


@pytest.mark.parametrize("seconds", [60, 600])
def test_an_outage_met_by_128_parts_makes_a_bounded_number_of_requests(seconds: int) -> None:
    budget, retries, longest = Budget(), 0, 0.0
    starts = [1000.0] * 128  # each fails at once, and its retry waits for nothing but the budget
    while starts[0] < 1000.0 + seconds:
        now = heapq.heappop(starts)
        budget, wait = budget.spend(now)
        longest = max(longest, wait)
        heapq.heappush(starts, now + wait)
        retries += 1
    assert CAPACITY + REFILL * seconds <= retries <= CAPACITY + REFILL * seconds + 128
    assert longest <= 12.8 + 1e-6


def test_retries_that_find_the_bucket_empty_queue_one_behind_the_other() -> None:
    budget, waits = Budget(tokens=1.0, at=50.0), []
    for _ in range(4):
        budget, wait = budget.spend(50.0)
        waits.append(wait)
    assert waits == pytest.approx([0, 0.1, 0.2, 0.3])


def test_success_and_time_fill_the_bucket_and_never_above_its_brim() -> None:
    empty = Budget(tokens=0.0, at=50.0)
    assert empty.earn(50.0).tokens == EARNED
    assert empty.spend(51.0) == (Budget(REFILL - 1, 51.0), 0.0)
    assert empty.earn(1e6).tokens == CAPACITY
    assert Budget().earn(5.0).tokens == CAPACITY
