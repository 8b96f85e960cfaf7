"""From a command of the command line to the order it gives: text to values.

Theory: a ``Command`` is all text and holds only what was given. Here its options become a ``Config``, its
URLs and paths names, its direction (for ``cp``) one of three orders; ``ordering`` does the rest, as it does
for the library. What a command says beside its order (how to report, what to run) is the caller's.

It must not know how arguments are spelled, nor how an order is carried out.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from gof3r.engine import orders
from gof3r.engine.errors import UsageError, one_line
from gof3r.engine.s3.request import parse_bucket_url, parse_object_url
from gof3r.engine.values import Header

from . import ordering
from .arguments import Command
from .config import AUTO, CHECKSUMS, CONCURRENCY, PART_SIZE, RETRIES, Config, parse_age, parse_size
from .header import parse_header
from .places import ENVIRONMENT

Environ = Mapping[str, str]
Value = TypeVar("Value")
Default = TypeVar("Default", int, None)

STREAMS = frozenset({"-", "/dev/stdin", "/dev/stdout"})

_URL = "s3://"
_NUMBER = re.compile(r"-?[0-9]{1,9}")
_IF_NONE_MATCH = "if-none-match"
_OF_A_SOURCE = ("source-endpoint", "source-region", "source-profile", "versionId")


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a command orders."""

    order: orders.Order
    path: str = ""
    """The local file; empty for the stream (standard input or output), or for none."""


def order(command: Command, environ: Environ) -> Resolved:
    """What ``command`` orders (``presign`` and ``completion`` order nothing). Raises UsageError, one line."""
    return _ORDERS[command.name](command, environ)


def presign(command: Command, environ: Environ) -> ordering.Presign:
    """What the command ``presign`` asks for. Raises UsageError."""
    options = command.options
    return ordering.presign_order(
        config_of(command),
        environ,
        *_named(command),
        method=options.get("method", "GET"),
        seconds=parse_age(options.get("expires", "1h")),
        version_id=options.get("versionId", ""),
        headers=_headers(command.headers),
    )


def headers(command: Command) -> tuple[Header, ...]:
    """Those that were given. Raises UsageError."""
    return _headers(command.headers)


def config_of(command: Command) -> Config:
    """The settings among the options of ``command``. Raises UsageError."""
    options, flags = command.options, command.flags
    return Config(
        endpoint=options.get("endpoint", ""),
        region=options.get("region", ""),
        profile=options.get("profile", ""),
        sign="no-sign-request" not in flags,
        path_style="path-style" in flags,
        ssl="no-ssl" not in flags,
        ca_bundle=options.get("ca-bundle", ""),
        retries=number(options, "retries", RETRIES),
        concurrency=AUTO
        if options.get("concurrency") == AUTO
        else number(options, "concurrency", CONCURRENCY, f" or {AUTO}"),
        part_size=options.get("partsize", PART_SIZE),
        md5="no-md5" not in flags,
        checksums=tuple(options["checksum"].split(",")) if "checksum" in options else CHECKSUMS,
        workers=number(options, "workers", None),
        memory=options.get("memory"),
        limit_rate=options.get("limit-rate"),
    )


def beneath(ini: Mapping[str, Mapping[str, Value]], environ: Environ) -> dict[str, dict[str, Value]]:
    """What of the ini file's settings, by command, the environment leaves to it, which is nearer to the user.

    Keys in the environment count against a profile, which on the command line overrules them.
    """
    also = {"profile": ("AWS_ACCESS_KEY_ID",)}
    said = {
        option
        for option, names in ENVIRONMENT.items()
        if any(environ.get(name) for name in (*names, *also.get(option, ())))
    }
    return {
        command: {option: value for option, value in values.items() if option not in said}
        for command, values in ini.items()
    }


def _put(command: Command, environ: Environ) -> Resolved:
    return _up(command, environ, _named(command), _path(command))


def _get(command: Command, environ: Environ) -> Resolved:
    headers = _headers(command.headers)
    path = _path(command)
    if "resume" in command.flags and not path:
        raise UsageError("--resume: standard output keeps nothing to go on with: name a file, -p FILE")
    return _down(command, config_of(command), environ, _named(command), headers, path)


def _look(command: Command, environ: Environ) -> Resolved:
    look = ordering.info_order if command.name == "info" else ordering.verify_order
    headers = _headers(command.headers)
    return Resolved(
        look(config_of(command), environ, *_named(command), version_id=_version(command), headers=headers)
    )


def _remove(command: Command, environ: Environ) -> Resolved:
    # Named by -b and -k, or by nothing at all: one object, or the error that says so.
    by_options = not command.arguments or not command.options.keys().isdisjoint(("bucket", "key"))
    names = [_named(command)] if by_options else [parse_object_url(url) for url in command.arguments]
    config, headers = config_of(command), _headers(command.headers)
    return Resolved(
        ordering.remove_order(config, environ, names, version_id=_version(command), headers=headers)
    )


def _list(command: Command, environ: Environ) -> Resolved:
    (url,) = command.arguments
    headers = _headers(command.headers)
    return Resolved(ordering.list_order(config_of(command), environ, *parse_bucket_url(url), headers=headers))


def _uploads(command: Command, environ: Environ) -> Resolved:
    (url,) = command.arguments
    age = command.options.get("older-than")
    return Resolved(
        ordering.uploads_order(
            config_of(command),
            environ,
            *parse_bucket_url(url),
            older_than=None if age is None else parse_age(age),
            upload_id=command.options.get("upload-id", ""),
            abort=command.name == "uploads abort",
            headers=_headers(command.headers),
        )
    )


