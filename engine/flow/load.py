"""The stories of measuring a store: objects are made to be read, then requests are made for some seconds.

Theory: what is measured is S3, not a transfer: requests of a transfer's kind and size, as many at a time,
each checked as a part is, but none waits for another, and nothing is read or written here. An object that one
part holds is put whole; of a larger one parts are uploaded to one upload that is never completed, and ranges
are read. What a load makes is below one prefix, which whoever asked for it clears in the end (``clear.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ..errors import Gof3rError, TransferError
from ..orders import Made, Mode
from ..s3 import operations, replies
from ..values import Digests, Part, Request, Target, Verdict
from . import pattern
from .dispatch import Work
from .multipart import Multipart
from .outgoing import Sent
from .plan import MAX_PARTS, ranges
from .repeating import Mark, Repeating
from .story import Quiet, Story, Telling, Until
from .verify import CRC, text


def furnishing(size: int) -> int:
    """Bytes of the parts of which an object of ``size`` bytes is made: its bytes are then the pattern's."""
    return pattern.BLOCK * max(1, -(-size // (MAX_PARTS * pattern.BLOCK)))


KEYS = 1000
"""Objects that puts of whole objects write, over and over: to remove a million would be a load by itself."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What was seen between two beats."""

    seconds: float
    sent: int
    """Bytes, as they passed; ``received`` likewise."""
    received: int
    series: tuple[float, ...]
    """Bytes a second, of each second."""
    first: int
    """Requests that had succeeded before, and ``last`` in the end: the account's latencies are in this
    order."""
    last: int
    cpu: dict[str, float]
    """Seconds that each process used."""


class Furnish:
    """Makes ``count`` objects of ``size`` bytes below ``target``'s key; returns them, as ``orders.Made``."""

    def __init__(
        self,
        target: Target,
        parts: Repeating,
        *,
        size: int,
        count: int,
        part_size: int,
        digests: tuple[str, ...],
    ) -> None:
        self.name = f"bench {target}"
        self._target = target
        self._parts = parts
        self._size = size
        self._count = count
        self._part_size = part_size
        self._digests = digests
        self._etags: dict[int, str] = {}

    def story(self) -> Story:
        """All of them, top to bottom."""
        if self._size <= self._part_size:
            yield from self._parts.all_of(self._whole, self._keep, self._count)
            return tuple(Made(self._key(number), self._etags[number]) for number in range(self._count))
        made = []
        for number in range(self._count):
            made.append((yield from self._in_parts(self._key(number), number * MAX_PARTS)))
        return tuple(made)

    def _key(self, number: int) -> str:
        return f"{self._target.key}object-{number:04}"

    def _whole(self, number: int) -> Work:
        target = replace(self._target, key=self._key(number))
        return sent(operations.put_object(target), number, self._size, self._digests)

    def _keep(self, part: Part, verdict: Verdict) -> None:
        assert verdict.response is not None
        self._etags[part.number - 1] = replies.etag(verdict.response)

    def _in_parts(self, key: str, before: int) -> Telling:
        target = replace(self._target, key=key)
        upload = Multipart(self.name, target, headers=(), digests=self._digests)
        yield from upload.create()
        try:
            lengths = [part.length for part in ranges(self._size, self._part_size)]
            accepted = Sent()

            def make(number: int) -> Work:
                request = operations.upload_part(target, upload.id, number + 1)
                return sent(request, before + number, lengths[number], upload.digests)

            def keep(part: Part, verdict: Verdict) -> None:
                assert verdict.response is not None
                its = replace(part, number=part.number - before)
                crc = text(verdict.digests.get(CRC, b""))
                accepted.add(its, verdict.response, replies.etag(verdict.response), crc)

            yield from self._parts.all_of(make, keep, len(lengths))
            completed = yield from upload.complete(accepted.parts, self._size, crc=b"", expected_etag="")
        except Gof3rError:
            yield Quiet()
            yield from upload.abort()
            raise
        return Made(key, completed.etag)


class Load:
    """``seconds`` of requests, after ``warmup`` more. ``objects``, of ``size`` bytes each, are what is read:
    the pattern's, or if ``foreign``, of whatever bytes. Returns ``Measured``."""

    def __init__(
        self,
        target: Target,
        parts: Repeating,
        *,
        mode: Mode,
        size: int,
        part_size: int,
        objects: tuple[Made, ...],
        foreign: bool,
        seconds: float,
        warmup: float,
        digests: tuple[str, ...],
    ) -> None:
        self.name = f"bench {mode} {target}"
        self._target = target
        self._parts = parts
        self._mode = mode
        self._size = size
        self._objects = objects
        self._foreign = foreign
        self._seen: dict[int, Digests] = {}
        """Of a foreign object: what each range had when it was read first, by its offset."""
        self._ranges = tuple(ranges(size, part_size))
        self._seconds = seconds
        self._warmup = warmup
        self._digests = digests

    def story(self) -> Story:
        """The whole load, top to bottom."""
        if self._mode == "get" or len(self._ranges) == 1:
            return (yield from self._measure(self._put_object))
        upload = Multipart(self.name, self._below("upload"), headers=(), digests=self._digests)
        yield from upload.create()
        self._digests = upload.digests
        try:
            measured = yield from self._measure(lambda number: self._upload_part(upload.id, number))
        except Gof3rError:
            yield Quiet()
            yield from upload.abort()
            raise
        yield from upload.abort()
        return measured

    def _measure(self, put: Callable[[int], Work]) -> Telling:
        makes = {
            "put": put,
            "get": self._range,
            "mixed": lambda number: put(number) if number % 2 else self._range(number),
        }
        self._parts.begin(makes[self._mode], self._check)
        marks = self._parts.marks
        yield Until(lambda: bool(marks) and marks[-1].at - marks[0].at >= self._warmup)
        first = len(marks) - 1
        yield Until(lambda: marks[-1].at - marks[first].at >= self._seconds)
        self._parts.stop()
        yield Quiet()
        return measured(marks[first:])

    def _below(self, name: str) -> Target:
        return replace(self._target, key=self._target.key + name)

    def _put_object(self, number: int) -> Work:
        target = self._below(f"put-{number % KEYS:03}")
        return sent(operations.put_object(target), number, self._size, self._digests)

    def _upload_part(self, upload_id: str, number: int) -> Work:
        request = operations.upload_part(self._below("upload"), upload_id, number % MAX_PARTS + 1)
        return sent(request, number, self._ranges[0].length, self._digests)

    def _range(self, number: int) -> Work:
        turn = number // 2 if self._mode == "mixed" else number
        made = self._objects[turn % len(self._objects)]
        its = self._ranges[turn // len(self._objects) % len(self._ranges)]
        last = its.offset + its.length - 1
        return Work(
            operations.get_object(replace(self._target, key=made.key), its.offset, last, made.etag),
            f"bytes {its.offset}-{last} of {made.key}",
            replace(its, number=number + 1),
            direction="receive",
            digests=self._digests,
            etag=made.etag,
            object_size=self._size,
        )

    def _check(self, part: Part, verdict: Verdict) -> None:
        """Raises TransferError where the bytes are not those that were made."""
        if verdict.job.direction == "send":
            return
        if self._foreign:
            expected = self._seen.setdefault(part.offset, verdict.digests)
        else:
            expected = pattern.digests(self._digests, part.offset % pattern.BLOCK, part.length)
        wrong = [name for name, digest in expected.items() if verdict.digests.get(name) != digest]
        if wrong:
            request = verdict.job.request
            last = part.offset + part.length - 1
            raise TransferError(
                f"{self.name}: bytes {part.offset}-{last} of {request.path} are not those that were "
                f"{'read before' if self._foreign else 'put'}: another {wrong[0]}"
            )


def sent(request: Request, number: int, length: int, digests: tuple[str, ...]) -> Work:
    """The work numbered ``number`` (from 0) that sends the first ``length`` bytes of its slot."""
    part = Part(number + 1, 0, length)
    return Work(request, f"{request.operation} {number + 1}", part, direction="send", digests=digests)


def measured(marks: list[Mark]) -> Measured:
    """What lies between the first and the last of ``marks``, two at least."""
    first, last = marks[0], marks[-1]
    moved = last.moved - first.moved
    sent_bytes, received = last.sent - first.sent, last.received - first.received
    whole = sent_bytes + received
    # Bytes are counted as they pass, and know no direction; those of whole requests do.
    out = moved * sent_bytes // whole if whole else 0
    return Measured(
        last.at - first.at,
        out,
        moved - out,
        tuple(
            (later.moved - sooner.moved) / (later.at - sooner.at)
            for sooner, later in zip(marks, marks[1:], strict=False)
        ),
        first.requests,
        last.requests,
        {name: used - first.cpu.get(name, 0.0) for name, used in last.cpu.items()},
    )
