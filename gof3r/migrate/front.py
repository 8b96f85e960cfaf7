"""``gof3r migrate``: what is asked is listed, carried over, and told.

Standard output has the answer of ``--dry-run`` and ``--verify``, and nothing else; how it goes is told on
standard error. Exit 0 means that every object is at its destination and was verified.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NoReturn

from gof3r import ordering, resolve
from gof3r.arguments import Command
from gof3r.commands import write_lines
from gof3r.config import AUTO, Config
from gof3r.engine.errors import Gof3rError, Interrupted, UsageError, one_line
from gof3r.engine.flow.plan import human
from gof3r.header import parse_header
from gof3r.places import place
from gof3r.report import Report, say

from . import folder, inventory, listing, manifest, mapping, selection
from .carrying import Carrier
from .checking import check
from .deleting import delete_sources
from .estimate import Estimate
from .estimate import How as Estimated
from .here import carry_all, end_left
from .items import Item, LocalFile, S3Object
from .ordered import How
from .record import Record
from .selection import Rule
from .states import MOVED_OVER, TWICE, Duplicate, Failed, State
from .tally import Stopped, Tally

RECEIPTS = "gof3r-receipts.jsonl"

OWN = ("", ".journal", ".journal-wal", ".journal-shm", ".journal-journal")
"""Files of a run's own, by what follows the receipts' name."""

CONNECTION_RATE = 90e6
"""Bytes a second that S3 gives one connection, for an estimate."""

LATENCY = 0.03
"""Seconds of a request, for an estimate."""


@dataclass(frozen=True, slots=True)
class Work:
    """Which items there are."""

    manifest: str
    inventory: str
    mapping: mapping.Mapping | None
    rules: tuple[Rule, ...]
    if_newer: bool
    name: str
    """By which a journal knows it again."""

    @property
    def is_listed(self) -> bool:
        """What is known of the sources is how they are now."""
        return self.mapping is not None and not self.inventory


def migrate(command: Command, report: Report, environ: Mapping[str, str]) -> None:
    """Do what ``command`` asks for. Raises Gof3rError unless all is at its destination and verified."""
    config = resolve.config_of(command)
    if config.concurrency == AUTO:
        raise UsageError("--concurrency: many objects have no rate to find a number by: name one")
    how = _how(command, config)
    if "verify" in command.options:
        _verify(command, how, report, environ)
        return
    work = _work(command, how, environ)
    if work.mapping is not None and isinstance(work.mapping.destination, LocalFile):
        how = _how(command, config, os.path.realpath(work.mapping.destination.path))
    _check(work, how, environ)
    if "dry-run" in command.flags:
        _estimate(work, how, report, environ, "delete-source" in command.flags)
        return
    crew = _crew(command, how)
    most = resolve.number(command.options, "max-errors", None)
    if most is not None and most < 0:
        raise UsageError("--max-errors: a number of failures, 0 or more")
    path = command.options.get("receipts", RECEIPTS)
    how = replace(how, own=frozenset(os.path.realpath(f"{path}{end}") for end in OWN))
    with Record(f"{path}.journal", path, work.name) as record:
        try:
            _run(work, how, record, report, environ, most, crew, "delete-source" in command.flags)
        except Gof3rError as error:
            error.kept = ""  # the journal knows that upload, and this very command goes on with it
            raise


def _crew(command: Command, how: How) -> tuple[str, int]:
    """The scheduler's address, and how many workers to start; "" and 0 for this machine alone."""
    scheduler, fleet = command.options.get("scheduler", ""), resolve.number(command.options, "fleet", None)
    if scheduler and fleet is not None:
        raise UsageError("--scheduler and --fleet: the one has its workers, the other starts them")
    if fleet is not None and fleet < 1:
        raise UsageError("--fleet: a number of workers, 1 or more")
    if scheduler or fleet:
        from gof3r.fleet.errand import check_secrets  # late: few have a fleet

        check_secrets(how)
    if scheduler:
        from gof3r.fleet.scheduler import found

        found(scheduler)  # before a listing that may take an hour
    return scheduler, fleet or 0


def _is_one_store(how: How, environ: Mapping[str, str]) -> bool:
    return place(how.config, environ).endpoint == place(how.source, environ).endpoint


def _check(work: Work, how: How, environ: Mapping[str, str]) -> None:
    """Raises UsageError for what would undo itself, or cannot be meant."""
    asked = work.mapping
    if asked is None:
        return
    if asked.is_nested and _is_one_store(how, environ):
        raise UsageError(
            f"--to: {asked.destination} lies in {asked.source}: each run would move what the last one has "
            "moved"
        )
    if isinstance(asked.destination, LocalFile) and (how.if_none_match or how.acl or how.headers):
        raise UsageError("--if-none-match, --acl and --header are for objects, and --to is a directory")


