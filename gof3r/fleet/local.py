"""``--fleet N``: a scheduler and workers on this machine, for as long as they are needed.

They listen on 127.0.0.1 alone, where any process of this machine can reach them: Dask's scheduler runs what
it is given.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping

from gof3r.engine.errors import Gof3rError, UsageError

from .errand import RESOURCE
from .scheduler import library

START = 60.0
"""Seconds for the scheduler to start."""

END = 10.0
"""Seconds for all to end: engines abort their uploads within 5."""

_HOST = "127.0.0.1"


class Local:
    """A scheduler and ``count`` workers, each with one place. As a context manager."""

    def __init__(self, count: int, environ: Mapping[str, str]) -> None:
        if count < 1:
            raise UsageError("--fleet: a number of workers, 1 or more")
        library()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._folder = tempfile.mkdtemp(prefix="gof3r-fleet-")
        # Should this process be killed, they end by themselves.
        self._environ = {"DASK_DISTRIBUTED__SCHEDULER__IDLE_TIMEOUT": "60s", **environ}
        try:
            file = os.path.join(self._folder, "scheduler.json")
            self._start("dask_scheduler", "--port", "0", "--scheduler-file", file)
            self.address = self._address(file)
            for number in range(count):
                words = ["--name", f"gof3r-{number}", "--nthreads", "1", "--no-nanny"]
                words += ["--resources", f"{RESOURCE}=1", "--local-directory", self._folder]
                self._start("dask_worker", self.address, *words, "--death-timeout", "60")
        except BaseException:
            self.close()
            raise

    def _start(self, module: str, *words: str) -> None:
        command = [
            sys.executable,
            "-m",
            f"distributed.cli.{module}",
            *words,
            "--host",
            _HOST,
            "--no-dashboard",
        ]
        self._processes.append(
            subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=self._environ,
                start_new_session=True,  # a terminal's signals are the driver's
            )
        )

    def _address(self, file: str) -> str:
        until = time.monotonic() + START
        while time.monotonic() < until and self._processes[0].poll() is None:
            try:
                with open(file, encoding="utf-8") as scheduler:
                    return str(json.load(scheduler)["address"])
            except (OSError, ValueError):
                time.sleep(0.05)
        raise Gof3rError("--fleet: Dask's scheduler does not start: try `dask scheduler`, it says why")

    def __enter__(self) -> Local:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """All of them end."""
        for process in reversed(self._processes):
            process.terminate()
        until = time.monotonic() + END
        for process in self._processes:
            try:
                process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
