"""What a comparison can be told: arguments in, checked settings out, or one line and exit code 2.

It must not know what is done with them.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from gof3r.config import parse_size
from gof3r.engine.errors import UsageError

from .programs import MIB
from .results import GIB

LEAST_PART = 5 * MIB  # S3's limit


class Settings(argparse.Namespace):
    """Sizes in bytes."""

    sizes: list[int]
    concurrency: int
    part_size: int
    reps: int
    repeats: int
    only: re.Pattern[str]
    original: str | None
    endpoint: list[str]
    bucket: str
    region: str
    ca_bundle: Path | None
    server_pid: int | None
    source: Path | None
    get_key: str | None
    no_verify_put: bool
    json: Path | None
    markdown: Path | None
    plot: Path | None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"compare: {message}\n")


def parse(arguments: Sequence[str], text: str) -> Settings:
    """``text`` says what it is all for. Exits with 2 when the arguments are wrong."""
    summary, _, rest = text.partition("\n\n")
    parser = _Parser(
        prog="compare", description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--sizes",
        type=_sizes,
        default=[GIB],
        metavar="LIST",
        help="of objects, as 1GiB,64MiB (default: 1GiB)",
    )
    add("--concurrency", type=_at_least(1), default=10, metavar="N", help="connections (default: 10)")
    add("--part-size", type=_part_size, default=20 * MIB, metavar="SIZE", help="whole MiB (default: 20MiB)")
    add("--reps", type=_at_least(1), default=5, metavar="N", help="rounds (default: 5)")
    add(
        "--repeats",
        type=_at_least(0),
        default=2,
        metavar="N",
        help="more runs for one disturbed (default: 2)",
    )
    add("--only", type=_expression, default=re.compile(""), metavar="REGEX", help="rows named like this")
    add("--original", metavar="PATH", help="a build of Go's s3gof3r, to be compared too")
    add(
        "--endpoint",
        action="append",
        default=[],
        metavar="URL",
        help="a server of yours (one http, one https)",
    )
    add("--bucket", metavar="NAME", help="of the endpoint")
    add("--region", default=_region(), metavar="NAME", help="of the endpoint (default: %(default)s)")
    add("--ca-bundle", type=_file, metavar="FILE", help="certificates (PEM) to trust at the endpoint")
    add("--server-pid", type=_at_least(1), metavar="PID", help="the endpoint's process, if on this machine")
    add("--source", type=_file, metavar="FILE", help="put what this repeats (default: noise)")
    add("--get-key", metavar="KEY", help="get this object of the endpoint, whose size --sizes says")
    add("--no-verify-put", action="store_true", help="the endpoint discards what is put: do not look for it")
    add("--json", type=_output, metavar="FILE", help="write every run, the machine and the versions")
    add("--markdown", type=_output, metavar="FILE", help="write the tables")
    add("--plot", type=_output, metavar="FILE", help="draw a picture: png, svg, pdf")
    settings = parser.parse_args(arguments, Settings())
    if settings.endpoint and not settings.bucket:
        parser.error("--endpoint needs --bucket")
    if not settings.endpoint and (settings.bucket or settings.get_key or settings.no_verify_put):
        parser.error("--bucket, --get-key and --no-verify-put belong to an --endpoint")
    schemes = [urlsplit(url).scheme for url in settings.endpoint]
    if not all(urlsplit(url).hostname for url in settings.endpoint) or not {"http", "https"}.issuperset(
        schemes
    ):
        parser.error("--endpoint is a URL: http://HOST:PORT, or https")
    if len(set(schemes)) < len(schemes):
        parser.error("of the endpoints one is http and one https")
    if settings.get_key and len(settings.sizes) > 1:
        parser.error("--get-key names one object: --sizes says its size")
    return settings


def _region() -> str:
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _sizes(text: str) -> list[int]:
    sizes = [_size(word) for word in text.split(",")]
    if not all(sizes):
        raise argparse.ArgumentTypeError("an empty object has no rate")
    return list(dict.fromkeys(sizes))


def _part_size(text: str) -> int:
    size = _size(text)
    if size % MIB or size < LEAST_PART:  # s5cmd takes its part size in MiB.
        raise argparse.ArgumentTypeError(f"parts are whole MiB, and at least 5: {text}")
    return size


def _at_least(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"not a number of at least {least}: {text}")
        return int(text)

    return number


def _expression(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"not a regular expression: {error}") from error


def _file(text: str) -> Path:
    if not Path(text).is_file() or not Path(text).stat().st_size:
        raise argparse.ArgumentTypeError(f"no file with anything in it: {text}")
    return Path(text).absolute()


def _output(text: str) -> Path:
    folder = Path(text).absolute().parent
    if not text or Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"not the name of a file: {text!r}")
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise argparse.ArgumentTypeError(f"no directory to write {text} to")
    return Path(text)