def _how(command: Command, config: Config, root: str = "") -> How:
    return How(
        config=config,
        source=resolve.source_config(config, command.options),
        headers=resolve.headers(command),
        source_headers=tuple(parse_header(text) for text in command.source_headers),
        acl=command.options.get("acl", ""),
        if_none_match="if-none-match" in command.flags,
        root=root,
    )


def _work(command: Command, how: How, environ: Mapping[str, str]) -> Work:
    options, arguments = command.options, command.arguments
    rules = tuple(Rule(kind == "include", pattern) for kind, pattern in command.rules)
    selection.wanted(rules)  # for its errors
    said = " ".join(f"--{kind}={pattern}" for kind, pattern in command.rules)
    there, here = (place(each, environ).endpoint for each in (how.source, how.config))
    said += f" at {there} and {here}"
    listed = options.get("inventory", "")
    if ("from" in options) != ("to" in options):
        raise UsageError("--from and --to: one needs the other")
    if bool(arguments) == ("from" in options):
        raise UsageError("what is to be moved? Give a manifest, or --from and --to")
    if_newer = "if-newer" in command.flags
    if if_newer and ("from" not in options or listed):
        raise UsageError("--if-newer: only a listing (--from, --to) says when its objects were modified")
    if listed and arguments:
        raise UsageError("--inventory: it lists --from, and a manifest has its own sources")
    if arguments:
        if not os.path.isfile(arguments[0]) and os.path.exists(arguments[0]):
            raise UsageError(
                one_line(f"{arguments[0]}: a manifest is read twice, and this is no regular file")
            )
        name = f"{manifest.fingerprint(arguments[0])} in {os.getcwd()} {said}"
        return Work(arguments[0], "", None, rules, False, name.strip())
    asked = mapping.mapping(options["from"], options["to"], os.getcwd())
    if listed and not isinstance(asked.source, S3Object):
        raise UsageError("--inventory: it lists a bucket, and --from is a directory")
    name = f"{asked.source} to {asked.destination} {said}"
    if listed:
        name += f" by {manifest.fingerprint(listed)}"
    return Work("", listed, asked, rules, if_newer, name.strip())


# --- listing ------------------------------------------------------------------


def _list(work: Work, how: How, take: listing.Take, report: Report, environ: Mapping[str, str]) -> int:
    """Gives all items away; how many there were before they were chosen."""
    wanted = selection.wanted(work.rules)
    asked = work.mapping
    if asked is None:
        return listing.given(manifest.read(work.manifest, os.getcwd()), wanted, take)
    if work.inventory:
        return listing.given(inventory.items(work.inventory, asked), _below(asked, wanted), take)
    newer = _newer(work, asked, how, report, environ)
    if isinstance(asked.source, LocalFile):
        return listing.files(asked, wanted, take, report, how.own, newer, selection.passed_over(work.rules))
    order = ordering.list_order(
        how.source, environ, asked.source.bucket, asked.source.key, headers=how.source_headers
    )
    return listing.objects(asked, order, wanted, take, report, environ, newer)


def _newer(
    work: Work, asked: mapping.Mapping, how: How, report: Report, environ: Mapping[str, str]
) -> listing.Newer:
    if not work.if_newer:
        return listing.any_age
    order, there = None, asked.destination
    if isinstance(there, S3Object):
        order = ordering.list_order(how.config, environ, there.bucket, there.key, headers=how.headers)
    return listing.modified(asked, order, report, environ)


def _below(asked: mapping.Mapping, wanted: listing.Wanted) -> listing.Wanted:
    def decide(key: str) -> bool:
        name = asked.name_of(key)
        return name is not None and wanted(name)

    return decide


# --- doing it ------------------------------------------------------------------


def _run(
    work: Work,
    how: How,
    record: Record,
    report: Report,
    environ: Mapping[str, str],
    most: int | None,
    crew: tuple[str, int],
    delete: bool,
) -> None:
    journal = record.journal
    journal.begin()
    twice: list[Duplicate] = []

    def take(items: list[Item]) -> None:
        items = [folder.settled(item, how.root) for item in items]
        twice.extend(journal.add(items, current=work.is_listed))

    count = _list(work, how, take, report, environ)
    if not count and work.mapping is not None and not any(total.items for total in journal.totals().values()):
        report.warning(f"there is nothing below {work.mapping.source}")
    for name, source in journal.overlapping() if _is_one_store(how, environ) else ():
        _failed(record, name, MOVED_OVER, f"{name}: it is the source of another, {source}")
    if work.is_listed and not work.if_newer:  # which lists what is left to do only
        journal.drop_unseen()
    for each in twice:
        text = f"{each.destination}: from {each.first} and from {each.second}"
        _failed(record, each.destination, TWICE, text)
    before = journal.totals()
    todo = before[State.TODO]
    there = before[State.DONE].items + before[State.DELETED].items
    report.debug(f"{count} listed, {todo.items} to do, {there} done")
    tally = Tally(record, report, most)
    try:
        if any(crew):
            from gof3r.fleet import front as fleet  # late: few have one

            fleet.carry_all(*crew, how, tally, journal, environ)
        else:
            carrier = Carrier(how, tally, environ)
            end_left(journal, carrier)
            carry_all(tally, carrier)
    except Interrupted:
        record.settle()
        report.clear()
        say(f"gof3r: stopped: {_so_far(record)}; run it again to go on")
        raise
    except Stopped:
        record.settle()
        _tell_failures(record, report)
        raise
    report.clear()
    record.settle()
    moved = f"{tally.carried} objects moved and verified, {human(tally.bytes)}"
    say(f"gof3r: {moved}, {there} were there before" if there else f"gof3r: {moved}")
    _tell_failures(record, report)
    stay = 0
    if delete:
        kept = [each.second for each in twice]
        stay = delete_sources(how, record, report, environ, _is_one_store(how, environ), kept)
    _conclude(record, stay)


