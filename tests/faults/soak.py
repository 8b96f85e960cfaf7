"""The soak: random transfers with random faults and kills, until the minutes are over, and what came of them.

    python -m tests.faults.soak --minutes=10 [--seed=N] [--case=N] [--way=NAME]

``make soak MINUTES=10`` does it. Each broken promise is printed at once, with its seed and number; ``SEED=``
and ``CASE=`` repeat that case alone. Ctrl-C ends it after the transfer that is under way; the summary comes
in any case. Exit code 1 when a promise was broken, or memory or open files grew.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from tests.faults.soak_field import Field, Unprepared
from tests.faults.soak_judge import Seen, broken
from tests.faults.soak_library import return_what_is_freed
from tests.faults.soak_plan import Plan, drawn
from tests.faults.soak_summary import Tally
from tests.faults.soak_ways import WAYS
from tools.local_s3 import LocalS3

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

PROGRESS = 10.0
"""Seconds between two lines that say where it stands."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="soak")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--case", type=int, default=None, help="this one alone")
    parser.add_argument("--way", default="", choices=WAYS, help="every transfer in this way")
    asked = parser.parse_args(arguments)
    seed = int(time.time()) if asked.seed is None else asked.seed
    return_what_is_freed()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gof3r-soak-")))
        s3 = stack.enter_context(LocalS3())
        field = stack.enter_context(Field(s3, client(s3), folder))
        soak = Soak(field, seed, asked.way)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, soak.stop)
        began = time.monotonic()
        if asked.case is None:
            soak.until(began + asked.minutes * 60)
        else:
            soak.one(asked.case)
        print(soak.tally.text(seed, time.monotonic() - began), flush=True)
    return 0 if soak.tally.good else 1


def client(s3: LocalS3) -> S3Client:
    """boto3's, of the server itself."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=s3.endpoint,
        region_name=s3.region,
        aws_access_key_id=s3.access_key,
        aws_secret_access_key=s3.secret_key,
        config=Config(s3={"addressing_style": "path"}),
    )


class Soak:
    """Case after case of ``seed``, each in the way ``name`` if there is one, and their tally."""

    def __init__(self, field: Field, seed: int, name: str = "") -> None:
        self.tally = Tally()
        self._field = field
        self._seed = seed
        self._name = name
        self._stopped = False

    def stop(self, number: int, frame: FrameType | None) -> None:
        """A signal has come. The next one is meant for good."""
        self._stopped = True
        signal.signal(number, signal.SIG_DFL)
        _say("stopping after this transfer")

    def until(self, end: float) -> None:
        """Cases until the monotonic second ``end``, or ``stop``."""
        number, told = 0, time.monotonic()
        while time.monotonic() < end and not self._stopped:
            number += 1
            self.one(number)
            if time.monotonic() - told > PROGRESS:
                told = time.monotonic()
                _say(f"{self.tally.line}, {(end - told) / 60:.1f} minutes left")

    def one(self, number: int) -> list[str]:
        """Case ``number``; the promises it broke."""
        plan = drawn(self._seed, number, self._name)
        try:
            seen = self._field.carry_out(plan)
        except Unprepared as error:
            self.tally.broken["not survived"] += 1
            _say(f"BROKEN: SEED={self._seed} CASE={number}: storing the source:\n{error}")
            return [str(error)]
        found = broken(plan, seen)
        self.tally.add(plan, seen, found, self._field.sample())
        if found:
            _say(report(plan, seen, found))
        return found


def report(plan: Plan, seen: Seen, found: list[str]) -> str:
    """All that is known of a broken promise."""
    words = plan.words({})
    lines = [f"BROKEN: SEED={plan.seed} CASE={plan.number}", *(f"  {each}" for each in found)]
    lines += [f"  {plan.name}: {' '.join(words)}", f"  {plan.size} bytes, stored {plan.stored or 'as given'}"]
    if plan.way.library:
        lines += [f"  parts of {plan.part}, {plan.concurrency} at once, {plan.workers} workers,"]
        lines += [f"  {'+'.join(plan.checksums)}, md5 {plan.md5}, if none match {plan.if_none_match}"]
    lines += [f"  trouble: {plan.trouble}"]
    lines += [f"  met: {[(each.operation, each.nth, each.fault.deed) for each in seen.struck]}"]
    lines += [f"  killed: {[str(each) for each in seen.killed]}"]
    lines += [f"  exit code {seen.ended.code} after {seen.ended.seconds:.1f} s, and said:"]
    return "\n".join([*lines, *(f"    {line}" for line in seen.ended.lines)])


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
