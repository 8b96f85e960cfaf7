"""One transfer with one fault in it, and the promises that it must have kept."""

from __future__ import annotations

import hashlib
import random
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tests.faults.program import Ended, Run, Stable
from tests.faults.proxy import Proxy
from tests.faults.table import LATE, Case, Transfer

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

MIB = 1 << 20
BIG = random.Random(1).randbytes(10 * MIB + 12_345)
"""Three parts of S3's smallest size, the last one short."""
SMALL = random.Random(2).randbytes(250_000)
"""One part; three ranges of PIECES."""
PARTS = ("-s", "5MiB", "-c", "4")
PIECES = ("-s", "100000", "-c", "4")

HURRY = 20.0
"""A stall is found after a second, the first wait is at most 2.5 ms."""
MORE_HURRY = 900.0
"""Where the server may take 15 minutes: it gets one second."""
FEW = ("--retries", "2")
"""Attempts at what fails always."""

PRINTED = re.compile(r"`gof3r ((?:uploads (?:ls|abort)) [^`]*)`")


def _md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


# --- the transfers ------------------------------------------------------------------


@dataclass(frozen=True)
class Command:
    """How a transfer is asked for. In ``words`` SMALL, BIG and TARGET stand for objects, OTHER for the
    second address of the server."""

    words: tuple[str, ...]
    data: bytes
    """What it moves."""
    makes: Literal["object", "stdout", "file", "nothing"]
    stdin: str = ""


COMMANDS = {
    "put": Command(("put", "TARGET", *PARTS), BIG, "object", "BIG"),
    "put single": Command(("put", "TARGET", *PARTS), SMALL, "object", "SMALL"),
    "put single --if-none-match": Command(
        ("put", "TARGET", "--if-none-match", *PARTS), SMALL, "object", "SMALL"
    ),
    "put --if-none-match": Command(("put", "TARGET", "--if-none-match", *PARTS), BIG, "object", "BIG"),
    "put aborted": Command(("put", "TARGET", *PARTS), BIG, "object", "BIG"),
    "get": Command(("get", "SMALL", *PIECES), SMALL, "stdout"),
    "get -p": Command(("get", "SMALL", "-p", "out", *PIECES), SMALL, "file"),
    "cp by the server": Command(("cp", "SMALL", "TARGET", *PARTS), SMALL, "object"),
    "cp by the server in parts": Command(("cp", "BIG", "TARGET", *PARTS), BIG, "object"),
    "cp streamed": Command(("cp", "BIG", "TARGET", "--source-endpoint", "OTHER", *PARTS), BIG, "object"),
    "rm": Command(("rm", "TARGET"), SMALL, "nothing"),
}

# --- the bucket ------------------------------------------------------------------


class Store:
    """The bucket, as an independent client sees it without the proxy."""

    def __init__(self, boto: S3Client, bucket: str) -> None:
        self._boto = boto
        self.bucket = bucket

    def read(self, key: str) -> bytes | None:
        try:
            return bytes(self._boto.get_object(Bucket=self.bucket, Key=key)["Body"].read())
        except self._boto.exceptions.NoSuchKey:
            return None

    def sidecar(self, key: str) -> str | None:
        text = self.read(f".md5/{key}.md5")
        return None if text is None else text.decode()

    def uploads(self, key: str) -> set[str]:
        """Ids of the unfinished uploads to ``key``."""
        listed = self._boto.list_multipart_uploads(Bucket=self.bucket, Prefix=key).get("Uploads", [])
        return {upload["UploadId"] for upload in listed if upload["Key"] == key}

    def write(self, key: str, data: bytes) -> None:
        """An object with its sidecar."""
        self._boto.put_object(Bucket=self.bucket, Key=key, Body=data)
        self._boto.put_object(Bucket=self.bucket, Key=f".md5/{key}.md5", Body=_md5(data).encode())

    def clear(self, key: str) -> None:
        """All of ``key`` away: the next case must not meet it, nor the disk keep it."""
        for upload in self.uploads(key):
            self._boto.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload)
        for name in (key, f".md5/{key}.md5"):
            self._boto.delete_object(Bucket=self.bucket, Key=name)


# --- runs ------------------------------------------------------------------


