"""What gof3r reaches on a machine, which stage binds, and the options to choose.

Usage:
  capacity.py [options]

Without --cores and --nic: a table for 10 to 200 Gbit/s on 2 to 96 cores.

Options:
  -h --help            Show this help.
  --cores=N            Cores of the machine.
  --nic=GBITS          Its NIC, in Gbit/s.
  --direction=NAME     put or get. Without: both.
  --source=END         What a put reads: pipe or file. Default: pipe.
  --sink=END           What a get writes: pipe, file or null. Default: pipe.
  --tls                Over TLS, which S3 is used with.
  --md5                With the default digests (md5 of parts and stream), not
                       --checksum crc64nvme --no-md5.
  --connection=MBS     What the store gives a connection, in MB/s. Default: 90.
  --latency=MS         What it waits before it answers. Default: 20.
  --beside=SECONDS     CPU seconds a GiB of what else a transfer keeps busy on
                       the machine: producer, consumer. Default: 0; what a
                       null server and our own pipe need, with --validate.

  --measure            Measure the costs on this machine, and print them beside
                       the table's; those of the ring need --endpoint.
  --validate=URL       Run the program against a store whose connections are
                       capped as --connection and --latency say, and print the
                       prediction beside what was measured.
  --endpoint=URL       A store that answers as fast as it can, to write to.
  --bucket=NAME        Bucket to use there. Default: bk.
  --pattern=PREFIX     The store is a null server, which claims one content for
                       whatever it gets: PREFIX and a size name an object of it.
  --concurrency=LIST   To validate. Default: 4,8,16.
  --rounds=N           Parts of each connection, to validate. Default: 120.

Both runs take keys and region from the environment, and leave an object named
"capacity" in the bucket.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from math import inf, nan
from pathlib import Path
from typing import Any, cast

from docopt import DocoptExit, docopt

sys.path.insert(0, str(Path(__file__).parent.parent))  # for tools.*, when run as a file

from gof3r.engine.proc.session import workers_for
from tools.capacity_measure import Gof3r, MeasureError, Run, Store, piece_costs, ring_costs
from tools.capacity_model import (
    Choice,
    Cost,
    Costs,
    Direction,
    End,
    GiB,
    Link,
    Machine,
    MiB,
    Prediction,
    Work,
    choose,
    connection_rate,
    fields_of,
    lift,
    predict,
    side_by_side,
    whole_rate,
)

COSTS = Costs(
    put_parent_pipe=Cost(0.181, 260e-6),
    put_parent_file=Cost(0.062, 260e-6),
    put_worker=Cost(0.372, 50e-6),
    put_worker_tls=Cost(0.475, 325e-6),
    put_collector=Cost(0.011, 72e-6),
    get_parent=Cost(0.006, 176e-6),
    get_worker=Cost(0.390, 190e-6),
    get_worker_tls=Cost(0.524, 85e-6),
    get_collector=Cost(0.007, 143e-6),
    write_pipe=Cost(0.15),
    write_file=Cost(0.18),
    crc=Cost(0.021),
    md5=Cost(1.30),
)
"""``--measure`` against a null server in C on the same machine: 2 cores of an AMD EPYC (family 26, no SMT),
Linux 6.18, CPython 3.11, pycurl 7.49, libcurl 8.23, OpenSSL 3.6, 2026-11-23; means of two runs while others
used the machine, which adds up to a tenth. Costs a part are known to 100 us."""

NICS = (10, 25, 100, 200)
CORES = (2, 8, 16, 32, 64, 96)

BESIDE = 0.30
"""CPU seconds a GiB that a null server in C (0.1 to 0.2) and our end of the pipe need on the same machine."""

MOST = 1_000_000
"""Of any number that is given."""

PART = 20 * MiB
"""To validate with: the default."""

HEAD = (
    *("cores", "Gbit/s", "MB/s", "% of NIC", "binds"),
    *("-c", "-s", "--workers", "--memory", "cores used", "at once"),
)


def row(machine: Machine, prediction: Prediction) -> tuple[str, ...]:
    choice, line = prediction.choice, machine.nic / 8
    return (
        str(machine.cores),
        f"{machine.nic / 1e9:g}",
        f"{prediction.rate / 1e6:,.0f}",
        f"{100 * prediction.rate / line:.0f}",
        prediction.binds,
        str(choice.concurrency),
        f"{choice.part_size // MiB}MiB",
        str(choice.workers),
        f"{choice.memory // MiB}MiB",
        f"{prediction.cores:.1f}",
        str(side_by_side(prediction)),
    )


def table(rows: list[tuple[str, ...]]) -> str:
    """``rows`` in columns, the first one its heads."""
    widths = [max(len(each[column]) for each in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.rjust(w) for cell, w in zip(each, widths, strict=True)) for each in rows)


def title(work: Work, link: Link) -> str:
    end = {"pipe": "a pipe", "file": "a file", "null": "/dev/null"}[work.end]
    way = "from" if work.direction == "put" else "to"
    digests = "default digests" if work.md5 else "--checksum crc64nvme --no-md5"
    each = f"{link.rate / 1e6:g} MB/s a connection, {link.latency * 1e3:g} ms"
    return f"{work.direction} {way} {end}, {'TLS' if work.tls else 'plain HTTP'}, {digests}; {each}"


def show_grid(machines: list[Machine], link: Link, work: Work) -> None:
    found = [(machine, choose(machine, link, work, COSTS)) for machine in machines]
    print(table([HEAD, *(row(machine, prediction) for machine, prediction in found)]))
    for binds in dict.fromkeys(prediction.binds for _, prediction in found):
        print(f"beyond {binds}: {lift(work, binds)}")


def show_one(machines: list[Machine], link: Link, work: Work) -> None:
    (machine,) = machines
    prediction = choose(machine, link, work, COSTS)
    print(table([HEAD, row(machine, prediction)]))
    print("each stage alone, MB/s:")
    for name, rate in prediction.stages:
        print(f"  {name:18}{'any' if rate == inf else f'{rate / 1e6:,.0f}':>10}")
    print(f"beyond {prediction.binds}: {lift(work, prediction.binds)}")


def measure(store: Store | None, tls: bool) -> None:
    """Each cost of the table and what it is here."""
    found = dict(piece_costs())
    if store:
        gof3r = Gof3r(store)
        try:
            found |= dict(ring_costs(gof3r, tls))
        finally:
            gof3r.close()
    rows: list[tuple[str, ...]] = [("", "here: s/GiB", "us/part", "table: s/GiB", "us/part")]
    for name, cost in fields_of(COSTS):
        here = found.get(name)
        cells = (f"{here.gib:.3f}", f"{here.part * 1e6:.0f}") if here else ("-", "-")
        rows.append((name, *cells, f"{cost.gib:.3f}", f"{cost.part * 1e6:.0f}"))
    print(table(rows))


CHECKED = (
    *("", "-c", "c x P / (P/r + L)", "predicted", "binds", "parts alone", "off"),
    *("whole predicted", "measured", "off", "of c x P / ..", "CPU s/GiB", "others' cores"),
)


def validate(
    store: Store, link: Link, machine: Machine, tls: bool, concurrency: list[int], rounds: int
) -> None:
    """Predictions beside real runs, MB/s: the parts alone (the difference of two lengths, in which the start,
    the end and the last parts cancel) and the whole run, from the program's start to its end."""
    rows: list[tuple[str, ...]] = [CHECKED]
    gof3r = Gof3r(store)
    try:
        for each in concurrency:
            choice = Choice(each, PART, workers_for(each, machine.cores))
            sizes = each * PART * (rounds // 3), each * PART * rounds
            runs: dict[str, list[Run]] = {"put": [], "get": []}
            for size in sizes:
                gof3r.warm(size)
                runs["put"].append(gof3r.put(size, each, PART, "--memory", str(choice.memory)))
                runs["get"].append(gof3r.get(size, each, PART, "--memory", str(choice.memory)))
            for work in (Work("put", "pipe", tls), Work("get", "null", tls)):
                prediction = predict(machine, link, work, COSTS, choice)
                rows.append(checked(prediction, link, work, sizes, runs[work.direction]))
                print(f"-c {each} {work.direction}: done", file=sys.stderr, flush=True)
    finally:
        gof3r.close()
    print(table(rows))


def checked(
    prediction: Prediction, link: Link, work: Work, sizes: Sequence[int], runs: list[Run]
) -> tuple[str, ...]:
    """A line of ``validate``: of a short and a long run."""
    (short, long), choice = runs, prediction.choice
    formula = choice.concurrency * connection_rate(link, choice.part_size)
    parts = (sizes[1] - sizes[0]) / (long.seconds - short.seconds)
    expected = whole_rate(link, work, prediction, sizes[1])
    whole = sizes[1] / long.seconds
    return (
        work.direction,
        str(choice.concurrency),
        f"{formula / 1e6:,.0f}",
        f"{prediction.rate / 1e6:,.0f}",
        prediction.binds,
        f"{parts / 1e6:,.0f}",
        f"{100 * (parts / prediction.rate - 1):+.1f}%",
        f"{expected / 1e6:,.0f}",
        f"{whole / 1e6:,.0f}",
        f"{100 * (whole / expected - 1):+.1f}%",
        f"{100 * (whole / formula - 1):+.1f}%",
        f"{long.cpu / sizes[1] * GiB:.2f}",
        f"{long.beside / long.seconds:.2f}",
    )


def works(options: dict[str, Any]) -> list[Work]:
    """What to predict. Raises DocoptExit for an end that there is not."""
    directions = [options["--direction"]] if options["--direction"] else ["put", "get"]
    ends = {"put": options["--source"] or "pipe", "get": options["--sink"] or "pipe"}
    known = {"put": ("pipe", "file"), "get": ("pipe", "file", "null")}
    if any(ends.get(each) not in known.get(each, ()) for each in {*directions, *known}):
        raise DocoptExit("--direction is put or get, --source pipe or file, --sink pipe, file or null")
    return [
        Work(cast(Direction, each), cast(End, ends[each]), options["--tls"], options["--md5"])
        for each in directions
    ]


def number(options: dict[str, Any], name: str, default: float, least: float) -> float:
    """The option's number. Raises DocoptExit for what is none, or out of ``least`` to a million."""
    text = options[name] or str(default)
    try:
        value = float(text)
    except ValueError:
        value = nan
    if not least <= value <= MOST:
        raise DocoptExit(f"{name} is a number from {least:g} to {MOST:,}, not {text}")
    return value


def count(options: dict[str, Any], name: str, default: int, least: int = 1) -> int:
    """A whole ``number``."""
    value = number(options, name, default, least)
    if value != int(value):
        raise DocoptExit(f"{name} is a whole number, not {options[name]}")
    return int(value)


def main(arguments: list[str]) -> int:
    try:
        return run(docopt(__doc__, arguments))
    except MeasureError as error:
        print(f"capacity: {error}", file=sys.stderr)
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # nobody reads on; the interpreter must not fail on it again
    return 1


def run(options: dict[str, Any]) -> int:
    link = Link(number(options, "--connection", 90, 0.1) * 1e6, number(options, "--latency", 20, 0) / 1e3)
    cores = count(options, "--cores", len(os.sched_getaffinity(0)))
    url = options["--validate"] or options["--endpoint"]
    store = Store(url, options["--bucket"] or "bk", pattern=options["--pattern"] or "")
    if options["--measure"]:
        measure(store if url else None, options["--tls"])
    elif options["--validate"]:
        beside = number(options, "--beside", BESIDE, 0)
        words = (options["--concurrency"] or "4,8,16").split(",")
        concurrency = [count({"--concurrency": word}, "--concurrency", 0) for word in words]
        machine = Machine(cores, inf, beside)
        validate(store, link, machine, options["--tls"], concurrency, count(options, "--rounds", 120, 30))
    else:
        beside = number(options, "--beside", 0, 0)
        nics = [number(options, "--nic", 0, 0.1)] if options["--nic"] else NICS
        machines = [
            Machine(count, nic * 1e9, beside)
            for nic in nics
            for count in ([cores] if options["--cores"] else CORES)
        ]
        for work in works(options):
            print(title(work, link))
            (show_one if len(machines) == 1 else show_grid)(machines, link, work)
            print()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
