"""A directory tree of a GiB into S3 and back through pipes, compared byte for byte.

Runs what a user would type, against the S3 that the environment names (AWS_ENDPOINT_URL_S3 and keys):

    tar -cf - . | gof3r put -b demo -k demo.tar
    gof3r get -b demo -k demo.tar | tar -xf -

and prints for each direction how long it took, what gof3r said, and the memory it needed. Leaves nothing
behind; exits 0 only if both trees are the same.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

BUCKET, KEY = "demo", "demo.tar"
SIZES = [64 << 20] * 12 + [20 << 20] * 12 + [3_000_000] * 10 + [65_536] * 40 + [777] * 50 + [1] * 5 + [0] * 5
"""Bytes of each file: 1.03 GiB together."""
NAMES = ("plain", "two words", "naïve café", "日本語", "plus+and&hash#", "tab\tand 'quote'", "🪣 bucket")
PEAK_PSS = Path(__file__).with_name("peak_pss.py")


def make_tree(root: Path) -> int:
    """Fills ``root`` with files of SIZES in a few levels of directories; their bytes together."""
    noise = random.Random(1).randbytes(1 << 20)
    for number, size in enumerate(SIZES):
        directory = root.joinpath(*(NAMES[(number + level) % len(NAMES)] for level in range(number % 4)))
        directory.mkdir(parents=True, exist_ok=True)
        start = number * 4099 % len(noise)  # A different turn of the same noise for every file.
        unit = noise[start:] + noise[:start]
        with (directory / f"{NAMES[number % len(NAMES)]} {number}").open("wb") as file:
            for offset in range(0, size, len(unit)):
                file.write(unit[: size - offset])
    return sum(SIZES)


def gof3r(command: str) -> list[str]:
    """``gof3r put`` or ``get`` at the environment's endpoint, with its memory measured."""
    endpoint = urlsplit(os.environ["AWS_ENDPOINT_URL_S3"])
    program = Path(sysconfig.get_path("scripts")) / "gof3r"
    options = ["-b", BUCKET, "-k", KEY, "--endpoint", endpoint.netloc]
    if endpoint.scheme == "http":
        options.append("--no-ssl")
    line = f"gof3r {command} {' '.join(options)}"
    print(f"\n$ tar -cf - . | {line}" if command == "put" else f"\n$ {line} | tar -xf -", flush=True)
    return [sys.executable, str(PEAK_PSS), "--", str(program), command, *options]


def pipe(producer: list[str], consumer: list[str], size: int) -> bool:
    """Runs ``producer | consumer``; True when both exit 0. Prints seconds and the rate of ``size`` bytes."""
    start = time.monotonic()
    first = subprocess.Popen(producer, stdout=subprocess.PIPE)
    second = subprocess.Popen(consumer, stdin=first.stdout)
    assert first.stdout is not None
    first.stdout.close()  # Or the producer would never learn that its reader has gone.
    try:
        codes = second.wait(), first.wait()
    finally:  # Also when we are told to stop.
        for process in (second, first):
            process.terminate()
            process.wait()
    seconds = time.monotonic() - start
    if any(codes):
        print(f"FAILED: {first.args!r} exited {first.returncode}, {second.args!r} {second.returncode}")
        return False
    print(f"{seconds:.2f} s, {size / seconds / 1e6:.0f} MB/s, tar included", flush=True)
    return True


def run(work: Path) -> bool:
    tree, back = work / "tree", work / "back"
    size = make_tree(tree)
    back.mkdir()
    print(f"{len(SIZES)} files, {size / (1 << 30):.2f} GiB")
    done = pipe(["tar", "-C", str(tree), "-cf", "-", "."], gof3r("put"), size)
    done = done and pipe(gof3r("get"), ["tar", "-C", str(back), "-xf", "-"], size)
    same = done and subprocess.run(["diff", "-r", str(tree), str(back)]).returncode == 0
    print("\nboth trees are the same" if same else "\nFAILED: the trees differ or a command failed")
    return same


def main() -> int:
    start = time.monotonic()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with tempfile.TemporaryDirectory(prefix="gof3r-demo-") as work:
        same = run(Path(work))
    print(f"demo: {time.monotonic() - start:.1f} s in all")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