def _copy(command: Command, environ: Environ) -> Resolved:
    """``cp SRC DST``: a put, a get, or a copy, by which of them are URLs."""
    source, destination = command.arguments
    if not source.startswith(_URL):
        if not destination.startswith(_URL):
            raise UsageError("neither of them is an s3:// URL: cp(1) copies from file to file")
        if command.source_headers or not command.options.keys().isdisjoint(_OF_A_SOURCE):
            raise UsageError(
                "--source-... and --versionId are for a source in S3, and this one is a local file"
            )
        path = _local(source)
        return _up(command, environ, _put_under(destination, os.path.basename(path)), path)
    bucket, key = parse_object_url(source)
    name = key.rpartition("/")[2]
    config, source_headers = config_of(command), _headers(command.source_headers)
    other = source_config(config, command.options)
    if destination.startswith(_URL):
        return Resolved(
            ordering.copy_order(
                config,
                environ,
                (bucket, key),
                _put_under(destination, name),
                source_config=other,
                source_version_id=_version(command),
                source_headers=source_headers,
                headers=_headers(command.headers),
                acl=command.options.get("acl", ""),
                if_none_match=_IF_NONE_MATCH in command.flags,
            )
        )
    if _IF_NONE_MATCH in command.flags:
        raise UsageError("--if-none-match is for an object, and the destination is a local file")
    path = _local(destination)
    if path.endswith("/") or os.path.isdir(path):
        if name in ("", ".", ".."):
            raise UsageError(one_line(f"{source!r}: its last piece is no file's name: name the file"))
        path = os.path.join(path, name)
    headers = (*_headers(command.headers), *source_headers)
    return _down(command, other, environ, (bucket, key), headers, path)


def _up(command: Command, environ: Environ, names: tuple[str, str], path: str) -> Resolved:
    size = command.options.get("expected-size")
    asked = ordering.put_order(
        config_of(command),
        environ,
        *names,
        headers=_headers(command.headers),
        acl=command.options.get("acl", ""),
        expected_size=None if size is None else parse_size(size),
        if_none_match=_IF_NONE_MATCH in command.flags,
        resume="resume" in command.flags,
        upload_id=command.options.get("upload-id", ""),
    )
    return Resolved(asked, path)


def _down(
    command: Command,
    config: Config,
    environ: Environ,
    names: tuple[str, str],
    headers: tuple[Header, ...],
    path: str,
) -> Resolved:
    asked = ordering.get_order(
        config,
        environ,
        *names,
        version_id=_version(command),
        headers=headers,
        resume="resume" in command.flags,
    )
    return Resolved(asked, path)


_ORDERS = {
    "put": _put,
    "get": _get,
    "cp": _copy,
    "rm": _remove,
    "ls": _list,
    "info": _look,
    "verify": _look,
    "uploads ls": _uploads,
    "uploads abort": _uploads,
}


def source_config(config: Config, options: Mapping[str, str]) -> Config:
    """How the source of a copy is reached: as the destination, but for what is said of it.

    A profile or an endpoint of its own brings its own region.
    """
    moved = "source-endpoint" in options or "source-profile" in options
    return replace(
        config,
        endpoint=options.get("source-endpoint", config.endpoint),
        profile=options.get("source-profile", config.profile),
        region=options.get("source-region", "" if moved else config.region),
    )


def _named(command: Command) -> tuple[str, str]:
    bucket, key = command.options.get("bucket"), command.options.get("key")
    if command.arguments:
        url = command.arguments[0]
        if bucket is not None or key is not None:
            raise UsageError(one_line(f"the object is named twice: by -b/-k and by {url!r}"))
        return parse_object_url(url)
    if bucket is None or key is None:
        missing = "bucket" if key is not None else "key" if bucket is not None else "object"
        raise UsageError(f"no {missing} is named: give -b BUCKET -k KEY, or s3://BUCKET/KEY")
    return bucket, key


def _put_under(url: str, name: str) -> tuple[str, str]:
    """Bucket and key of a copy's destination, which takes the source's ``name`` as directories do."""
    bucket, key = parse_bucket_url(url)
    if key and not key.endswith("/"):
        return bucket, key
    if not name:
        raise UsageError(one_line(f"{url!r}: the source has no name to put there: name the key"))
    return bucket, key + name


def _path(command: Command) -> str:
    """The file of put and get."""
    option = command.options.get("path")
    argument = command.arguments[1] if len(command.arguments) > 1 else None
    if argument is not None and option is not None:
        raise UsageError(one_line(f"the file is named twice: by -p and by {argument!r}"))
    path = argument or option or ""
    return "" if path in STREAMS else path


def _local(path: str) -> str:
    """The file of a copy, where an empty name is a mistake (a variable that was not set)."""
    if not path:
        raise UsageError("the file's name is empty: '-' is the stream")
    return "" if path in STREAMS else path


def _version(command: Command) -> str:
    return command.options.get("versionId", "")


def _headers(texts: tuple[str, ...]) -> tuple[Header, ...]:
    return tuple(parse_header(text) for text in texts)


def number(options: Mapping[str, str], name: str, default: Default, other: str = "") -> int | Default:
    """The whole number that ``options`` have for ``name``. Raises UsageError."""
    text = options.get(name)
    if text is None:
        return default
    if not _NUMBER.fullmatch(text):
        raise UsageError(one_line(f"--{name}: {text!r} is not a whole number{other}"))
    return int(text)
