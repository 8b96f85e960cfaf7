"""Whether a failed attempt is made again, and when: the one place that decides about any retry.

Theory. A failure is retried when the same request may succeed later: the server is busy or broken (5xx, 408,
429), the network lost it, or the bytes were damaged on the way. Everything not listed here is fatal: the
server understood the request and refused it (other 4xx, 501, redirects, expired credentials), or trying again
cannot help (an untrusted certificate, curl 60 and 77). S3's code counts as much as the status: S3 answers
RequestTimeout with 400, RequestTimeTooSkewed with 403, and errors of CompleteMultipartUpload with 200.

Waits have equal jitter (uniform between half of a bound that doubles, and all of it). Full jitter, from
nothing on, spreads better ("Exponential Backoff And Jitter", AWS Architecture Blog, 2015), but the first part
whose attempts run out ends the transfer, and of ten parts one is always unlucky. A second limit holds for the
transfer as a whole: every retry spends a token of a ``Budget``, so that an outage met by 128 parts at once
does not become a flood.

Pure: the clock and the random number are arguments. It does not know parts, slots or connections; how many
workers may be lost, and how long nothing may move, is decided in the transfer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..values import Failure

RETRIED_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
"""Timeouts, throttling, and broken servers or gateways. Not 501: it will be as unimplemented next time."""

THROTTLING_CODES = frozenset(
    {
        "SlowDown",  # S3, 503
        "SlowDownRead",  # MinIO's two kinds of SlowDown
        "SlowDownWrite",
        "Throttling",  # the rest: AWS's other names for it, as other stores use them
        "ThrottlingException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "TooManyRequests",
        "TooManyRequestsException",
        "BandwidthLimitExceeded",
    }
)

DAMAGED_CODES = frozenset(
    {
        "BadDigest",  # Content-MD5 or a checksum header does not match what arrived
        "XAmzContentChecksumMismatch",
        "IncompleteBody",  # fewer bytes than Content-Length
    }
)
"""Not the bytes that we sent arrived: tried again on another connection."""

RETRIED_CODES = frozenset(
    {
        "InternalError",  # also inside a 200
        "ServiceUnavailable",  # also inside a 200
        "RequestTimeout",  # 400: the connection was idle for too long while S3 wanted the body
    }
)

EXPIRED_CODES = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})
"""Of credentials that were good once: S3's word, STS's, and that of S3's error list for the same."""

Newer = Literal["none", "here", "to come"]
"""Credentials newer than the ones that a request was signed with: whether there are any."""

CLOCK_CODE = "RequestTimeTooSkewed"
"""403: our clock is more than 15 minutes off. The answer's Date tells by how much."""

RETRIED_CURL = {
    "1": "UNSUPPORTED_PROTOCOL",  # what answers begins with no HTTP/1.x: taken for HTTP/0.9
    "5": "COULDNT_RESOLVE_PROXY",
    "6": "COULDNT_RESOLVE_HOST",
    "7": "COULDNT_CONNECT",
    "8": "WEIRD_SERVER_REPLY",
    "16": "HTTP2",
    "18": "PARTIAL_FILE",
    "28": "OPERATION_TIMEDOUT",
    "35": "SSL_CONNECT_ERROR",
    "52": "GOT_NOTHING",
    "55": "SEND_ERROR",
    "56": "RECV_ERROR",
    "65": "SEND_FAIL_REWIND",
    "92": "HTTP2_STREAM",
    "100": "TOO_LARGE",  # headers without an end
}
"""curl's number to its name, less CURLE_ (libcurl-errors(3))."""

SLOW = "slow"
"""Not curl's: we have given the request up ourselves, for being slower than the others (``tail``)."""

NAME_CURL = frozenset({"5", "6"})
NAME_ATTEMPTS = 3
"""For a name that has never resolved: a typo should not wait, one lost DNS answer should not fail."""

CHECK_RETRIES = 1
"""For bytes that fail a check: once is the network, twice is the object or the machine."""

BASE = 0.2
"""Seconds that bound the first wait. The nine of ten attempts are so 33 to 65 s together: a store is
restarted within them. With 0.05 and a jitter from nothing, the first of 10 parts to run out ended 83% of
transfers in an outage of 10 s (measured with the real decisions in simulated time)."""
THROTTLING_BASE = 1.0
"""The same after throttling: S3 scales a prefix over minutes, so hurrying only adds to the load."""
CAP = 20.0
"""Seconds that no bound exceeds."""
RETRY_AFTER_CAP = 60.0
"""Seconds that a server's Retry-After may hold a part at most. A gateway in maintenance may say an
hour; asking it once a minute harms nobody, where a silent hour looks like a hang."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Make the attempt again."""

    after: float
    """Seconds to wait first, before what the budget adds."""
    fresh: bool = False
    """On a new connection: the old one is suspect."""
    throttled: bool = False
    """The server asks for fewer requests: also lower the concurrency."""
    correct_clock: bool = False
    """First take the skew from the failure's ``server_time``."""
    region: str = ""
    """First turn to this region, for all requests to the bucket."""
    renew: bool = False
    """First look for newer credentials, for all requests of the role."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Do not try again."""

    reason: str
    """A phrase for the error line, to stand after what failed."""


