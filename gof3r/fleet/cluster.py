"""Dask's cluster as the driver sees it: errands go out, outcomes and news of them come back.

Theory: nothing waits in Dask. What is handed out is begun at once, so order, loss and a new attempt are the
driver's own business; what a scheduler does by itself with tasks that wait (last in first out, counted as
deadly when a worker before them dies) is never met. A scheduler runs a task again by itself when its worker
is lost; each run says that it has begun, so that is seen.
"""

from __future__ import annotations

import logging
import pickle
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from gof3r.engine.errors import Gof3rError, one_line
from gof3r.engine.values import Begun

from .errand import RESOURCE, Arrived, Errand, Outcome
from .scheduler import CONNECT, found, library

if TYPE_CHECKING:
    from distributed import Future

RESULT = 30.0
"""Seconds in which an outcome is here, once there is one."""

LOOK = 1.0
"""Seconds between two looks at who is there."""

REST = 300.0
"""Seconds for which a machine that could not reach the store gets nothing."""

SHORT = 0.02
"""Seconds between two looks at what is done."""


@dataclass(frozen=True, slots=True)
class Lost:
    """An errand's machines were lost, or it was forgotten."""

    text: str


@dataclass(slots=True)
class News:
    """Of one errand under way."""

    runs: int = 0
    """How often it was begun: by itself, a scheduler begins again what a lost worker had."""
    moved: int = 0
    """Bytes."""
    in_flight: int = 0
    """Parts."""
    uploads: deque[tuple[int, Begun]] = field(default_factory=deque)
    """That have become known, each with its entry's id; to be taken from here."""
    arrived: deque[Arrived] = field(default_factory=deque)
    """What is at its destination by now; to be taken from here, and once more part of the outcome."""


class Cluster(Protocol):
    """Machines that do errands."""

    @property
    def places(self) -> int:
        """Errands that can be done at once."""

    @property
    def machines(self) -> int: ...

    def submit(self, errand: Errand) -> None: ...

    def leave_out(self, machine: str) -> None:
        """It gets nothing for a while, and has no places."""

    def cancel(self, keys: Sequence[str]) -> None:
        """These are wanted no more: nothing will come of them."""

    def ended(self, within: float) -> list[tuple[str, Outcome | Lost]]:
        """What has come of errands, by their keys, waited for so many seconds. Raises Gof3rError when the
        cluster is gone."""

    def news(self, key: str) -> News: ...


class Dask:
    """The cluster of the scheduler at ``address``. As a context manager; what is under way when it closes is
    cancelled."""

    def __init__(self, address: str, topic: str) -> None:
        """Raises UsageError without Dask, Gof3rError where no scheduler answers."""
        dask = library()
        security = found(address)
        for name in [name for name in logging.root.manager.loggerDict if name.startswith("distributed")]:
            logging.getLogger(name).setLevel(logging.CRITICAL)  # what matters is said by us, in one line
        self._address = address
        self._futures: dict[str, Future[Outcome]] = {}
        self._news: dict[str, News] = {}
        self._places: Counter[str] = Counter()
        self._resting: dict[str, float] = {}
        """Machines that are left out, and until which monotonic second."""
        self._looked = 0.0
        try:
            self._client = dask.Client(
                address, timeout=CONNECT, set_as_default=False, security=security, name="gof3r migrate"
            )
        except (OSError, TimeoutError) as error:
            raise _gone(address, error) from None
        self._client.subscribe_topic(topic, self._heard)

    def __enter__(self) -> Dask:
        return self

    def __exit__(self, *_: object) -> None:
        self.cancel(list(self._futures))
        self._client.close(timeout=5)

    @property
    def places(self) -> int:
        self._look()
        return self._places.total()

    @property
    def machines(self) -> int:
        self._look()
        return sum(places > 0 for places in self._places.values())

    def _look(self) -> None:
        if (now := time.monotonic()) < self._looked + LOOK:
            return
        self._looked = now
        try:
            workers: dict[str, Any] = self._client.sync(self._client.scheduler.identity)["workers"]
        except (OSError, TimeoutError) as error:
            raise _gone(self._address, error) from None
        self._places = Counter(
            {name: _room(worker) for name, worker in workers.items() if self._resting.get(name, now) <= now}
        )

    def submit(self, errand: Errand) -> None:
        from .task import run

        # Anybody, rather than nobody, should these have gone by now.
        wanted = {"workers": list(self._places), "allow_other_workers": True} if self._resting else {}
        self._news[errand.key] = News()
        self._futures[errand.key] = self._client.submit(
            run, errand, key=errand.key, resources={RESOURCE: 1}, pure=False, fifo_timeout=0, **wanted
        )

    def leave_out(self, machine: str) -> None:
        self._resting[machine] = time.monotonic() + REST
        self._places.pop(machine, None)

    def cancel(self, keys: Sequence[str]) -> None:
        futures = [self._futures.pop(key) for key in keys if key in self._futures]
        if futures:
            try:
                self._client.cancel(futures, force=True)
            except (OSError, TimeoutError):
                pass  # there is no scheduler to tell
        for key in keys:
            self._news.pop(key, None)

    def ended(self, within: float) -> list[tuple[str, Outcome | Lost]]:
        until = time.monotonic() + within
        while True:
            done = [key for key, future in self._futures.items() if future.status != "pending"]
            if done or time.monotonic() >= until:
                return [(key, self._outcome(self._futures.pop(key))) for key in done]
            time.sleep(SHORT)

    def _outcome(self, future: Future[Outcome]) -> Outcome | Lost:
        from distributed.scheduler import KilledWorker

        try:
            outcome = future.result(timeout=RESULT)
        except KilledWorker as error:
            return Lost(f"the machines that tried were lost, the last one {error.last_worker.address}")
        except (OSError, TimeoutError) as error:
            self._look()
            return Lost(one_line(str(error)))
        except Exception as error:  # not of ours: a worker that cannot even read the errand
            if future.status == "cancelled":
                self._looked = 0.0
                self._look()
                return Lost("the scheduler has forgotten it")
            return Outcome(error=one_line(f"{type(error).__name__}: {error}"), unusable=True)
        assert isinstance(outcome, Outcome)
        return outcome

    def news(self, key: str) -> News:
        return self._news.get(key, News())

    def _heard(self, event: tuple[float, Any]) -> None:
        """In the client's own thread."""
        key, what, *words = event[1]
        news = self._news.get(key)
        if news is None:
            return
        if what == "began":
            news.runs += 1
        elif what == "uploading":
            number, *begun = words
            news.uploads.append((number, Begun(*begun)))
        elif what == "arrived":
            news.arrived.extend(pickle.loads(words[0]))
        else:
            news.moved, news.in_flight = words


def _gone(address: str, error: Exception) -> Gof3rError:
    why = one_line(str(error)) or type(error).__name__
    return Gof3rError(
        f"migrate: the scheduler at {address} is gone ({why}); start it, and run again to go on"
    )


def _room(worker: dict[str, Any]) -> int:
    """Errands that it does at once: beyond its threads they would be in line there."""
    return min(int(worker["resources"].get(RESOURCE, 0)), int(worker["nthreads"]))
