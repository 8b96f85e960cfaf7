"""The collector as ``proc.collector`` is one: messages in, verdicts and news out, the stream in order."""

from __future__ import annotations

from collections import deque

from gof3r.engine.flow.events import (
    Announce,
    Digested,
    Event,
    Expect,
    Hashed,
    Release,
    ToCollector,
    Total,
    Written,
)
from gof3r.engine.flow.reorder import Reorder
from gof3r.engine.flow.verify import judge
from gof3r.engine.s3 import checksums
from gof3r.engine.values import Outcome, Part, Slot, Verdict
from tests.flow.stream import Memory


class Collector:
    """``writes``: it is a download's, and ``delivered`` is its destination; else it hashes what is announced
    or received. One call is one step of it."""

    def __init__(self, memory: Memory, writes: bool) -> None:
        self.orders: deque[ToCollector] = deque()
        self.messages: deque[Event] = deque()
        self.to_hash: deque[tuple[Part, Slot]] = deque()
        self.delivered = bytearray()
        self._memory = memory
        self._writes = writes
        self._digests: dict[str, checksums.Digest] = {}
        self._held = 0
        self._turns: Reorder[tuple[Part, Slot]] = Reorder()
        self._to_write: deque[tuple[Part, Slot]] = deque()
        self._hashed = 0
        self._total: int | None = None
        self.released = False

    def obey(self) -> None:
        match self.orders.popleft():
            case Expect(digests, held):
                self._digests = {name: checksums.new(name) for name in digests}
                self._held = held
            case Announce(part, slot):
                self.to_hash.append((part, slot))
            case Total(parts):
                self._total = parts
                self._say_digests()
            case Release():
                self.released = True

    def judge(self, outcome: Outcome) -> Verdict:
        verdict = judge(outcome)
        self.messages.append(verdict)
        part, slot = verdict.job.part, verdict.job.slot
        if verdict.failure is None and verdict.job.direction == "receive" and part and slot:
            for piece in self._turns.put(part.number, (part, slot)):
                if self._digests:
                    self.to_hash.append(piece)
                elif self._writes:
                    self._to_write.append(piece)
        return verdict

    @property
    def hashes(self) -> bool:
        return bool(self._digests)

    def hash(self) -> Slot:
        part, slot = self.to_hash.popleft()
        for digest in self._digests.values():
            digest.update(memoryview(self._memory.read(slot, part.length)))
        self._hashed += 1
        if self._writes:
            self._to_write.append((part, slot))
        else:
            self.messages.append(Hashed(slot, part.length))
        self._say_digests()
        return slot

    def _say_digests(self) -> None:
        if self._hashed == self._total:
            self.messages.append(Digested({name: d.digest() for name, d in self._digests.items()}))

    @property
    def can_write(self) -> bool:
        return bool(self._to_write) and (self.released or self._to_write[0][0].number != self._held)

    def write(self) -> Slot:
        part, slot = self._to_write.popleft()
        assert part.offset == len(self.delivered), "the stream is in order, without gap or repetition"
        self.delivered += self._memory.read(slot, part.length)
        self.messages.append(Written(part, slot))
        return slot