class Bench:
    """Where runs are made and looked at; each has a key of its own."""

    def __init__(
        self, proxy: Proxy, stable: Stable, store: Store, environment: Mapping[str, str], folder: Path
    ) -> None:
        self._proxy = proxy
        self._stable = stable
        self._store = store
        self._environment = environment
        self._folder = folder
        self._work = folder / "work"
        self._count = 0
        for name, data in (("BIG", BIG), ("SMALL", SMALL)):
            (folder / name).write_bytes(data)
            ended = self._run(("put", name, *PARTS), stdin=name)
            assert ended.code == 0, ended

    def honest(self, transfer: Transfer) -> tuple[Ended, list[str]]:
        """``transfer`` without any fault but its own, and its requests."""
        self._proxy.play(*transfer.always)
        ended = self._transfer(transfer)
        self._store.clear(self._key)
        return ended, self._proxy.requests

    def broken_promises(self, case: Case) -> list[str]:
        """Run ``case``; what it should not have done."""
        patient = case.operation in LATE and case.kind.fault.deed == "stall"
        self._proxy.play(*case.scenarios)
        ended = self._transfer(
            case.transfer, () if case.kind.times else FEW, MORE_HURRY if patient else HURRY
        )
        met = {*case.scenarios} <= {*self._proxy.struck, *case.transfer.always}
        self._proxy.play()
        broken = [] if met else ["the fault met nothing: this case shows nothing"]
        broken += self._how_it_ended(case, ended)
        broken += self._what_it_made(case, ended)
        broken += self._what_it_left(case, ended)
        self._store.clear(self._key)
        return broken + [ended.stderr] if broken else []

    def _transfer(self, transfer: Transfer, more: tuple[str, ...] = (), hurry: float = HURRY) -> Ended:
        self._count += 1
        self._key = f"target-{self._count}"
        command = COMMANDS[transfer.name]
        if command.makes == "nothing":
            self._store.write(self._key, command.data)
        return self._run((*command.words, *more), command.stdin, hurry)

    def _run(self, words: tuple[str, ...], stdin: str = "", hurry: float = HURRY) -> Ended:
        shutil.rmtree(self._work, ignore_errors=True)
        self._work.mkdir()
        names = {name: f"s3://{self._store.bucket}/{name}" for name in ("BIG", "SMALL")}
        names["TARGET"] = f"s3://{self._store.bucket}/{self._key}" if self._count else ""
        names["OTHER"] = self._proxy.other_endpoint
        arguments = tuple(names.get(word, word) for word in words)
        path = str(self._folder / stdin) if stdin else ""
        return self._stable(Run(arguments, self._environment, str(self._work), path, hurry))

    # --- promises ------------------------------------------------------------------

    def _how_it_ended(self, case: Case, ended: Ended) -> Iterator[str]:
        if ended.hung:
            yield f"hung: nothing for {ended.seconds:.0f} s"
        if ended.left:
            yield f"left processes: {ended.left}"
        if ended.code not in (0, 1):
            yield f"exit code {ended.code}"
        if case.outcome == "survives" and ended.code != 0:
            yield "did not survive"
        if case.outcome == "fails" and ended.code == 0:
            yield "did not fail"
        lines = [line for line in ended.lines if line.startswith("gof3r error: ")]
        if len(lines) != (ended.code != 0):
            yield f"exit code {ended.code} with {len(lines)} error lines"
        known = ("gof3r error: ", "gof3r warning: ", "duration: ")
        strange = [line for line in ended.lines if not line.startswith(known) and ", verified: " not in line]
        if strange:
            yield f"said something else: {strange}"

    def _what_it_made(self, case: Case, ended: Ended) -> Iterator[str]:
        command = COMMANDS[case.transfer.name]
        files = sorted(path.name for path in self._work.iterdir())
        if files != (["out"] if command.makes == "file" and ended.code == 0 else []):
            yield f"files: {files}"
        if command.makes == "stdout":
            damaged = case.kind.name == "damaged answer"  # in a part for which nothing is stored
            if not (damaged or command.data.startswith(ended.stdout)):
                yield "bytes on standard output that are not the object's"
            if (len(ended.stdout) == len(command.data)) != (ended.code == 0):
                yield f"{len(ended.stdout)} bytes on standard output with exit code {ended.code}"
        elif ended.stdout:
            yield "something on standard output"
        if ended.code != 0:
            return
        if command.makes == "file" and (self._work / "out").read_bytes() != command.data:
            yield "false success: the file is not the object"
        made = self._store.read(self._key)
        sidecar = self._store.sidecar(self._key)
        if command.makes == "object":
            if made != command.data:
                yield "false success: the object is not what was sent"
            if sidecar != _md5(command.data) and (sidecar is not None or not case.may_lack_sidecar):
                yield f"the sidecar holds {sidecar}"
        if command.makes == "nothing":
            if made is not None:
                yield "false success: the object is there"
            if sidecar is not None and "gof3r warning: the md5 sidecar" not in ended.stderr:
                yield "the sidecar is there, and nobody told"

    def _what_it_left(self, case: Case, ended: Ended) -> Iterator[str]:
        uploads = self._store.uploads(self._key)
        if not uploads or case.hides_upload:
            return
        printed = PRINTED.findall(ended.stderr)
        if not case.may_leave_upload:
            yield f"an upload is left: {uploads}"
        elif not printed:
            yield f"an upload is left and nobody told: {uploads}"
        else:
            for upload in uploads:
                self._reap(printed[-1], upload)
            if self._store.uploads(self._key):
                yield f"the printed command did not remove the upload: {printed}"

    def _reap(self, printed: str, upload: str) -> None:
        """Do as the user is told: run the printed command, and abort what it shows."""
        words = tuple(shlex.split(printed))
        ended = self._run(words)
        if words[1] == "ls" and upload in ended.stdout.decode():
            self._run(("uploads", "abort", *words[2:], "--upload-id", upload))
