"""What Dask calls on a worker: one errand, done in a process of its own, and ended when nobody wants it.

Theory: a worker's process has threads and may not fork; an engine's child may. It hears about once a second
from it, and then looks whether the scheduler still counts on this run of it: when the machine was given up,
the command stopped, or the worker is to end, the child is ended, which aborts what it was at. A worker that
is killed takes the child's pipe along, which does the same.
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

from gof3r import __version__
from gof3r.child import Engine, Event
from gof3r.engine.errors import Gof3rError, one_line
from gof3r.engine.flow.events import Progress
from gof3r.engine.proc.caller import Warned
from gof3r.migrate.told import cause, ends_all

from .errand import Arrived, Carry, EndUploads, Errand, Outcome, Refused, Uploading
from .member import Member

if TYPE_CHECKING:
    from distributed import Worker


KEYS = frozenset({"ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch"})
"""What a store says of a machine's keys, whatever object it was asked about."""


class Unwanted(Exception):
    """Nobody counts on this any more."""


class Running:
    """One errand on ``worker``, which is told how far it is."""

    def __init__(self, errand: Errand, worker: Worker) -> None:
        self._errand = errand
        self._worker = worker
        self._moved = 0
        self._before = 0
        """Bytes of what had arrived before the ring that is told of."""
        self._ring = 0.0
        self._arrived: list[Arrived] = []
        self._untold = 0
        """How many of them, the last ones, nobody has heard of yet."""
        self._refused: list[Refused] = []
        self._warnings: dict[str, None] = {}
        self._say("began")

    def run(self) -> Outcome:
        """Raises Unwanted."""
        what = self._errand.what
        is_order = not isinstance(what, Carry | EndUploads)
        kind = Engine if is_order else Member
        outcome = Outcome()
        engine: Engine | None = None
        try:
            engine = kind(what, on_event=self._hear)
            with engine:
                for shown in () if is_order else engine.shown():
                    self._show(shown)
                result = engine.result()
            outcome = Outcome(result=result)
        except Gof3rError as error:
            ours = not is_order or engine is None or engine.lost or cause(error) in KEYS
            ours = ours or ends_all(error)
            said = one_line(str(error))
            outcome = Outcome(error=said, cause=cause(error), ours=ours, kept=bool(error.kept))
        return Outcome(
            tuple(self._arrived),
            tuple(self._refused),
            outcome.result,
            outcome.error,
            outcome.cause,
            outcome.ours,
            outcome.kept,
            machine=self._worker.address,
            warnings=tuple(self._warnings),
        )

    def _show(self, shown: object) -> None:
        """Raises Gof3rError for what all others would be refused for as well."""
        if isinstance(shown, Refused):
            if shown.cause in KEYS:
                raise Gof3rError(shown.text)
            self._refused.append(shown)
        elif isinstance(shown, Uploading):
            begun = shown.begun
            self._say("uploading", shown.id, begun.upload_id, begun.etag, begun.headers)
        elif isinstance(shown, Arrived):
            self._arrived.append(shown)
            self._untold += 1
            self._moved += shown.receipt.size

    def _hear(self, event: Event) -> None:
        if isinstance(event, Warned):
            self._warnings[event.text] = None
        if not isinstance(event, Progress):
            return
        if event.seconds < self._ring:  # of another ring
            self._before = self._moved
        self._ring = event.seconds
        if self._untold:
            self._say("arrived", pickle.dumps(self._arrived[-self._untold :]))
            self._untold = 0
        self._say("moved", max(self._moved, self._before + event.done), event.in_flight)
        if not self._wanted():
            raise Unwanted

    def _say(self, *words: str | int | bytes) -> None:
        self._worker.log_event(self._errand.topic, [self._errand.key, *words])

    def _wanted(self) -> bool:
        from distributed.core import Status

        task = self._worker.state.tasks.get(self._errand.key)
        return self._worker.status in (Status.running, Status.paused) and (
            task is not None and task.state == "executing"
        )


def run(errand: Errand) -> Outcome:
    """Do it; errors are part of what comes back."""
    from distributed import get_worker

    if errand.version != __version__:
        said = f"it has gof3r {__version__}, and the command is of {errand.version}"
        return Outcome(error=said, unusable=True)
    return Running(errand, get_worker()).run()
