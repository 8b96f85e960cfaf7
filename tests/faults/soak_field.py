"""Where the soak's transfers are carried out: their objects and files made, run, and looked at afterwards.

What is asked about the bucket is asked of the server itself, by boto3; only the transfer goes through the
proxy. A bucket is replaced before it has taken too much of the disk, which SeaweedFS gives back with it.
"""

from __future__ import annotations

import contextlib
import os
import random
import shlex
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from tests.conftest import Server
from tests.faults.program import LINGER, Ended, Run, Stable
from tests.faults.proxy import Proxy, fair
from tests.faults.soak_judge import Seen
from tests.faults.soak_kills import MARK, Killing, strays
from tests.faults.soak_library import Call, Library
from tests.faults.soak_plan import LONGEST, Plan, weather
from tests.faults.soak_summary import MACHINE, MIB, Sample
from tests.faults.soak_ways import MIN_PART
from tests.faults.sweep import HURRY, MORE_HURRY, PRINTED, Store
from tests.faults.table import LATE
from tools.peak_pss import pss

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

BUCKET_BYTES = 2 << 30
"""Bytes that a bucket may have taken, deleted or not."""


class Unprepared(Exception):
    """A run in which nothing was to go wrong did not succeed; the text is what it said."""


class Field:
    """A context manager. ``boto`` reaches the server without the proxy; ``folder`` is the field's own, and so
    are buckets whose names begin with ``name``."""

    def __init__(self, s3: Server, boto: S3Client, folder: Path, name: str = "soak") -> None:
        self._boto = boto
        self._name = name
        self._folder = folder
        self._work = folder / "work"
        self._source = folder / "source"
        self._noise = random.Random(3).randbytes(LONGEST)
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": str(folder / "no-config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(folder / "no-credentials"),
            "AWS_ACCESS_KEY_ID": s3.access_key,
            "AWS_SECRET_ACCESS_KEY": s3.secret_key,
            "AWS_REGION": s3.region,
        }
        self._direct = s3.endpoint
        self._bytes = 0
        self._buckets = 0

    def __enter__(self) -> Field:
        with contextlib.ExitStack() as stack:
            self._proxy = stack.enter_context(Proxy(self._direct))
            self._stable = stack.enter_context(Stable())
            reached = {**self._environment, "AWS_ENDPOINT_URL_S3": self._proxy.endpoint}
            self._library = stack.enter_context(Library(reached, self._folder))
            self._new_bucket()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def carry_out(self, plan: Plan) -> Seen:
        """Do as planned. Raises Unprepared."""
        if self._bytes > BUCKET_BYTES:
            self._replace_bucket()
        data = self._noise[plan.offset : plan.offset + plan.size]
        self._bytes += 3 * plan.size  # its source, its target, and another attempt
        key = f"case-{plan.number}"
        source = f"{key}-source"
        shutil.rmtree(self._work, ignore_errors=True)
        self._work.mkdir()
        self._prepare(plan, key, source, data)
        with self._weather_of(plan):
            rng = random.Random(f"{plan.seed}/{plan.number}/kills")
            killing = Killing(plan.kills, rng, lambda: len(self._proxy.requests))
            ended = self._run(plan, key, source, killing)
            killed = killing.end()
            struck = tuple(self._proxy.struck)
        left = strays(self._mark(plan), LINGER)
        uploads = self._store.uploads(key)
        seen = Seen(
            ended,
            data,
            self._store.read(key),
            self._store.sidecar(key),
            {path.name: path.read_bytes() for path in self._work.iterdir()},
            struck,
            killed,
            len(uploads),
            len(self._reaped(key, uploads, ended)),
            left,
        )
        for each in (key, source):
            self._store.clear(each)
        return seen

    def sample(self) -> Sample:
        """What a leak would raise."""
        found: dict[str, float] = {}
        for who, pid in (("soak", os.getpid()), ("driver", self._stable.pid), ("library", self._library.pid)):
            process = psutil.Process(pid)
            if who != "driver":  # it keeps what it has read for others
                memory = "memory with the proxy (MiB)" if who == "soak" else "memory (MiB)"
                found[f"{who}: {memory}"] = process.memory_info().rss / MIB
            found[f"{who}: open files"] = process.num_fds()
            found[f"{who}: threads"] = process.num_threads()
            found[f"{who}: shared memory (MiB)"] = pss(pid)[1] / MIB
            zombies = [each for each in process.children() if each.status() == psutil.STATUS_ZOMBIE]
            found[f"{who}: zombies"] = len(zombies)
        lines = Path("/proc/meminfo").read_text().splitlines()
        shared = next(int(line.split()[1]) for line in lines if line.startswith("Shmem:"))
        found[f"all: {MACHINE}"] = shared / 1024
        return found

    # --- before ------------------------------------------------------------------

    def _new_bucket(self) -> None:
        self._buckets += 1
        self._bytes = 0
        bucket = f"{self._name}-{self._buckets}"
        self._boto.create_bucket(Bucket=bucket)
        self._store = Store(self._boto, bucket)

    def _replace_bucket(self) -> None:
        """What requests of killed programs have made since is in the old one: they may come late."""
        old = self._store.bucket
        for upload in self._boto.list_multipart_uploads(Bucket=old).get("Uploads", []):
            self._boto.abort_multipart_upload(Bucket=old, Key=upload["Key"], UploadId=upload["UploadId"])
        for entry in self._boto.list_objects_v2(Bucket=old).get("Contents", []):
            self._boto.delete_object(Bucket=old, Key=entry["Key"])
        self._boto.delete_bucket(Bucket=old)
        self._new_bucket()

    def _prepare(self, plan: Plan, key: str, source: str, data: bytes) -> None:
        """What it reads, or removes."""
        self._source.write_bytes(data)
        if plan.way.moves == "none":
            self._store.write(key, data)
        elif plan.stored == "by ours":
            ended = self._plainly(("put", self._url(source), str(self._source), "-s", str(MIN_PART)))
            if ended.code:
                raise Unprepared(ended.stderr)
        elif plan.stored:
            self._store.write(source, data)
            if plan.stored == "in parts" and data:
                self._store_in_parts(source, data)

    def _store_in_parts(self, key: str, data: bytes) -> None:
        names = {"Bucket": self._store.bucket, "Key": key}
        upload = self._boto.create_multipart_upload(Bucket=names["Bucket"], Key=key)["UploadId"]
        etags = [
            self._boto.upload_part(
                Bucket=names["Bucket"],
                Key=key,
                UploadId=upload,
                PartNumber=number,
                Body=data[at : at + MIN_PART],
            )["ETag"]
            for number, at in enumerate(range(0, len(data), MIN_PART), 1)
        ]
        self._boto.complete_multipart_upload(
            Bucket=names["Bucket"],
            Key=key,
            UploadId=upload,
            MultipartUpload={
                "Parts": [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
            },
        )

    @contextlib.contextmanager
    def _weather_of(self, plan: Plan) -> Iterator[None]:
        scenarios = [scenario for case in plan.faults for scenario in case.scenarios]
        rng = random.Random(f"{plan.seed}/{plan.number}/rain")
        self._proxy.play(*scenarios, weather=weather(rng, plan.rain) if plan.rain else fair)
        try:
            yield
        finally:
            self._proxy.play()

    # --- the run ------------------------------------------------------------------

    def _run(self, plan: Plan, key: str, source: str, killing: Killing) -> Ended:
        patient = any(case.operation in LATE and case.kind.fault.deed == "stall" for case in plan.faults)
        hurry = MORE_HURRY if patient else HURRY
        if plan.way.library:
            killing.begin(self._library.engine)
            return self._library(self._call(plan, self._url(key), self._url(source), hurry))
        words = plan.words(
            {
                "TARGET": self._url(key),
                "SOURCE": self._url(source),
                "FILE": str(self._source),
                "OTHER": self._proxy.other_endpoint,
            }
        )
        environment = {
            **self._environment,
            "AWS_ENDPOINT_URL_S3": self._proxy.endpoint,
            MARK: self._mark(plan),
        }
        stdin = str(self._source) if plan.way.stdin else ""
        run = Run(words, environment, str(self._work), stdin, hurry)
        return self._stable(run, lambda pid: killing.begin(lambda: pid))

    def _call(self, plan: Plan, target: str, source: str, hurry: float) -> Call:
        config: Mapping[str, object] = {
            "part_size": plan.part,
            "concurrency": plan.concurrency,
            "workers": plan.workers,
            "checksums": plan.checksums,
            "md5": plan.md5,
            "retries": plan.retries,
        }
        mark = self._mark(plan)
        file, work = str(self._source), str(self._work)
        return Call(plan.way.words, source, target, file, work, mark, config, plan.if_none_match, hurry)

    def _plainly(self, words: tuple[str, ...]) -> Ended:
        """A run in which nothing goes wrong."""
        environment = {**self._environment, "AWS_ENDPOINT_URL_S3": self._direct}
        return self._stable(Run(words, environment, str(self._folder)))

    def _url(self, key: str) -> str:
        return f"s3://{self._store.bucket}/{key}"

    def _mark(self, plan: Plan) -> str:
        return f"{os.getpid()}-{plan.seed}-{plan.number}"

    # --- after ------------------------------------------------------------------

    def _reaped(self, key: str, uploads: set[str], ended: Ended) -> set[str]:
        """Do as the user is told: run the printed command, and abort what it shows. What then is left."""
        printed = PRINTED.findall(ended.stderr)
        if not uploads or not printed:
            return uploads
        words = tuple(shlex.split(printed[-1]))
        shown = self._plainly(words).stdout.decode()
        for upload in uploads:
            if words[1] == "ls" and upload in shown:
                self._plainly(("uploads", "abort", *words[2:], "--upload-id", upload))
        return self._store.uploads(key)
