"""From what was asked to what will be done: a ``Command`` and the environment become a frozen ``Transfer``.

Theory: an option has a value because someone gave it, somewhere, and what is nearest to the user wins: the
command line, the environment, AWS's config file, a default. All of that is decided here, once, before
anything starts. This is the only module that reads settings from the environment and from files
(``credentials`` asks for the keys); the environment comes in by argument, so that a test has its own.

It must not know how arguments are spelled, nor what a transfer does with its settings.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NoReturn, TypeVar

from gof3r.engine.errors import UsageError, one_line
from gof3r.engine.s3.request import check_names, needs_path_style, parse_endpoint, parse_object_url
from gof3r.engine.values import Endpoint, Header, Target

CONCURRENCY = 10  # s3gof3r's default, as are the next two
PART_SIZE = 20_971_520
RETRIES = 10
REGION = "us-east-1"  # what S3 itself assumes where nobody names a region
MAX_CONCURRENCY = 10_000  # no object has more parts
MAX_WORKERS = 64
"""Processes; beyond the cores of a machine they only cost memory. The engine's board has 256 places."""

Default = TypeVar("Default", int, None)

CHECKSUMS = ("md5", "crc64nvme")
STREAMS = frozenset({"", "-", "/dev/stdin", "/dev/stdout"})

_UNITS = {"": 1, "B": 1}
for _power, _letter in enumerate("KMGT", 1):
    # As in dd, head and split: a bare letter counts in 1024s, with B it counts in 1000s.
    _UNITS |= {_letter: 1024**_power, f"{_letter}IB": 1024**_power, f"{_letter}B": 1000**_power}
