"""Dask's scheduler and workers as processes of a test, and all that these have started."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from tests.e2e.live import until

MARK = "GOF3R_TESTED_FLEET"
"""In the environment of all that belongs to one fleet: engines have sessions of their own."""


def marked(mark: str) -> Iterator[psutil.Process]:
    """What runs with ``mark`` in its environment."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == mark:
                yield process


class Fleet:
    """A scheduler, and the workers that a test gives it. As a context manager."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self.mark = uuid.uuid4().hex
        self._environment = {**environment, MARK: self.mark}
        self._folder = folder / f"fleet-{self.mark[:6]}"
        self._folder.mkdir()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._workers = 0
        file = self._folder / "scheduler.json"
        self.scheduler = self._start("dask_scheduler", {}, "--port", "0", "--scheduler-file", str(file))
        self.address = ""

        def answers() -> bool:
            with contextlib.suppress(OSError, ValueError):
                self.address = str(json.loads(file.read_text())["address"])
            return bool(self.address)

        until(answers, "the scheduler is there")

    def worker(
        self, env: Mapping[str, str] | None = None, resources: str = "gof3r=1"
    ) -> subprocess.Popen[bytes]:
        words = ["--nthreads", "1", "--no-nanny", "--local-directory", str(self._folder)]
        words += ["--resources", resources] if resources else []
        process = self._start("dask_worker", env or {}, self.address, *words)
        self._workers += 1
        until(lambda: self._log().count("Registered to: ") >= self._workers, "the scheduler knows it")
        return process

    def _log(self) -> str:
        return (self._folder / "log").read_text()

    def _start(self, module: str, env: Mapping[str, str], *words: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.{module}", *words]
        with (self._folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [*command, "--host", "127.0.0.1", "--no-dashboard"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**self._environment, **env},
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def engines(self, worker: subprocess.Popen[bytes] | None = None) -> list[psutil.Process]:
        """Processes that do errands, of one worker or all."""
        own = {process.pid for process in self._processes}
        found = [process for process in marked(self.mark) if process.pid not in own]
        if worker is None:
            return found
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(worker.pid).children(recursive=True)
        return []

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
        for engine in self.engines():
            with contextlib.suppress(ProcessLookupError):
                os.kill(engine.pid, signal.SIGKILL)
