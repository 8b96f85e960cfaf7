"""What one machine of a fleet is asked to do, and what it answers: values that travel.

Theory: where S3 is was settled by whoever gave the command; who signs is each machine's own business. So an
errand has endpoints, regions and the names of profiles, and no keys: those given outright, and SSE-C's, are
refused before (``check_secrets``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gof3r.config import Config
from gof3r.engine import orders
from gof3r.engine.errors import UsageError
from gof3r.engine.s3.request import SSE_C
from gof3r.engine.values import Begun
from gof3r.migrate.ordered import How
from gof3r.migrate.receipts import Receipt
from gof3r.migrate.states import Entry, Leftover
from gof3r.places import place

RESOURCE = "gof3r"
"""What a worker offers, so many times as it should have errands at once."""


@dataclass(frozen=True, slots=True)
class Carry:
    """Carry these over, each as a whole."""

    entries: tuple[Entry, ...]
    how: How
    again: frozenset[int] = frozenset()
    """Entries that a lost machine may have begun an upload of; ``Entry.left`` says since when."""


@dataclass(frozen=True, slots=True)
class EndUploads:
    """End these."""

    leftovers: tuple[Leftover, ...]
    how: How


What = Carry | EndUploads | orders.Single


@dataclass(frozen=True, slots=True)
class Errand:
    """One attempt at something."""

    key: str
    """Names it, and no other attempt of any run."""
    topic: str
    """Of the events that tell how it goes."""
    version: str
    """Of the program that sends it."""
    what: What


@dataclass(frozen=True, slots=True)
class Arrived:
    """An entry is at its destination."""

    id: int
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Uploading:
    """The multipart upload of an entry, a copy, is known."""

    id: int
    begun: Begun


@dataclass(frozen=True, slots=True)
class Refused:
    """Why an entry is not at its destination; as ``carrying.Told.failed``."""

    id: int
    cause: str
    text: str
    kept: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an errand."""

    arrived: tuple[Arrived, ...] = ()
    refused: tuple[Refused, ...] = ()
    result: orders.Result | None = None
    """Of an order."""
    error: str = ""
    """What ended it, in one line; empty where nothing did."""
    cause: str = ""
    """The same in a few words."""
    ours: bool = False
    """The object is not to blame for that, and another machine may do better."""
    kept: bool = False
    """Of what has failed an upload may be there: a later run goes on with it, or ends it."""
    unusable: bool = False
    """No errand can be done there."""
    machine: str = ""
    """That has done it, as the cluster knows it."""
    warnings: tuple[str, ...] = ()

    @property
    def told(self) -> set[int]:
        """Entries of which it says what has become of them."""
        return {each.id for each in self.arrived} | {each.id for each in self.refused}


def settled(how: How, environ: Mapping[str, str]) -> How:
    """``how``, so that it means the same on every machine. Raises UsageError."""
    return replace(how, config=_settled(how.config, environ), source=_settled(how.source, environ))


def _settled(config: Config, environ: Mapping[str, str]) -> Config:
    here = place(config, environ)
    return replace(
        config,
        endpoint=str(here.endpoint),
        region=here.region,
        path_style=here.path_style,
        ca_bundle=here.ca_bundle,
    )


def check_secrets(how: How) -> None:
    """Raise UsageError for what must not leave this machine."""
    if how.config.access_key or how.source.access_key:
        raise UsageError("keys given outright stay here: a fleet's machines find their own")
    if any(name.lower().startswith(SSE_C) for name, _ in (*how.headers, *how.source_headers)):
        raise UsageError("a key of SSE-C would be sent to all machines of the fleet: migrate without one")
