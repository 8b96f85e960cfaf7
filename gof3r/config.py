"""The settings of a user: one frozen, checked ``Config``, the same for the command line and the library.

Theory: a setting is what the user said, and nothing else. An empty one was not given; where it is then taken
from (the environment, AWS's files) is the business of ``places``. So a ``Config`` can be made anywhere, is
compared by value, and never depends on the machine. It is checked where it is made: what is in it can be
used, as far as that can be known without looking anywhere.

It must not know how options are spelled on the command line, nor what a transfer does with its settings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, fields

from gof3r.engine import orders
from gof3r.engine.errors import UsageError, one_line
from gof3r.engine.s3.request import parse_endpoint

AUTO = "auto"
CONCURRENCY = 10  # s3gof3r's default, as are the next two
PART_SIZE = 20_971_520
RETRIES = 10
MAX_CONCURRENCY = 10_000  # no object has more parts
MIN_RATE = 4096
"""Bytes a second: what moves less than 1 KiB of them for 20 s is taken for dead, and tried again."""

CHECKSUMS = ("md5", "crc64nvme")

_ANY = 10**9  # for numbers that have no limit of their own
_UNITS = {"": 1, "B": 1}
for _power, _letter in enumerate("KMGT", 1):
    # As in dd, head and split: a bare letter counts in 1024s, with B it counts in 1000s.
    _UNITS |= {_letter: 1024**_power, f"{_letter}IB": 1024**_power, f"{_letter}B": 1000**_power}
_SIZE = re.compile(r"([0-9]+) *([A-Za-z]*)")
MAX_SIZE = 1 << 50
"""Bytes: twenty times S3's largest object, and more than any machine has memory for slots."""
_AGE = re.compile(r"([0-9]{1,9})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_REGION = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """How S3 is reached and how bytes are moved. Raises UsageError, one line, for what cannot be used."""

    endpoint: str = ""
    """Host or URL of the S3 service."""
    region: str = ""
    profile: str = ""
    """Of AWS's files. Given here, its keys overrule those in the environment."""
    access_key: str = ""
    """Keys given outright: nobody is asked for others."""
    secret_key: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    sign: bool = True
    """False: requests go out unsigned, as public objects allow."""
    path_style: bool = False
    """The bucket goes into the path even where a host name could carry it."""
    ssl: bool = True
    """False: http, unless the endpoint says https."""
    ca_bundle: str = ""
    """A file of PEM certificates to trust instead of the usual ones."""
    retries: int = RETRIES
    """Attempts at one request, the first included."""
    concurrency: int | str = CONCURRENCY
    """Parts in flight at once; ``"auto"`` to find out, within ``memory``."""
    part_size: int | str = PART_SIZE
    """Bytes, or a text that ``parse_size`` takes; S3's limits are applied by whoever plans the parts."""
    md5: bool = True
    """Whether the md5 of the whole stream is computed and kept beside the object, or read from there."""
    checksums: tuple[str, ...] = CHECKSUMS
    """What is computed, sent and proven: names out of CHECKSUMS, at least one."""
    workers: int | None = None
    """Processes that move parts; None to choose by the machine."""
    memory: int | str | None = None
    """Bytes of all slots, or a size's text; None for ``part_size`` times ``concurrency`` (with ``"auto"``: a
    quarter of the memory that is free)."""
    limit_rate: int | str | None = None
    """Bytes a second over all connections, or a size's text; None for any."""

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if each.type in ("bool", "str") and type(value).__name__ != each.type:
                raise UsageError(one_line(f"{each.name.replace('_', ' ')}: {value!r} is no {each.type}"))
        if self.endpoint:
            parse_endpoint(self.endpoint, self.ssl)
        if self.region:
            check_region(self.region)
        _check_keys(self.access_key, self.secret_key, self.token)
        _check_number("retries", self.retries, _ANY)
        if self.concurrency != AUTO:
            _check_number("concurrency", self.concurrency, MAX_CONCURRENCY)
        if self.workers is not None:
            _check_number("workers", self.workers, orders.MAX_WORKERS)
        # In a frozen dataclass this is how a field gets its final form.
        object.__setattr__(self, "checksums", _checksums(self.checksums))
        object.__setattr__(self, "part_size", _size("part size", self.part_size))
        for name, words in (("memory", "memory"), ("limit_rate", "rate limit")):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else _size(words, value))
        if self.limit_rate is not None and parse_size(self.limit_rate) < MIN_RATE:
            raise UsageError(f"rate limit: less than {MIN_RATE} bytes a second cannot be told from a stall")

    @property
    def sidecar(self) -> bool:
        """Whether the object's md5 is written, or read, beside it."""
        return self.md5 and "md5" in self.checksums

    @property
    def unproven(self) -> bool:
        """Whether an object that nothing can prove is taken on its length and ETag."""
        return not self.md5


