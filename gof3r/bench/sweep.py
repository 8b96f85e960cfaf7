"""What is to be measured: every combination of the values that a command names.

Theory: a setting is what one request is (its size, whether it is a whole object or a part) and how many fly.
An object that one part holds has one setting, whatever the part size, and S3 takes no small parts: what comes
to the same thing is measured once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal, TypeVar, cast

from gof3r import ordering, resolve
from gof3r.arguments import Command
from gof3r.config import AUTO, Config, parse_age, parse_size
from gof3r.engine import orders
from gof3r.engine.errors import UsageError, one_line
from gof3r.engine.flow.plan import MAX_OBJECT, MAX_PART, MIN_PART
from gof3r.engine.s3.request import parse_bucket_url, parse_object_url
from gof3r.engine.values import Target

from .measured import Mode, Setting

SIZES = "1GiB"
PART_SIZES = "8MiB,20MiB,64MiB"
CONCURRENCIES = "5,10,20,40"
WORKERS = AUTO
DURATION = "10s"
WARMUP = "2s"
CHECKSUMS = ("crc64nvme",)
"""Enough to check every byte, and cheap: it is not this machine that is to be measured."""

LISTS = ("size", "partsize", "concurrency", "workers", "duration", "warmup")
"""Options that mean several values, or nothing to a transfer."""

GIVEN = ("region", "profile", "ca-bundle", "path-style", "no-ssl", "no-sign-request")
"""Options of the connection that whoever uses the result must give as well; the endpoint is in the run."""

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Sweep:
    """One run: what is measured, where, and for how long."""

    mode: Mode
    settings: tuple[Setting, ...]
    duration: int
    """Seconds of each, after ``warmup`` more."""
    warmup: int
    checksums: tuple[str, ...]
    url: str
    """As it was given."""
    target: Target
    """Whose key everything is below: nobody else's, and gone in the end."""
    terms: orders.Terms
    existing: bool
    """The target is an object that is there: it is read, and nothing is made."""
    given: tuple[str, ...] = ()
    """Options by which the endpoint is reached."""
    warnings: tuple[str, ...] = ()


def asked(command: Command, environ: Mapping[str, str], name: str) -> Sweep:
    """What ``command`` asks for; ``name`` tells this run from all others. Raises UsageError."""
    mode = cast(Literal["put", "get", "mixed"], command.arguments[0])
    existing = "existing" in command.flags
    if existing and (mode != "get" or "size" in command.options):
        raise UsageError("--existing: an object that is there has its size, and is only read")
    config, headers = _config(command), resolve.headers(command)
    bucket, key = (parse_object_url if existing else parse_bucket_url)(command.arguments[1])
    if not existing:
        key = f"{key}/gof3r-bench-{name}/" if key and not key.endswith("/") else f"{key}gof3r-bench-{name}/"
    order = ordering.info_order(config, environ, bucket, key, headers=headers)
    settings, warnings = _settings(command.options, mode, existing)
    return Sweep(
        mode=mode,
        settings=settings,
        duration=_duration(command.options),
        warmup=_age(command.options, "warmup", WARMUP),
        checksums=config.checksums,
        url=command.arguments[1],
        target=order.target,
        terms=replace(order.terms, weighed=True),
        existing=existing,
        given=tuple(_given(command)),
        warnings=warnings,
    )


def _config(command: Command) -> Config:
    options = {name: value for name, value in command.options.items() if name not in LISTS}
    config = resolve.config_of(replace(command, options=options))
    return config if "checksum" in options else replace(config, checksums=CHECKSUMS)


def _settings(
    options: Mapping[str, str], mode: Mode, existing: bool
) -> tuple[tuple[Setting, ...], tuple[str, ...]]:
    sizes = (MAX_OBJECT,) if existing else _each(options, "size", SIZES, _size)
    part_sizes = _each(options, "partsize", PART_SIZES, _size)
    concurrencies = _each(options, "concurrency", CONCURRENCIES, _number(10_000))
    workers = _each(options, "workers", WORKERS, _number(orders.MAX_WORKERS))
    warnings = []
    found = []
    for size, worker, part_size, concurrency in product(sizes, workers, part_sizes, concurrencies):
        length = min(size, part_size)
        if length < size and mode != "get" and length < MIN_PART:
            warnings.append("parts of less than 5 MiB are measured as 5 MiB: S3 takes no smaller ones")
            length = min(size, MIN_PART)
        if length < size and length < ordering.MIN_RANGE:
            raise UsageError(
                f"--partsize: larger objects are read in parts of at least {ordering.MIN_RANGE} bytes"
            )
        if length > MAX_PART:
            raise UsageError("--partsize: a part has at most 5 GiB")
        found.append(Setting(mode, size, length, concurrency, worker))
    return tuple(dict.fromkeys(found)), tuple(dict.fromkeys(warnings))


def fitted(settings: tuple[Setting, ...], size: int) -> tuple[Setting, ...]:
    """``settings`` for an object of ``size`` bytes, which has turned out to be there."""
    return tuple(
        dict.fromkeys(
            replace(setting, object_size=size, part_size=min(size, setting.part_size)) for setting in settings
        )
    )


def _each(
    options: Mapping[str, str], name: str, default: str, read: Callable[[str], Value]
) -> tuple[Value, ...]:
    values = []
    for text in options.get(name, default).split(","):
        try:
            values.append(read(text.strip()))
        except UsageError as error:
            raise UsageError(one_line(f"--{name}: {error}")) from None
    return tuple(values)


def _size(text: str) -> int:
    size = parse_size(text)
    if not 1 <= size <= MAX_OBJECT:
        raise UsageError("it is from one byte to 48.8 TiB, S3's largest object")
    return size


def _number(most: int) -> Callable[[str], int | None]:
    def read(text: str) -> int | None:
        if text == AUTO:
            return None
        if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most):
            raise UsageError(f"{text!r} is neither a whole number from 1 to {most} nor {AUTO}")
        return int(text)

    return read


def _age(options: Mapping[str, str], name: str, default: str) -> int:
    try:
        return parse_age(options.get(name, default))
    except UsageError as error:
        raise UsageError(one_line(f"--{name}: {error}")) from None


def _duration(options: Mapping[str, str]) -> int:
    seconds = _age(options, "duration", DURATION)
    if not seconds:
        raise UsageError("--duration: at least 1s is measured")
    return seconds


def _given(command: Command) -> list[str]:
    valued = [f"--{name}={command.options[name]}" for name in GIVEN if name in command.options]
    return valued + [f"--{name}" for name in GIVEN if name in command.flags]
