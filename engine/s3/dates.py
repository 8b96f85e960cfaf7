"""The two ways in which S3 writes a moment: HTTP's in headers, ISO 8601's in XML; both to epoch seconds.
And the header that may be one, Retry-After.

Not by ``email.utils``, whose imports would be a twelfth of the memory that all processes have, and not by
``fromisoformat``, which takes S3's form only from Python 3.11 on.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_HTTP = re.compile(  # RFC 9110's IMF-fixdate, the only form that a server may send
    rf"[A-Z][a-z]{{2}}, ([0-9]{{2}}) ({'|'.join(_MONTHS)}) ([0-9]{{4}}) "
    r"([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"
)
_ISO = re.compile(  # always UTC; S3 writes three digits behind the dot, others more or none
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(\.[0-9]{1,9})?Z"
)


def http_date(text: str) -> float | None:
    """None for anything else and outside 1970 to 2106: it sets a clock."""
    match = _HTTP.fullmatch(text.strip())
    if match is None:
        return None
    day, year, hour, minute, second = (int(match[group]) for group in (1, 3, 4, 5, 6))
    seconds = _epoch(year, _MONTHS.index(match[2]) + 1, day, hour, minute, second)
    return seconds if seconds is not None and 0 <= seconds < 1 << 32 else None


def iso_date(text: str) -> float | None:
    """None for anything else."""
    match = _ISO.fullmatch(text.strip())
    if match is None:
        return None
    seconds = _epoch(*(int(group) for group in match.groups()[:6]))
    return None if seconds is None else seconds + float(match[7] or 0)


def retry_after(text: str, server_time: float | None) -> float | None:
    """Seconds to wait. A date counts from the server's own clock, and only when the answer tells it."""
    if re.fullmatch("[0-9]{1,9}", text.strip()):
        return float(text)
    until = http_date(text)
    return None if until is None or server_time is None else max(0.0, until - server_time)


def _epoch(*moment: int) -> float | None:
    year, month, day, hour, minute, second = moment
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc).timestamp()
    except ValueError:  # no such day
        return None