def parse_size(size: int | str) -> int:
    """Bytes from ``20971520``, ``20MB``, ``20 MB``, ``64MiB``, ``64M``, in either case. Raises UsageError.

    MB is 10^6 bytes, MiB is 2^20, and so is a bare M, as for ``dd``, ``head`` and ``split``.
    """
    match = _SIZE.fullmatch(str(size).strip())
    unit = _UNITS.get(match[2].upper()) if match else None
    if match is None or unit is None:
        raise UsageError(one_line(f"not a size (examples: 20971520, 20MB, 64MiB): {size!r}"))
    digits = match[1].lstrip("0") or "0"
    if len(digits) > 16 or int(digits) * unit > MAX_SIZE:
        raise UsageError(one_line(f"a size is at most {MAX_SIZE >> 40} TiB, not {size!r}"))
    return int(digits) * unit


def parse_age(text: str) -> int:
    """Seconds from ``90s``, ``30m``, ``12h``, ``7d``. Raises UsageError.

    A number has its unit, or is 0: what is deleted by age should not be a matter of guessing it.
    """
    text = text.strip()
    if text == "0":
        return 0
    match = _AGE.fullmatch(text.lower())
    if match is None:
        raise UsageError(one_line(f"not a time (examples: 90s, 30m, 12h, 7d): {text!r}"))
    return int(match[1]) * _SECONDS[match[2]]


def check_region(region: str) -> None:
    """Raise UsageError unless ``region`` can be part of a signature and of a host's name."""
    if not _REGION.fullmatch(region):
        raise UsageError(one_line(f"{region!r} is not a region (example: us-east-1)"))


def _check_keys(access_key: str, secret_key: str, token: str) -> None:
    if bool(access_key) != bool(secret_key) or (token and not access_key):
        raise UsageError("keys: access_key and secret_key are given together, token only beside them")
    for name, key in (("access_key", access_key), ("secret_key", secret_key), ("token", token)):
        if not key.isprintable() or " " in key:
            raise UsageError(f"{name} holds a space or a control character (a line's end from a file?)")


def _check_number(name: str, value: object, most: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        limit = f"from 1 to {most}" if most < _ANY else "of at least 1"
        raise UsageError(one_line(f"{name}: {value!r} is not a whole number {limit}"))


def _size(name: str, value: int | str) -> int:
    try:
        size = parse_size(value)
    except UsageError as error:
        raise UsageError(one_line(f"{name}: {error}")) from None
    if size < 1:
        raise UsageError(f"{name}: it must be at least one byte")
    return size


def _checksums(given: Iterable[str]) -> tuple[str, ...]:
    words = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, Iterable) else ()
    if not all(isinstance(word, str) for word in words):
        raise UsageError(one_line(f"checksums: {given!r} are not all names"))
    names = {word.strip().lower() for word in words}
    for name in sorted(names.difference(CHECKSUMS)) or ([] if names else [""]):
        raise UsageError(one_line(f"checksums: {name!r} is none of {', '.join(CHECKSUMS)}"))
    return tuple(name for name in CHECKSUMS if name in names)
