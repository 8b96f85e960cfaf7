"""What a transfer does once a second: it tells how far it is, notices when nothing moves any more, and finds
out how many parts should fly at once, where nobody has said.

It decides nothing about single requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from .account import Account
from .binding import binding
from .climb import Climb, room
from .events import Action, Beat, Note, Progress
from .requests import Requests

STILL = 300.0
"""Seconds without a byte moved, with a part on the wire, after which a transfer gives up: longer than any
pause that S3 or a network has been seen to recover from."""

GAP = 10.0
"""Seconds between two beats that mean we were stopped ourselves (Ctrl-Z, a suspended machine): time that
nobody else can be blamed for."""


class Moves(Protocol):
    """What a transfer moves; see ``Feed``."""

    @property
    def done(self) -> int: ...
    @property
    def total(self) -> int | None: ...
    def allow(self, parts: int) -> None: ...


class Pulse:
    """The beats of one transfer. ``climb``: how many parts fly at once is found out."""

    def __init__(self, feed: Moves, dispatch: Requests, account: Account, climb: Climb | None) -> None:
        self._feed = feed
        self._dispatch = dispatch
        self._account = account
        self._climb = climb
        self._began = 0.0
        self._beat_at: float | None = None
        self._went = 0
        """Bytes moved, or copied by the server, until the last beat."""
        self._cpu: Mapping[str, float] = {}
        """CPU seconds of each process, until then."""
        self._moved = 0
        self._moved_at = 0.0

    @property
    def found(self) -> int:
        """The concurrency that was found out; 0 where it was given."""
        return self._climb.found if self._climb else 0

    @property
    def tried(self) -> bool:
        """It took long enough to find out."""
        return self._climb is not None and self._climb.tried

    def begin(self, now: float) -> None:
        """The transfer starts."""
        self._began = self._moved_at = now
        if self._climb is not None:
            self._allow(self._climb.level)

    def beat(self, beat: Beat, now: float) -> list[Action]:
        """A second has passed."""
        passed = 0.0 if self._beat_at is None else now - self._beat_at
        self._beat_at = now
        went = beat.moved or self._feed.done  # what a server copies does not come by here
        rate = (went - self._went) / passed if passed else 0.0
        actions: list[Action] = [self._progress(beat, rate, now)]
        busy = self._account.busy()
        slept = passed > GAP
        if self._climb is not None and passed and not slept:
            actions += self._adapt(self._climb, beat, rate, busy, passed)
        if beat.moved != self._moved or slept or not self._dispatch.bytes_on_wire:
            self._moved, self._moved_at = beat.moved, now
        self._went, self._cpu = went, beat.cpu
        return actions

    def still(self, now: float) -> bool:
        """For too long no byte has moved, though some should."""
        return now - self._moved_at > STILL

    def _progress(self, beat: Beat, rate: float, now: float) -> Progress:
        dispatch, feed = self._dispatch, self._feed
        binds = binding(self._account.books(), cpu=beat.cpu, cores=beat.cores, auto=self._climb is not None)
        return Progress(
            feed.done,
            feed.total,
            dispatch.parts_on_wire,
            dispatch.retries.total(),
            binds.stage,
            rate,
            now - self._began,
        )

    def _adapt(self, climb: Climb, beat: Beat, rate: float, busy: float, passed: float) -> list[Action]:
        used = {name: seconds - self._cpu.get(name, 0.0) for name, seconds in beat.cpu.items()}
        spare = room(used, passed, beat.cores, self._dispatch.more_workers)
        self._climb = climb.after(rate, busy, self._dispatch.limit, spare)
        if self._climb.level == climb.level:
            return []
        self._allow(self._climb.level)
        seen = f"{rate / 1e6:.0f} MB/s with {climb.level}, {busy:.0%} of them busy"
        return [Note(f"concurrency {self._climb.level}: {seen}")]

    def _allow(self, parts: int) -> None:
        self._dispatch.allow(parts)
        self._feed.allow(parts)