_SIZE = re.compile(r"([0-9]{1,15}) *([A-Za-z]*)")
_COUNT = re.compile(r"[0-9]{1,9}")
_REGION = re.compile(r"[A-Za-z0-9._-]+")
_AWS_HOST = re.compile(
    r"s3(?:-fips)?(?:\.dualstack)?[.-]([a-z]+(?:-[a-z]+)+-[0-9]+)\.amazonaws\.com(?:\.cn)?"
)

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token of RFC 9110
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_RESERVED = re.compile(
    # The connection and the body are ours to describe ...
    r"host|connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect|content-length|range|date"
    # ... a condition would hold for one request of many ...
    r"|if-.*"
    # ... and the signature, the digests and the operation are what the transfer is verified by.
    r"|authorization|content-md5|x-amz-date|x-amz-content-sha256|x-amz-security-token|x-amz-checksum-.*"
    r"|x-amz-sdk-checksum-algorithm|x-amz-trailer|x-amz-decoded-content-length|x-amz-mp-object-size"
    r"|x-amz-copy-source.*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Command:
    """What was asked, as text: only what was given is in it."""

    name: Literal["put", "get"]
    options: Mapping[str, str]
    """Values by the long name of their option, without its dashes."""
    flags: frozenset[str] = frozenset()
    """Long names of the options given that take no value."""
    headers: tuple[str, ...] = ()
    """Each ``NAME:VALUE``, in the order given."""
    url: str | None = None
    path: str | None = None


@dataclass(frozen=True, slots=True)
class Transfer:
    """Everything that a put or a get is to do, checked and complete."""

    command: Literal["put", "get"]
    target: Target
    path: str
    """The local file; empty for the stream (standard input or output)."""
    concurrency: int
    part_size: int
    """Bytes, as asked for; S3's limits are the plan's to apply."""
    checksums: tuple[str, ...]
    """Names out of CHECKSUMS, in its order, at least one."""
    sidecar: bool
    """Whether the md5 of the whole stream is computed and kept beside the object."""
    unproven: bool
    """Whether a get takes an object that nothing can prove: only with --no-md5."""
    headers: tuple[Header, ...]
    retries: int
    """Attempts at one part, the first included."""
    workers: int | None
    """Processes; None to choose by the machine."""
    ca_bundle: str
    """A file of PEM certificates; empty for the default."""
    debug: bool
    sign: bool
    profile: str
    """As given on the command line, where it overrules keys in the environment; else empty."""


def resolve(command: Command, environ: Mapping[str, str]) -> Transfer:
    """The transfer that ``command`` asks for. Raises UsageError, one line, for whatever cannot be used."""
    options, flags = command.options, command.flags
    checksums = _checksums(options.get("checksum"))
    return Transfer(
        command=command.name,
        target=_target(command, environ),
        path=_path(command),
        concurrency=_count(options, "concurrency", CONCURRENCY, MAX_CONCURRENCY),
        part_size=_part_size(options.get("partsize")),
        checksums=checksums,
        sidecar="md5" in checksums and "no-md5" not in flags,
        unproven="no-md5" in flags,
        headers=_headers(command.headers),
        retries=_count(options, "retries", RETRIES),
        workers=_count(options, "workers", None, MAX_WORKERS),
        ca_bundle=_ca_bundle(options, environ),
        debug="debug" in flags,
        sign="no-sign-request" not in flags,
        profile=options.get("profile", ""),
    )


def parse_size(text: str) -> int:
    """Bytes from ``20971520``, ``20MB``, ``20 MB``, ``64MiB``, ``64M``, in either case. Raises UsageError.

    MB is 10^6 bytes, MiB is 2^20, and so is a bare M, as for ``dd``, ``head`` and ``split``.
    """
    match = _SIZE.fullmatch(text.strip())
    unit = _UNITS.get(match[2].upper()) if match else None
    if match is None or unit is None:
        raise UsageError(one_line(f"not a size (examples: 20971520, 20MB, 64MiB): {text!r}"))
    return int(match[1]) * unit


def parse_header(text: str) -> Header:
    """``NAME:VALUE``, split at the first colon. Raises UsageError, also for a header that is ours."""
    name, colon, value = (piece.strip(" ") for piece in text.partition(":"))
    if not colon:
        _bad_header(text, "there is no colon (expected NAME:VALUE)")
    if not _HEADER_NAME.fullmatch(name):
        _bad_header(text, f"{name!r} is not a header's name")
    if name.lower().startswith("x-amz-server-side-encryption-customer-"):
        _bad_header(name, "keys of your own (SSE-C) are not supported yet")
    if _RESERVED.fullmatch(name):
        _bad_header(name, "gof3r decides on this header itself")
    if _CONTROL.search(value):
        _bad_header(name, "its value has control characters")
    if not value:
        _bad_header(name, "its value is empty")
    return name, value


def _headers(texts: Sequence[str]) -> tuple[Header, ...]:
    headers = tuple(parse_header(text) for text in texts)
    names = [name.lower() for name, _ in headers]
    for name in names:
        if names.count(name) > 1:
            _bad_header(name, "it is given twice, and S3 keeps one")
    return headers


def _bad_header(what: str, why: str) -> NoReturn:
    raise UsageError(one_line(f"header {what!r}: {why}"))


def _target(command: Command, environ: Mapping[str, str]) -> Target:
    options = command.options
    bucket, key = _names(command)
    ssl = "no-ssl" not in command.flags
    text = options.get("endpoint") or environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL")
    endpoint = parse_endpoint(text, ssl) if text else None
    region = _region(options, environ, endpoint)
    if endpoint is None:
        china = ".cn" if region.startswith("cn-") else ""
        endpoint = parse_endpoint(f"s3.{region}.amazonaws.com{china}", ssl)
    return Target(
        endpoint=endpoint,
        region=region,
        bucket=bucket,
        key=key,
        path_style="path-style" in command.flags or needs_path_style(bucket, endpoint),
        version_id=options.get("versionId", ""),
    )


def _names(command: Command) -> tuple[str, str]:
    bucket, key = command.options.get("bucket"), command.options.get("key")
    if command.url is not None:
        if bucket is not None or key is not None:
            raise UsageError(one_line(f"the object is named twice: by -b/-k and by {command.url!r}"))
        bucket, key = parse_object_url(command.url)
    if bucket is None or key is None:
        missing = "bucket" if key is not None else "key" if bucket is not None else "object"
        raise UsageError(f"no {missing} is named: give -b BUCKET -k KEY, or s3://BUCKET/KEY")
    check_names(bucket, key)
    return bucket, key


def _path(command: Command) -> str:
    option = command.options.get("path")
    if command.path is not None and option is not None:
        raise UsageError(one_line(f"the file is named twice: by -p and by {command.path!r}"))
    path = command.path or option or ""
    return "" if path in STREAMS else path


def _region(options: Mapping[str, str], environ: Mapping[str, str], endpoint: Endpoint | None) -> str:
    # An endpoint of AWS that names its region takes no other: s3gof3r's users give only --endpoint.
    named = _AWS_HOST.fullmatch(endpoint.host) if endpoint else None
    region = (
        options.get("region")
        or environ.get("AWS_REGION")
        or environ.get("AWS_DEFAULT_REGION")
        or (named and named[1])
        or _profile_region(options.get("profile") or environ.get("AWS_PROFILE") or "default", environ)
        or REGION
    )
    if not _REGION.fullmatch(region):
        raise UsageError(one_line(f"{region!r} is not a region (example: {REGION})"))
    return region


def _profile_region(profile: str, environ: Mapping[str, str]) -> str:
    """``region`` of ``profile`` in AWS's config file, or empty.

    Read without botocore, which costs 0.3 s and 25 MB; nothing else of that file is ours to interpret.
    """
    import configparser  # late: a region on the command line or in the environment needs no file

    path = environ.get("AWS_CONFIG_FILE") or "~/.aws/config"
    if path.startswith("~/"):
        path = os.path.join(environ.get("HOME", "/"), path[2:])
    # AWS knows no DEFAULT section, no interpolation, and takes the last of two equal sections.
    parser = configparser.RawConfigParser(default_section="", strict=False)
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise UsageError(one_line(f"{path}: cannot be read for the region: {error}")) from None
    for section in (f"profile {profile}", f'profile "{profile}"', "default" if profile == "default" else ""):
        if parser.has_option(section, "region"):
            return parser.get(section, "region").strip()
    return ""


def _ca_bundle(options: Mapping[str, str], environ: Mapping[str, str]) -> str:
    path = options.get("ca-bundle") or environ.get("AWS_CA_BUNDLE", "")
    if path and not os.path.isfile(path):
        source = "--ca-bundle" if "ca-bundle" in options else "AWS_CA_BUNDLE"
        raise UsageError(one_line(f"{source}: there is no file {path!r}"))
    return path


def _checksums(text: str | None) -> tuple[str, ...]:
    if text is None:
        return CHECKSUMS
    names = {name.strip().lower() for name in text.split(",")}
    for name in sorted(names.difference(CHECKSUMS)):
        raise UsageError(one_line(f"--checksum: {name!r} is none of {', '.join(CHECKSUMS)}"))
    return tuple(name for name in CHECKSUMS if name in names)


def _part_size(text: str | None) -> int:
    size = PART_SIZE if text is None else parse_size(text)
    if size < 1:
        raise UsageError("--partsize must be at least one byte")
    return size


def _count(options: Mapping[str, str], name: str, default: Default, most: int = 10**9) -> int | Default:
    text = options.get(name)
    if text is None:
        return default
    if not _COUNT.fullmatch(text) or not 1 <= int(text) <= most:
        limit = f"from 1 to {most}" if most < 10**9 else "of at least 1"
        raise UsageError(one_line(f"--{name}: {text!r} is not a whole number {limit}"))
    return int(text)
