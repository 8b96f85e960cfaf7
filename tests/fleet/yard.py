"""A fleet without machines: what a test says comes of each errand, and a store remembers what was done to it.

Theory: a store has uploads and objects, by name; bytes are none of its business. An errand is done as a
machine does it, as far as it gets: what is left behind by one that was lost is there for who comes next. All
of it is checked where it happens: no more errands than places, no part for an upload that is not there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gof3r.engine import orders
from gof3r.engine.books import Binding, Books
from gof3r.engine.flow import events
from gof3r.engine.spans import Split, StoredPart, Unsplit
from gof3r.engine.values import Begun, Part
from gof3r.fleet.cluster import Lost, News
from gof3r.fleet.errand import Arrived, Carry, EndUploads, Errand, Outcome, Refused
from gof3r.migrate.carrying import in_parts, kind
from gof3r.migrate.states import Entry
from tests.migrate.samples import receipt_of

PATIENCE = 10_000
"""Looks at what has ended, without anything having ended, after which nothing ever will."""


class Store:
    """The destination of everything."""

    def __init__(self, part_size: int) -> None:
        self.part_size = part_size
        self.sizes: dict[str, int] = {}
        """Of what a listing does not know, by destination."""
        self.unsplit: set[str] = set()
        self.uploads: dict[str, str] = {}
        """Destinations by id."""
        self.parts: dict[str, set[int]] = {}
        self.written: Counter[str] = Counter()
        self._begun = 0

    def begin(self, destination: str) -> str:
        self._begun += 1
        upload_id = f"u{self._begun}"
        self.uploads[upload_id] = destination
        self.parts[upload_id] = set()
        return upload_id

    def complete(self, upload_id: str) -> None:
        self.written[self.uploads.pop(upload_id)] += 1

    def end(self, destination: str, kept: str) -> None:
        """All uploads of it but one."""
        for upload_id in [it for it, name in self.uploads.items() if name == destination and it != kept]:
            del self.uploads[upload_id]

    def is_large(self, entry: Entry) -> bool:
        size = self.sizes.get(str(entry.item.destination), entry.item.known.size) or 0
        return in_parts(entry, self.part_size) or size > self.part_size


@dataclass(slots=True)
class Under:
    """An errand under way."""

    errand: Errand
    news: News = field(default_factory=News)


def done(value: object = None, error: str = "", *, ours: bool = False) -> Outcome:
    """Of an order."""
    if error:
        return Outcome(error=error, cause="NoSuchUpload", ours=ours)
    return Outcome(result=orders.Result(value, {"SlowDown": 1}, 0.5, Books(), Binding("", ""), {}))


class Yard:
    """A ``Cluster``. ``fate`` says of an errand under way what comes of it now: ``waits``, ``noticed`` (it is
    begun again by the scheduler, and goes on), or one of the methods' names."""

    def __init__(self, store: Store, places: int = 3) -> None:
        self.store = store
        self.places = places
        self.fate: Callable[[Errand], str] = lambda errand: "done"
        self.turned: Callable[[], None] = lambda: None
        self.submitted: list[Errand] = []
        self.cancelled: list[str] = []
        self.left_out: list[str] = []
        self.tells = False
        """What has arrived is told at once, and not with the outcome alone."""
        self.out: dict[str, Under] = {}
        self._ended: dict[str, Under] = {}
        self._still = 0

    @property
    def machines(self) -> int:
        return self.places

    def submit(self, errand: Errand) -> None:
        assert len(self.out) < self.places, "nothing is in line"
        assert errand.key not in {each.key for each in self.submitted}
        self.submitted.append(errand)
        self.out[errand.key] = Under(errand)

    def leave_out(self, machine: str) -> None:
        self.left_out.append(machine)

    def cancel(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.cancelled.append(key)
            self.out.pop(key, None)
            self._ended.pop(key, None)

    def ended(self, within: float) -> list[tuple[str, Outcome | Lost]]:
        self.turned()
        self._ended = {}
        found: list[tuple[str, Outcome | Lost]] = []
        for key, under in list(self.out.items()):
            fate = self.fate(under.errand)
            if fate == "waits":
                continue
            under.news.runs += 1
            if fate == "noticed":
                self._do(under, under.errand.what, half=True)
                under.news.runs += 1
                continue
            outcome: Outcome | Lost = getattr(self, fate)(under)
            self._ended[key] = self.out.pop(key)
            found.append((key, outcome))
        self._still = 0 if found else self._still + 1
        assert self._still < PATIENCE, f"nothing ends of {[under.errand for under in self.out.values()]}"
        return found

    def news(self, key: str) -> News:
        under = self.out.get(key) or self._ended.get(key)
        return under.news if under else News()

    # --- fates ------------------------------------------------------------------

    def done(self, under: Under) -> Outcome:
        return self._do(under, under.errand.what)

    def lost(self, under: Under) -> Lost:
        """Before it has begun anything."""
        return Lost("gone")

    def half(self, under: Under) -> Lost:
        """In the middle."""
        self._do(under, under.errand.what, half=True)
        return Lost("gone")

    def unheard(self, under: Under) -> Lost:
        """When it was done."""
        self._do(under, under.errand.what)
        return Lost("gone")

    def twice(self, under: Under) -> Outcome:
        """A scheduler begins it again by itself, after ``half``."""
        self._do(under, under.errand.what, half=True)
        under.news.runs += 1
        return self._do(under, under.errand.what)

    def unreached(self, under: Under) -> Outcome:
        """The machine loses its way to the store in the middle."""
        got = self._do(under, under.errand.what, half=True)
        return Outcome(got.arrived, got.refused, error="no route to host", cause="7", ours=True, machine="m")

    def refused(self, under: Under) -> Outcome:
        """The store wants none of it."""
        what = under.errand.what
        if isinstance(what, Carry):
            there = set(self.store.uploads.values())
            names = [(entry.id, str(entry.item.destination)) for entry in what.entries]
            refused = [
                Refused(number, "AccessDenied", f"{name}: no", name in there) for number, name in names
            ]
            return Outcome(refused=tuple(refused))
        return Outcome(error="no", cause="AccessDenied")

    # --- what a machine does ------------------------------------------------------------------

    def _do(self, under: Under, what: object, *, half: bool = False) -> Outcome:
        store = self.store
        match what:
            case Carry():
                return self._carry(under, what, half)
            case EndUploads(leftovers):
                for leftover in leftovers[: len(leftovers) // 2] if half else leftovers:
                    store.end(str(leftover.item.destination), leftover.kept)
                return Outcome()
            case orders.Begin(copy):
                target = str(copy.target)
                if target in store.unsplit:
                    return done(Unsplit("only its md5 proves it"))
                size, each = store.sizes[target], store.part_size
                cuts = enumerate(range(0, size, each), 1)
                parts = tuple(Part(number, at, min(each, size - at)) for number, at in cuts)
                resumed = copy.begun is not None and copy.begun.upload_id in store.uploads
                begun = copy.begun if copy.begun and resumed else Begun(store.begin(target), "e", "h")
                return done(Split(begun, size, "", parts, (), ("md5",), ("md5",), resumed))
            case orders.Span(_, split, first, last):
                if split.begun.upload_id not in store.uploads:
                    return done(error="no such upload")
                middle = first if half else last
                store.parts[split.begun.upload_id].update(range(first, middle + 1))
                sent = split.parts[first - 1 : last]
                return done(tuple(StoredPart(part, "e", "", False, split.resumed, {}) for part in sent))
            case orders.Finish(_, split, stored):
                assert sorted(it.part.number for it in stored) == [it.number for it in split.parts]
                assert {part.number for part in split.parts} == store.parts[split.begun.upload_id]
                if not half and split.begun.upload_id in store.uploads:
                    store.complete(split.begun.upload_id)  # again: it is there, and proven
                return done(events.Receipt(split.size, "etag-64", ("md5",), source_etag=split.begun.etag))
            case orders.Uploads(_, _, upload_id, abort):
                assert abort
                if not half:
                    store.uploads.pop(upload_id, None)
                return done()
        raise AssertionError(f"an errand of no kind: {what}")

    def _carry(self, under: Under, what: Carry, half: bool) -> Outcome:
        for entry in what.entries:
            if entry.id in what.again and entry.left:
                kept = entry.left.begun.upload_id if entry.left.begun else ""
                self.store.end(str(entry.item.destination), kept)
        arrived: list[Arrived] = []
        whole = len(what.entries) // 2 if half else len(what.entries)
        for entry in what.entries[: whole + 1]:
            upload_id = self._begin(under, entry)
            if len(arrived) == whole:
                break
            if upload_id:
                self.store.complete(upload_id)
            else:
                self.store.written[str(entry.item.destination)] += 1
            arrived.append(Arrived(entry.id, receipt_of(entry.item)))
            if self.tells:
                under.news.arrived.append(arrived[-1])
        return Outcome(tuple(arrived))

    def _begin(self, under: Under, entry: Entry) -> str:
        """The upload that its parts go to; empty for none."""
        store, name = self.store, str(entry.item.destination)
        which = kind(entry.item)
        if which == "get" or not store.is_large(entry):
            return ""
        begun = entry.left.begun if entry.left else None
        there = [it for it, of in store.uploads.items() if of == name]
        if which == "put":
            return there[-1] if there else store.begin(name)
        if begun is None or begun.upload_id not in there:
            begun = Begun(store.begin(name), "e", "h")
        under.news.uploads.append((entry.id, begun))
        return begun.upload_id