FATAL = GiveUp("will not change by trying again")


def decide(
    failure: Failure,
    attempt: int,
    failed_checks: int,
    *,
    attempts: int,
    resolved: bool,
    random: float,
    region: str = "",
    moved_to: str = "",
    newer: Newer = "none",
) -> Retry | GiveUp:
    """What to do after ``failure`` of attempt number ``attempt`` (from 1) out of ``attempts``.

    ``failed_checks`` counts this part's failures of kind ``check``, this one included. ``resolved``: the
    endpoint's name has resolved at least once. ``random`` is uniform in [0, 1). ``region`` is the one that
    the attempt was signed for, ``moved_to`` the one that the server has named for this bucket before.
    ``newer``: the credentials that there are now, beside those of the attempt.
    """
    if failure.kind == "lost":
        return Retry(0.0)  # neither the server's nor the network's doing: nothing to wait for
    if failure.region not in ("", region):
        if not moved_to:
            return Retry(0.0, region=failure.region)
        if region != moved_to:
            return Retry(0.0)  # sent before the region was known
    if failure.code in EXPIRED_CODES and newer != "none" and attempt < max(attempts, 2):
        return Retry(0.0, renew=newer == "to come")
    retry = _kind_of_retry(failure, random, attempt)
    if retry is None:
        return FATAL
    if failure.kind == "check" and failed_checks > CHECK_RETRIES:
        return GiveUp("again, on a fresh connection")
    if failure.kind == "transport" and failure.code in NAME_CURL and not resolved:
        attempts = min(attempts, NAME_ATTEMPTS)
    if attempt >= attempts:
        return GiveUp(f"after {attempt} attempt{'s' if attempt > 1 else ''}")
    return retry


def _kind_of_retry(failure: Failure, random: float, attempt: int) -> Retry | None:
    """How to retry ``failure`` if any attempts are left; None when it is fatal."""
    after = _jitter(BASE, attempt, random)
    if failure.kind == "check":
        return Retry(after, fresh=True)
    if failure.kind == "transport":
        if failure.code == SLOW:
            return Retry(0.0, fresh=True)
        return Retry(after) if failure.code in RETRIED_CURL else None
    # Waits are added, not the larger taken: 128 parts told "5 seconds" should not return as one.
    asked = min(max(failure.retry_after or 0.0, 0.0), RETRY_AFTER_CAP)
    if is_throttling(failure):
        return Retry(asked + _jitter(THROTTLING_BASE, attempt, random), throttled=True)
    if failure.code == CLOCK_CODE:
        return Retry(asked + after, correct_clock=True) if failure.server_time is not None else None
    if failure.code in DAMAGED_CODES:
        return Retry(asked + after, fresh=True)
    if failure.code in RETRIED_CODES or failure.status in RETRIED_STATUSES:
        return Retry(asked + after)
    return None


def is_throttling(failure: Failure) -> bool:
    """The server refused because there are too many requests: it has not acted on this one."""
    if failure.code in THROTTLING_CODES or failure.status == 429:
        return True
    return failure.status == 503 and not failure.code  # to HEAD, SlowDown comes without a body to say so


def _jitter(base: float, attempt: int, random: float) -> float:
    doublings = min(attempt - 1, 10)  # reaches CAP from either base, and keeps 2**attempt a float
    return (1 + random) / 2 * min(CAP, base * (1 << doublings))


# The numbers of the budget. A success earns half a token and a retry spends one, so as long as fewer than a
# third of all requests fail the bucket does not sink, at any rate and for any time (0.3 spent, 0.35 earned);
# CAPACITY carries uneven runs: two rounds of failures of 128 parts. In an outage nothing is earned: after
# those 256 retries the transfer makes 10 a second, hardly fewer than 128 parts at the capped backoff would
# (one in 10 s each); 10 parts never notice. Of 128 parts the last waits 13 s longer than its backoff.
CAPACITY = 256.0
EARNED = 0.5
REFILL = 10.0
"""Tokens per second."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How many retries a whole transfer may make: a token bucket as a value.

    It delays and never fails: an empty bucket goes into debt, and the debt is the wait, which queues the
    retries one behind the other. ``now`` is seconds of any clock that does not go back.
    """

    tokens: float = CAPACITY
    """Tokens at ``at``; negative: retries that have been promised a token to come."""
    at: float = 0.0

    def spend(self, now: float) -> tuple[Budget, float]:
        """Take a token for one retry; seconds until it is there (0 when it is at hand)."""
        left = self._tokens(now) - 1
        return Budget(left, now), max(0.0, -left / REFILL)

    def earn(self, now: float) -> Budget:
        """A request has succeeded."""
        return Budget(min(CAPACITY, self._tokens(now) + EARNED), now)

    def _tokens(self, now: float) -> float:
        return min(CAPACITY, self.tokens + (now - self.at) * REFILL)
