"""What the soak tries next: one transfer and its trouble, drawn from a seed and a number.

Theory: all of a case that can be chosen is chosen here, by a generator that belongs to this case alone, so a
seed and a number name it for good. (When exactly a signal arrives is the machine's choice.) Sizes lie where
parts begin and end; faults are the sweep's own ``table``, by ones and by threes, or as bad weather over all
requests; kills are told by the requests that have been seen, so that they reach every stage of a transfer.

It must not know how a case is carried out, nor what must come of it.
"""

from __future__ import annotations

import random
import signal
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from tests.faults.faults import Fault
from tests.faults.proxy import Weather
from tests.faults.soak_ways import MIB, MIN_PART, WAYS, Way
from tests.faults.table import (
    ABORT,
    COMPLETE,
    COPY,
    CREATE,
    DELETE,
    DELETE_SIDECAR,
    GET,
    HEAD,
    HEAD_PART,
    KINDS,
    LIST,
    PART,
    PART_COPY,
    PUT,
    READ_SIDECAR,
    SLOW,
    WRITE_SIDECAR,
    Case,
    Kind,
    Transfer,
)

LONGEST = 40 * MIB
"""Bytes of an object: eight parts of S3's smallest size."""
MOST_RANGES = 40
"""Parts of a get: the proxy answers some hundred requests a second."""

Victim = Literal["worker", "collector", "parent", "command"]
Stored = Literal["", "by ours", "plain", "in parts"]


@dataclass(frozen=True)
class Kill:
    """``signal`` to a ``victim``, ``delay`` seconds after the server was asked ``after`` times."""

    victim: Victim
    signal: signal.Signals
    after: int
    delay: float

    def __str__(self) -> str:
        return f"{self.signal.name} to the {self.victim} {self.delay:.3f} s after request {self.after}"


@dataclass(frozen=True)
class Plan:
    """One transfer and its trouble."""

    seed: int
    number: int
    name: str
    """Of its way."""
    size: int
    offset: int
    """Where in the noise its bytes begin."""
    part: int
    concurrency: int
    workers: int
    checksums: tuple[str, ...]
    md5: bool
    if_none_match: bool
    stored: Stored
    """How the object that it reads came to the server."""
    faults: tuple[Case, ...] = ()
    rain: float = 0.0
    """The chance of each request to meet a fault that passes."""
    kills: tuple[Kill, ...] = ()

    @property
    def way(self) -> Way:
        return WAYS[self.name]

    @property
    def sidecar(self) -> bool:
        """Whether one is written."""
        return self.md5 and "md5" in self.checksums

    @property
    def retries(self) -> int:
        """Attempts at each request: few at what fails always. Not two: where an answer has set the clock
        wrong, the second one's sets it right."""
        return 10 if all(case.kind.times for case in self.faults) else 3

    @property
    def slots(self) -> int:
        """Bytes of all slots."""
        part = self.part if self.way.moves in ("down", "none") else max(self.part, MIN_PART)
        return part * max(self.concurrency, 2)

    def words(self, names: Mapping[str, str]) -> tuple[str, ...]:
        """The command line, with ``names`` in place of what stands for something."""
        words: list[str] = []
        for word in self.way.words:
            words += self._options() if word == "OPTIONS" else [names.get(word, word)]
        return tuple(words)

    def _options(self) -> list[str]:
        words = ["-s", str(self.part), "-c", str(self.concurrency), "--workers", str(self.workers)]
        words += ["--checksum", ",".join(self.checksums)] if len(self.checksums) == 1 else []
        words += [] if self.md5 else ["--no-md5"]
        words += ["--if-none-match"] if self.if_none_match else []
        return words + ([] if self.retries == 10 else ["--retries", str(self.retries)])

    @property
    def trouble(self) -> str:
        said = [f"{case.kind.name} at {case.operation} {case.nth}" for case in self.faults]
        said += [f"rain at {self.rain:.0%} of the requests"] if self.rain else []
        return "; ".join([*said, *map(str, self.kills)]) or "none"


def drawn(seed: int, number: int, name: str = "") -> Plan:
    """Case ``number`` of ``seed``; with a ``name``, of that way."""
    rng = random.Random(f"{seed}/{number}")
    name = name or rng.choices(list(WAYS), [way.weight for way in WAYS.values()])[0]
    way = WAYS[name]
    down = way.moves == "down"
    part = rng.choice((100_000, MIB, MIN_PART, 8 * MIB) if down else (MIN_PART, MIN_PART, 6 * MIB, 8 * MIB))
    size = _size(rng, part)
    reads = way.moves in ("down", "through", "there")
    stores: tuple[Stored, ...] = ("by ours", "plain", "in parts")
    stored = rng.choice(stores) if reads else ""
    md5 = True
    checksums: tuple[str, ...] = ("md5", "crc64nvme")
    if "verify" not in name and (not reads or stored == "by ours"):  # nothing else could prove the others
        md5 = rng.random() > 0.15
        checksums = rng.choice([checksums, checksums, ("crc64nvme",), ("md5",)])
    plan = Plan(
        seed,
        number,
        name,
        size,
        rng.randrange(LONGEST - size + 1),
        part,
        rng.randint(1, 8),
        rng.randint(1, 3),
        checksums,
        md5,
        way.makes == "object" and not way.fails and rng.random() < 0.15,
        stored,
    )
    return _troubled(rng, plan)


