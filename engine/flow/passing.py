"""Parts on their way through: ranges of a source, received into slots and sent on from there.

Slots are granted in part order, so that the part that the stream's digest waits for always owns one. From
when its bytes are there, a part's slot lives as one of an upload: it is free when the bytes are both accepted
by the destination and in the stream's own digest. The digests that were computed on the way in go with the
part on its way out: what the server checks is what was received. A part that the server has from an earlier
run, by the same digests, is not sent.

Parts can be copied by the server, too; they need no slots.

It knows no requests; ``receive``, ``send`` and ``copy`` are told how to make one of a range.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ..s3 import checksums, replies
from ..values import Digests, Part, Response, Slot, Verdict
from .dispatch import Work
from .events import Action, Event, Hashed
from .outgoing import Sent
from .resuming import There
from .slots import Ledger
from .story import Telling, Until, ask
from .verify import CRC, Whole, text

AHEAD = 1000
"""Copies by the server that are given out at once: more than ever fly together, and few enough to be sorted
at every event."""

Make = Callable[[Part], Work]


class Passing:
    """The ranges of one copy."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.cut(())

    def cut(self, parts: Sequence[Part]) -> None:
        """What to copy, in part order; what was copied before is forgotten."""
        self._lengths = [part.length for part in parts]
        self._parts: Iterator[Part] = iter(parts)
        self._next: Part | None = None
        self._hashed = False
        self._receive: Make | None = None
        self._begun = False
        """Ranges are being received."""
        self._send: Make | None = None
        self._copy: Make | None = None
        self._held: dict[int, tuple[Part, Slot, Digests]] = {}
        """Parts that own a slot, and their digests once they are received."""
        self._unsent: list[int] = []
        self._flying = 0
        """Parts that the server has been told to copy."""
        self._received = 0
        self._there = There(())
        self._brings: tuple[str, ...] = ()
        # What is known so far, for the story.
        self.count = len(parts)
        self.size = sum(part.length for part in parts)
        self.done = 0
        self.there = 0
        """Bytes of the parts that needed not to be sent."""
        self.whole = Whole()
        """Of what was received."""
        self.answer: Response | None = None
        """The last one that brought a range."""
        self.sent = Sent()

    @property
    def memory(self) -> int:
        """Bytes of all slots together: the most that one range can have."""
        return self._ledger.memory

    @property
    def total(self) -> int | None:
        """Bytes of all parts, once they are cut."""
        return self.size or None

    def allow(self, parts: int) -> None:
        """So many parts may own a slot at a time."""
        self._ledger.most = parts

    @property
    def starved(self) -> bool:
        """There is a range to fetch, and no slot for it."""
        return self._next is not None

    @property
    def single(self) -> bool:
        """Everything is in one part."""
        return self.count == 1

    @property
    def stream_crc(self) -> bytes:
        """CRC64NVME of the bytes that were received; every part must have had it."""
        return self.whole.crc(CRC)

    # --- for the story ------------------------------------------------------------------

    def receive(self, make: Make, *, hashed: bool) -> None:
        """Every range is to be fetched as ``make`` says, once it is waited for: never earlier, so that no
        part fails while something else is asked. ``hashed``: the collector hashes the stream."""
        self._ledger.recut(max([*self._lengths, 1]))  # an empty part needs a slot, too
        self._receive = make
        self._hashed = hashed
        if self.size == 0:  # S3 has no range without bytes
            self._begun = True
            for work in self._fetches():
                assert work.part is not None
                self._arrived(work.part, checksums.compute(work.digests, memoryview(b"")))

    def compare(self, there: There, brings: tuple[str, ...]) -> None:
        """Ranges are not sent where ``there`` has the same bytes; ``brings``: digests that a part goes
        with."""
        self._there, self._brings = there, brings

    def digests_of(self, number: int) -> Digests:
        """Of a part that is received, and not sent yet."""
        return self._held[number][2]

    def received(self) -> Telling:
        """Wait until every range is there."""
        self._begun = True
        yield Until(lambda: self._received == self.count)

    def send(self, make: Make) -> Telling:
        """Send every range on, as ``make`` says, until all are accepted."""
        self._begun = True
        self._send = make
        self._unsent = [number for number, (_, _, digests) in self._held.items() if digests]
        yield Until(lambda: len(self.sent) == self.count)

    def copy_first(self, make: Make) -> Telling:
        """Have the server copy the first range, as ``make`` says: a server that cannot, or does not want to,
        says so while nothing else is under way."""
        part = next(self._parts)
        work = make(part)
        answer = yield from ask(work.request, work.reads, patient=work.patient)
        self._copied(part, answer.response)

    def copy(self, make: Make) -> Telling:
        """Have the server copy all other ranges, until it has."""
        self._copy = make
        yield Until(lambda: len(self.sent) == self.count)

    # --- the feed ------------------------------------------------------------------

    def take(self, event: Event) -> list[Action]:
        """A slot's bytes are in the stream's digest."""
        if isinstance(event, Hashed):
            self._ledger.move(event.slot, "hashed")
        return []

    def grant(self) -> tuple[list[Action], list[Work]]:
        """Copies to be made; slots for the next ranges, in part order; ranges to be sent on."""
        return [], [*self._copies(), *self._fetches(), *self._sends()]

    def _copies(self) -> Iterator[Work]:
        while self._copy is not None and self._flying < AHEAD and (part := next(self._parts, None)):
            self._flying += 1
            yield self._copy(part)

    def _fetches(self) -> Iterator[Work]:
        while self._begun and self._receive is not None:
            self._next = self._next or next(self._parts, None)
            slot = self._ledger.grant("fill") if self._next else None
            if self._next is None or slot is None:
                return
            part, self._next = self._next, None
            work = self._receive(part)
            work.slot = slot
            work.digests = self._there.to_compute(part, work.digests) or work.digests
            self._held[part.number] = part, slot, {}
            yield work

    def _sends(self) -> Iterator[Work]:
        if self._send is None:
            return
        for number in self._unsent:
            part, slot, digests = self._held[number]
            work = self._send(part)
            work.slot = slot
            work.known = {name: digests[name] for name in work.digests}
            yield work
        self._unsent.clear()

    def accepted(self, part: Part, verdict: Verdict) -> None:
        assert verdict.response is not None  # nothing is accepted without an answer
        if verdict.job.direction == "receive":
            self.answer = verdict.response
            self._arrived(part, verdict.digests)
        elif verdict.job.direction == "send":
            _, slot, _ = self._held.pop(part.number)
            self._ledger.move(slot, "sent")
            crc = text(verdict.digests.get(CRC, b""))
            self.sent.add(part, verdict.response, replies.etag(verdict.response), crc)
            self.done += part.length
        else:
            self._flying -= 1
            self._copied(part, verdict.response)

    def _copied(self, part: Part, answer: Response) -> None:
        copied = replies.copied(answer)  # which could be read, or it would not be here
        self.sent.add(part, answer, copied.etag, copied.crc64nvme)
        self.done += part.length

    def _arrived(self, part: Part, digests: Digests) -> None:
        _, slot, _ = self._held[part.number]
        self._ledger.move(slot, "filled")
        if not self._hashed:
            self._ledger.move(slot, "hashed")
        self._received += 1
        self.whole.add(part, digests)
        listed = self._there.same(part, digests)
        if listed is None:
            self._held[part.number] = part, slot, digests
            self._unsent.append(part.number)
            return
        del self._held[part.number]
        self._ledger.move(slot, "sent")
        crc = text(digests[CRC]) if CRC in self._brings else ""
        self.sent.add_listed(part, listed.etag, crc, digests.get("md5", b""))
        self.there += part.length
        self.done += part.length