def _failed(record: Record, destination: str, cause: str, text: str) -> None:
    entry = record.journal.entry(destination)
    if entry is not None:
        record.journal.failed([Failed(entry.id, cause, one_line(text))])


def _so_far(record: Record) -> str:
    totals = record.journal.totals()
    done, deleted, todo = totals[State.DONE], totals[State.DELETED], totals[State.TODO]
    size = human(done.bytes + deleted.bytes)
    return f"{done.items + deleted.items} objects are done ({size}), {todo.items} to do"


def _conclude(record: Record, stay: int) -> None:
    """Raises Gof3rError where something is left to be done."""
    totals = record.journal.totals()
    failed, left = totals[State.FAILED].items, []
    if failed:
        every = failed + totals[State.DONE].items + totals[State.DELETED].items
        left.append(f"{failed} of {every} objects failed")
    if stay:
        left.append(f"{stay} sources are still there")
    if left:
        raise Gof3rError(f"migrate: {', '.join(left)}; run it again to try them again")


def _tell_failures(record: Record, report: Report) -> None:
    """Grouped by their causes, each with the first of its kind."""
    for cause in record.journal.causes():
        many = "1 object" if cause.items == 1 else f"{cause.items} objects"
        report.warning(f"{many}: {cause.cause}: {cause.text}")


# --- looking ------------------------------------------------------------------


def _estimate(work: Work, how: How, report: Report, environ: Mapping[str, str], delete: bool) -> None:
    config = how.config
    connections = int(config.concurrency)
    asked = work.mapping
    server_side = False
    if asked is None or (isinstance(asked.source, S3Object) and isinstance(asked.destination, S3Object)):
        server_side = ordering.one_service(config, how.source, environ)
    estimated = Estimated(
        part_size=how.part_size,
        slots=connections,
        sidecar=False,
        if_none_match=how.if_none_match,
        server_side=server_side,
    )
    estimate = Estimate(estimated)

    def take(items: list[Item]) -> None:
        for item in items:
            if not item.refused:
                estimate.add(item)

    count = _list(work, how, take, report, environ)
    if work.is_listed and asked is not None and isinstance(asked.source, S3Object):
        estimate.add_listing(count)
    rate = CONNECTION_RATE * connections
    seconds = estimate.seconds(rate, latency=LATENCY, at_once=connections)
    unknown = f" ({estimate.unknown} of unknown size)" if estimate.unknown else ""
    moved = [
        f"{human(size)} {what}"
        for size, what in (
            (estimate.received, "received"),
            (estimate.sent, "sent"),
            (estimate.copied, "copied by S3"),
        )
        if size
    ]
    write_lines(
        [
            f"objects: {estimate.objects} of {count}{unknown}",
            f"bytes: {', '.join(moved) or 'none'}",
            f"requests: {estimate.put_class} of the class of PUT, {estimate.get_class} of the class of GET",
            f"time: about {_time(seconds)}, at {rate / 1e6:.0f} MB/s ({connections} connections of 90 MB/s)",
            *([f"deleted: up to {estimate.objects} sources, when all are moved"] if delete else []),
        ]
    )


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _verify(command: Command, how: How, report: Report, environ: Mapping[str, str]) -> None:
    given = command.options.keys() & {"from", "to", "inventory", "receipts", "max-errors"}
    if command.arguments or given or command.flags & {"dry-run", "delete-source", "if-newer"}:
        raise UsageError("--verify: the receipts say all that is to be checked")
    path = command.options["verify"]
    found = check(path, how.config, how.headers, how.memory, report, environ)
    report.clear()
    write_lines([f"{found.objects - found.wrong} of {found.objects} objects are as their receipts say"])
    if found.wrong:
        _wrong(path, found.wrong)


def _wrong(path: str, wrong: int) -> NoReturn:
    raise Gof3rError(one_line(f"migrate: {path}: {wrong} objects are not as their receipts say"))