def weather(rng: random.Random, chance: float) -> Weather:
    """``chance`` of every request meets something that passes."""

    def meets(operation: str) -> Fault | None:
        kinds = [kind for kind in PASSING if operation in kind.operations]
        return rng.choice(kinds).fault if kinds and rng.random() < chance else None

    return meets


PASSING = [
    kind
    for kind in KINDS
    if kind.fault.deed in ("answer", "reset", "close", "truncate")
    and (kind.outcome, kind.times, kind.then) == ("survives", 1, None)
    and not (kind.refuses and kind.fault.when == "after")
]
"""What may be met any number of times, and is quickly over."""


def _size(rng: random.Random, part: int) -> int:
    longest = min(LONGEST, MOST_RANGES * part)
    kind = rng.random()
    if kind < 0.15:
        return rng.randrange(2)
    if kind < 0.55:
        return min(rng.randint(1, longest // part) * part + rng.choice((-1, 0, 1)), longest)
    return int(longest * rng.random() ** 2)


# --- trouble ------------------------------------------------------------------


def _requests(plan: Plan) -> dict[str, int]:
    """What the transfer asks when nothing goes wrong, counted by operation; about so."""
    parts = max(1, -(-plan.size // plan.part))
    up = {CREATE: 1, PART: parts, COMPLETE: 1} if parts > 1 else {PUT: 1}
    down = {HEAD: 1, READ_SIDECAR: 1, GET: parts, HEAD_PART: 1}
    match plan.way.moves:
        case "up":
            return {**up, HEAD: 1, WRITE_SIDECAR: 1}
        case "down":
            return down
        case "through":
            return {**down, **up, HEAD: 2, WRITE_SIDECAR: 1}
        case "there":
            copied = {CREATE: 1, PART_COPY: parts, COMPLETE: 1, HEAD_PART: 1} if parts > 1 else {COPY: 1}
            return {**copied, HEAD: 2, READ_SIDECAR: 1, WRITE_SIDECAR: 1}
        case "none":
            return {DELETE: 1, DELETE_SIDECAR: 1}


def _troubled(rng: random.Random, plan: Plan) -> Plan:
    what = rng.choices(("none", "faults", "rain", "kills", "both"), (15, 38, 15, 26, 6))[0]
    if what == "none":
        return plan
    if what == "rain":
        return replace(plan, rain=rng.choice((0.02, 0.05, 0.1)))
    faults = _faults(rng, plan) if what in ("faults", "both") else ()
    return replace(plan, faults=faults, kills=_kills(rng, plan) if what in ("kills", "both") else ())


def _faults(rng: random.Random, plan: Plan) -> tuple[Case, ...]:
    requests = _requests(plan)
    transfer = Transfer(plan.way.like, requests, conditional=plan.if_none_match)
    places = [(operation, rng.randint(1, count)) for operation, count in requests.items()]
    cases = []
    for _ in range(rng.choices((1, 2, 3), (60, 25, 15))[0]):
        operation, nth = rng.choice(places)
        kinds = [kind for kind in KINDS if operation in kind.operations]
        cases.append(Case(transfer, operation, nth, rng.choices(kinds, [*map(_likely, kinds)])[0]))
    if len(cases) > 1 and CREATE in requests and rng.random() < 0.3:  # what is done about a failure fails
        operation = rng.choice((ABORT, LIST))
        kinds = [kind for kind in KINDS if operation in kind.operations and kind.name not in SLOW]
        cases.append(Case(transfer, operation, 1, rng.choice(kinds)))
    return tuple(cases)


def _likely(kind: Kind) -> float:
    return 0.2 if kind.name in SLOW else 1.0


def _kills(rng: random.Random, plan: Plan) -> tuple[Kill, ...]:
    victims: list[Victim] = ["worker", "worker", "collector", "parent"]
    if "--" in plan.way.words:
        victims += ["command"]
    victim = rng.choice(victims)
    count = rng.choice((1, 1, 2, 2, 3, 3, 4, 5)) if victim == "worker" else 1
    kills = (_kill(rng, victim, plan) for _ in range(count))
    return tuple(sorted(kills, key=lambda kill: kill.after))


def _kill(rng: random.Random, victim: Victim, plan: Plan) -> Kill:
    number = rng.choices((signal.SIGKILL, signal.SIGSEGV, signal.SIGSTOP), (72, 24, 4))[0]
    if victim == "command":
        number = signal.SIGKILL
    elif victim == "parent":
        stops = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        number = signal.SIGKILL if plan.way.library else rng.choice((signal.SIGKILL, *stops))
    delay = rng.choice((0.0, rng.uniform(0, 0.01), rng.uniform(0, 0.1)))
    return Kill(victim, number, rng.randint(1, sum(_requests(plan).values())), delay)
