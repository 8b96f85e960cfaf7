"""The comparison's course: which rows there are, and each round's runs of them.

It must not know what is made of the runs.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from secrets import token_hex

from gof3r.report import size_text

from .measure import Measured, measure
from .options import Settings
from .programs import Errand, Peer, environment
from .results import GIB, MEMORY_ROUND, Row, Run, fault
from .stores import PREFIX, Store, StoreError
from .tables import WAYS

GRACE_SECONDS, LEAST_RATE = 60.0, 2e6
"""A run is killed after this many seconds, and the time that its bytes take at this many a second."""


OURS = f"{PREFIX}/{token_hex(4)}"
"""Below which our objects lie: two comparisons at one endpoint leave each other alone."""


def plan(settings: Settings, programs: Sequence[Peer], schemes: Sequence[str]) -> list[Row]:
    """Every row that is wanted and possible, in the order in which they run."""
    rows = [
        (peer, Row(peer.name, way, scheme, size))
        for size in settings.sizes
        for scheme in schemes
        for way in WAYS
        for peer in programs
    ]
    return [
        row
        for peer, row in rows
        if settings.only.search(str(row))
        and not (row.way == "put" and peer.largest_put is not None and row.size > peer.largest_put)
    ]


class Field:
    """Runs rows against the stores, one at a time."""

    def __init__(
        self, settings: Settings, home: Path, programs: Mapping[str, Peer], opened: Mapping[str, Store]
    ) -> None:
        self._settings = settings
        self._programs = programs
        self._stores = opened
        self._environments = {
            scheme: environment(
                home, store.keys, store.region, store.ca_bundle, settings.concurrency, settings.part_size
            )
            for scheme, store in opened.items()
        }

    def rounds(self, rows: Sequence[Row]) -> Iterator[Run]:
        """Every round's runs, each told on standard error. A row that has failed is left out from then on."""
        failed: set[Row] = set()
        for number in range(MEMORY_ROUND, self._settings.reps + 1):
            title = f"round {number} of {self._settings.reps}" if number else "memory"
            # There and back: no row always has the same one before it.
            for row in rows if number % 2 == 0 else reversed(rows):
                for _ in range(1 + self._settings.repeats):
                    if row in failed:
                        break
                    run = self._run(row, number)
                    _say(f"{title}: {row}: {_outcome(run)}")
                    yield run
                    if run.fault:
                        failed.add(row)
                    if number == MEMORY_ROUND or not run.disturbed:
                        break

    @contextlib.contextmanager
    def object_to_get(self, store: Store, size: int) -> Iterator[None]:
        """An object of ``size`` bytes in ``store`` while the context lasts. Raises StoreError."""
        if self._settings.get_key:
            yield
            return
        row, key = Row("gof3r", "put", store.scheme, size), _key_to_get(size)
        _say(f"an object of {size_text(size)} to get, {store.scheme}")
        with store.kept(key):
            measured = self._measure(row, store.bucket, key, sample=False)
            if wrong := fault(measured, size, store.size(store.bucket, key)):
                raise StoreError(f"{store.url}: cannot put an object to get: {wrong}")
            yield

    def _run(self, row: Row, number: int) -> Run:
        store, sample = self._stores[row.scheme], number == MEMORY_ROUND
        if row.way != "put":
            key = self._settings.get_key or _key_to_get(row.size)
            measured = self._measure(row, store.bucket, key, sample)
            return Run(row, number, measured, fault(measured, row.size, row.size))
        key = f"{OURS}/put"
        with store.room(key) as bucket:
            measured = self._measure(row, bucket, key, sample)
            stored = row.size if store.discards else store.size(bucket, key)
        return Run(row, number, measured, fault(measured, row.size, stored))

    def _measure(self, row: Row, bucket: str, key: str, sample: bool) -> Measured:
        store, peer = self._stores[row.scheme], self._programs[row.peer]
        errand = Errand(
            url=store.url,
            bucket=bucket,
            key=key,
            size=row.size,
            region=store.region,
            ca_bundle=store.ca_bundle,
            concurrency=self._settings.concurrency,
            part_size=self._settings.part_size,
            presigned=partial(store.link, "put_object" if row.way == "put" else "get_object", bucket, key),
        )
        return measure(
            (peer.put if row.way == "put" else peer.get)(errand),
            self._environments[row.scheme],
            row.way,
            row.size,
            store.server,
            source=self._settings.source,
            sample=sample,
            limit=GRACE_SECONDS + row.size / LEAST_RATE,
        )


def _outcome(run: Run) -> str:
    measured, size = run.measured, run.row.size
    if run.fault:
        return f"FAILED: {run.fault}"
    pieces = [f"{measured.wall:.2f} s", f"{size / measured.wall / 1e6:.0f} MB/s"]
    pieces.append(f"{measured.cpu * GIB / size:.2f} CPU s/GiB")
    if measured.peak:
        pieces.append(f"peak {measured.peak / 1e6:.0f} MB")
    if run.disturbed:
        pieces.append(f"disturbed: {measured.other:.1f} CPU s were somebody else's")
    return ", ".join(pieces)


def _key_to_get(size: int) -> str:
    return f"{OURS}/{size}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
