"""Parts on their way out: how a stream of unknown length is cut, and which slot each part gets.

One part is read at a time, and reading starts before S3 has been asked anything, so that the first request
already knows whether everything fits one part. A slot is free again when its bytes are both accepted by the
server and in the stream's own digest: else one part in backoff would hold up all. A part that the server may
have from an earlier run is digested first, and sent only when what is there is something else.

It knows no requests; ``send`` is told how to make one of a part.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..errors import TransferError
from ..s3 import replies
from ..values import Digests, Part, Response, Slot, Verdict
from .dispatch import Work
from .events import Action, Announce, Event, Fill, Filled, Hashed, Tell, Warn
from .plan import MAX_PARTS, UploadPlan, human
from .resuming import There
from .slots import Ledger
from .story import Telling, Until
from .verify import CRC, Whole, text


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the server has of one part."""

    etag: str
    crc: str
    """CRC64NVME in base64; "" for none."""
    opaque: bool
    """The ETag is no md5 of our bytes."""
    listed: bool
    """It was there already, and not sent."""


class Sent:
    """What the server has said of the parts that it accepted."""

    def __init__(self) -> None:
        self.answer: Response | None = None
        """The last answer that accepted a part."""
        self.each: dict[int, Accepted] = {}
        """By part number."""

    def __len__(self) -> int:
        return len(self.each)

    @property
    def opaque(self) -> bool:
        """Some part's ETag is no md5."""
        return any(part.opaque for part in self.each.values())

    @property
    def unchecked(self) -> bool:
        """Some part was there, and nobody has held its bytes against our md5."""
        return any(part.opaque and part.listed for part in self.each.values())

    def add(self, part: Part, answer: Response, etag: str, crc: str) -> None:
        """``part`` is accepted, as ``etag``; ``crc`` is its CRC64NVME in base64, "" for none."""
        self.answer = answer
        opaque = not replies.etag_is_md5({**answer.headers, "etag": etag})
        self.each[part.number] = Accepted(etag, crc, opaque, listed=False)

    def add_listed(self, part: Part, etag: str, crc: str, md5: bytes) -> None:
        """``part`` was there already, as the server lists it; ``md5`` is that of our bytes, b"" where it was
        not computed."""
        self.each[part.number] = Accepted(etag, crc, etag.lower() != md5.hex(), listed=True)

    @property
    def parts(self) -> list[tuple[int, str, str]]:
        """Number, ETag and base64 CRC64NVME of each part, as Complete lists them."""
        return [(number, part.etag, part.crc) for number, part in sorted(self.each.items())]


class Outgoing:
    """The parts of one upload. ``announce``: every part is announced to the collector, which hashes the
    stream. ``warnings``: sizes in bytes, ascending, and what to say when the stream has grown to them."""

    def __init__(
        self, *, plan: UploadPlan, ledger: Ledger, announce: bool, warnings: tuple[tuple[int, str], ...] = ()
    ) -> None:
        self._plan = plan
        self._ledger = ledger
        self._announce = announce
        self._warnings = list(warnings)
        self._filling: Slot | None = None
        self._held: dict[int, tuple[Part, Slot]] = {}
        self._unsent: list[int] = []
        self._make: Callable[[Part], Work] | None = None
        self._look: Callable[[Part], Work | None] = lambda part: None
        self._there = There(())
        self._known: dict[int, Digests] = {}
        """Of parts that were compared with what is there, and are to be sent."""
        # What is known so far, for the story.
        self.done = 0
        self.there = 0
        """Bytes of the parts that needed not to be sent."""
        self.total: int | None = None
        """Bytes of the whole source, where that is known beforehand: a file."""
        self.size = 0
        self.count = 0
        self.ended = False
        self.stream_crc = b""
        """CRC64NVME of what was read, when the parent runs it."""
        self.whole = Whole()
        self.sent = Sent()

    def take(self, event: Event) -> list[Action]:
        """Bytes have arrived in a slot, or a slot's bytes are in the stream's digest."""
        if isinstance(event, Hashed):
            self._ledger.move(event.slot, "hashed")
        return self._filled(event) if isinstance(event, Filled) else []

    def grant(self) -> tuple[list[Action], list[Work]]:
        """A slot for the next part to be read into, and works of the parts that have been read."""
        return self._fill(), self._works()

    def _fill(self) -> list[Action]:
        """One part is read at a time. When parts grow, the ring drains first and the slots are cut anew."""
        if self.ended or self._filling:
            return []
        number = self.count + 1
        beyond = number > MAX_PARTS
        size = 1 if beyond else self._plan.size_of(number)  # a byte more tells whether the stream has ended
        if not beyond and size != self._ledger.size:
            if not self._ledger.idle:
                return []
            self._ledger.recut(size)
        self._filling = self._ledger.grant("fill")
        return [Fill(self._filling, size, look_ahead=number == 1)] if self._filling else []

    def _filled(self, event: Filled) -> list[Action]:
        """Raises TransferError when the stream is longer than its parts can hold."""
        slot, self._filling = event.slot, None
        self.ended = event.ended
        self.stream_crc = event.crc
        if event.length == 0 and self.count > 0:
            self._ledger.move(slot, "empty")
            return []
        self.count += 1
        if self.count > MAX_PARTS:
            raise TransferError(
                f"the stream is longer than {human(self._plan.reach)}, the most that {MAX_PARTS:,} parts "
                "within this memory hold; use a larger --partsize"
            )
        part = Part(self.count, self.size, event.length)
        self.size += event.length
        self._held[part.number] = part, slot
        self._unsent.append(part.number)
        self._ledger.move(slot, "filled")
        actions: list[Action] = []
        if self._announce:
            actions.append(Tell(Announce(part, slot)))
        else:
            self._ledger.move(slot, "hashed")
        while self._warnings and self.size >= self._warnings[0][0]:
            actions.append(Warn(self._warnings.pop(0)[1]))
        return actions

    def _works(self) -> list[Work]:
        if self._make is None:
            return []
        works = []
        for number in self._unsent:
            part, slot = self._held[number]
            known = self._known.pop(number, None)
            work = self._look(part) if known is None else None
            if work is None:
                work = self._make(part)
                work.known = {name: known[name] for name in work.digests} if known else {}
            work.slot = slot
            works.append(work)
        self._unsent.clear()
        return works

    def planned(self, number: int) -> int:
        """Bytes of part ``number``, should the stream reach its end."""
        return self._plan.size_of(number)

    def compare(self, there: There, look: Callable[[Part], Work | None]) -> None:
        """Parts are not sent where ``there`` has the same bytes; ``look`` makes the work that digests a part,
        None where there is nothing to compare it with."""
        self._there, self._look = there, look

    def send(self, make: Callable[[Part], Work]) -> Telling:
        """Send every part there is and will be, as ``make`` says, until all are accepted."""
        self._make = make
        self._unsent = list(self._held)
        yield Until(lambda: self.ended and len(self.sent) == self.count)

    def allow(self, parts: int) -> None:
        """So many parts may own a slot at a time, two at least: one is read while another is sent."""
        self._ledger.most = max(2, parts)

    @property
    def starved(self) -> bool:
        """There is more to read, and no slot for it."""
        return not self.ended and self._filling is None

    @property
    def single(self) -> bool:
        """Everything has been read and is in one part."""
        return self.ended and self.count == 1

    def accepted(self, part: Part, verdict: Verdict) -> None:
        digests, answer = verdict.digests, verdict.response
        if verdict.job.direction == "digest":
            listed = self._there.same(part, digests)
            if listed is None:
                self._known[part.number] = digests
                self._unsent.append(part.number)
                return
            crc, md5 = text(digests.get(CRC, b"")), digests.get("md5", b"")
            self.sent.add_listed(part, listed.etag, crc, md5)
            self.there += part.length
        else:
            assert answer is not None  # nothing is accepted without one
            self.sent.add(part, answer, replies.etag(answer), text(digests.get(CRC, b"")))
        _, slot = self._held.pop(part.number)
        self._ledger.move(slot, "sent")
        self.whole.add(part, digests)
        self.done += part.length
