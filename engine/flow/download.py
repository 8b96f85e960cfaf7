"""The story of a download: HEAD, the md5 sidecar, what can prove this object, all parts, the whole's checks.

The last part is held back until the checks of the whole have passed, so that a reader of our output never
sees the end of something wrong.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from ..errors import TransferError
from ..s3 import operations, replies
from ..values import Digests, Part, Target
from . import plan as s3_plan
from .dispatch import Work
from .events import Expect, Receipt, Release, Tell, Warn
from .incoming import Incoming
from .story import Instruction, Story, Telling, ask, head_of, stream_digests
from .verify import CRCS, text


@dataclass(frozen=True, slots=True)
class Proof:
    """How an object will be proven: what to compute, and what it must come to."""

    crc: str = ""
    """Name of the full-object CRC to combine from the parts'."""
    stream: tuple[str, ...] = ()
    """Digests to run over the whole stream, serially."""
    sidecar_md5: str = ""
    layout: tuple[Part, ...] = ()
    """The object's own parts, when its ETag is to be recomputed from their md5s."""

    @property
    def part_digests(self) -> tuple[str, ...]:
        return tuple(name for name in (self.crc, "md5" if self.layout else "") if name)

    @property
    def by(self) -> str:
        """For people."""
        if self.crc:
            return self.crc
        return "its ETag" if self.layout or self.stream == ("md5",) else self.stream[0]


class Download:
    """One download into ``parts``. ``digests`` says which families may be computed (md5, crc64nvme, the
    latter for any CRC); ``sidecar`` whether the md5 sidecar is read; ``unproven`` whether an object that
    nothing can prove is taken all the same."""

    def __init__(
        self,
        target: Target,
        parts: Incoming,
        *,
        part_size: int,
        digests: tuple[str, ...],
        sidecar: bool,
        unproven: bool,
    ) -> None:
        self.name = f"get {target}"
        self._target = target
        self._parts = parts
        self._part_size = part_size
        self._md5 = "md5" in digests
        self._crc = "crc64nvme" in digests
        self._sidecar = sidecar
        self._unproven_ok = unproven
        self._why_unproven = "nothing that is stored with it could prove it"
        if not (self._md5 and self._crc):
            self._why_unproven += f" within --checksum {','.join(digests)}"

    def story(self) -> Story:
        """The whole download, top to bottom."""
        head = yield from self._head()
        if self._target.version_id not in ("", head.version_id):
            said = head.version_id or "none"
            raise TransferError(f"{self.name}: version {said} came, expected {self._target.version_id}")
        proof = yield from self._proof(head)
        self._cut(head.size, proof.layout)
        yield Tell(Expect(proof.stream, held=self._parts.count))
        yield from self._parts.receive(lambda part: self._range_work(part, head, proof))
        stream = (yield from stream_digests(self._parts.count)) if proof.stream else {}
        proofs = self._checked(head, proof, stream)
        if not proofs and proof != Proof():
            yield from self._unproven("nothing that is stored with it proves it")
        yield Tell(Release())
        yield from self._parts.drain()
        return Receipt(head.size, head.etag, proofs, head.version_id)

    def _cut(self, size: int, layout: tuple[Part, ...]) -> None:
        """Ranges on the object's own parts where these prove it, equal ones otherwise."""
        if layout:
            self._parts.cut(layout, len(layout), max(part.length for part in layout))
        else:
            length = self._part_size
            self._parts.cut(s3_plan.ranges(size, length), -(-size // length), length)

    def _head(self, part_number: int | None = None) -> Generator[Instruction, object, replies.ObjectHead]:
        try:
            return (yield from head_of(self.name, self._target, part_number))
        except TransferError as error:
            # An error's code is in its body, and HEAD has none: ask for one byte to learn it.
            if error.failure is None or error.failure.kind != "server" or error.failure.code:
                raise
            yield from ask(operations.get_object(self._target, 0, 0))
            raise

    def _proof(self, head: replies.ObjectHead) -> Generator[Instruction, object, Proof]:
        """The strongest proof that this object allows, at the price of at most one md5: a full-object CRC,
        the sidecar's md5, an ETag that is the stream's md5, an ETag that its parts' md5s make."""
        crc = next((name for name in CRCS if name in head.checksums), "") if self._crc else ""
        sidecar = (yield from self._read_sidecar(head)) if self._sidecar else ""
        if sidecar:
            return Proof(crc, ("md5",), sidecar)
        if crc:
            proof = Proof(crc)
        elif self._etag_is_stream_md5(head):
            proof = Proof(stream=("md5",))
        elif layout := (yield from self._layout(head)):
            proof = Proof(layout=layout)
        elif sha := next((name for name in ("sha256", "sha1") if name in head.checksums), ""):
            proof = Proof(stream=(sha,))
        else:
            proof = Proof()
        if proof == Proof():
            yield from self._unproven(self._why_unproven)
        elif self._sidecar:
            yield Warn(f"{self._target} has no md5 sidecar: verifying by {proof.by} instead")
        return proof

    def _etag_is_stream_md5(self, head: replies.ObjectHead) -> bool:
        """The ETag is an md5 of all bytes, and may be computed: without the sidecar the serial md5 of a long
        stream is what the user wants to avoid."""
        plain = not (head.opaque_etag or replies.is_composite(head.etag))
        return self._md5 and plain and (self._sidecar or head.size <= self._part_size)

    def _unproven(self, why: str) -> Telling:
        """Without any proof, only --no-md5 goes on."""
        if not self._unproven_ok:
            text = f"{self.name}: {why}; use --no-md5 to accept it on its length and ETag alone"
            raise TransferError(text)
        yield Warn(f"{self._target}: {why}: taken on its length and ETag alone")

    def _read_sidecar(self, head: replies.ObjectHead) -> Generator[Instruction, object, str]:
        """The md5 that the sidecar gives for this object; "" when there is none for it. A sidecar that names
        another ETag belongs to an object that has been overwritten since."""
        places = [operations.sidecar_target(self._target)]
        if "." in self._target.bucket:
            places.append(operations.old_sidecar_target(self._target))
        for place in places:
            try:
                answer = yield from ask(operations.get_object(place))
                md5, etag = replies.sidecar(answer.response)
            except replies.Unreadable as unreadable:
                raise TransferError(f"{self.name}: {unreadable}; use --no-md5 to do without it") from None
            except TransferError as error:
                # 403 counts as absent: without leave to list a bucket, S3 answers it for a missing key.
                if error.failure is None or error.failure.status not in (403, 404):
                    raise
                continue
            if etag == head.etag or (not etag and not self._target.version_id):
                return md5
            yield Warn(f"the md5 sidecar {place} belongs to another version of the object: ignored")
        return ""

    def _layout(self, head: replies.ObjectHead) -> Generator[Instruction, object, tuple[Part, ...]]:
        """The object's own parts as they most likely are, when their md5s can prove it and memory holds the
        largest; () otherwise."""
        if not self._md5 or head.opaque_etag or not replies.is_composite(head.etag):
            return ()
        first = yield from self._head(part_number=1)
        layout = s3_plan.layout(first.part_length, head.part_count, head.size) or ()
        largest = max((part.length for part in layout), default=0)
        if largest > self._parts.memory:
            memory = s3_plan.human(self._parts.memory)
            self._why_unproven = (
                f"the md5s of its parts could prove it, and {s3_plan.human(largest)} do not fit the slots' "
                f"memory of {memory}: use a larger --partsize or --concurrency"
            )
            return ()
        return layout

    def _checked(self, head: replies.ObjectHead, proof: Proof, stream: Digests) -> tuple[str, ...]:
        """What has been proven of the whole. Raises TransferError when a digest that is stored for it
        disproves it; a composite ETag on parts that were guessed can prove, but not disprove."""
        proven = []
        if proof.stream:
            (name,) = proof.stream
            got = stream[name].hex()
            if proof.sidecar_md5:
                self._compare("md5", got, proof.sidecar_md5, "its sidecar")
            elif name == "md5":
                self._compare("md5", got, head.etag.lower(), "its ETag")
            else:
                self._compare(name, got, head.checksums[name].hex(), "its checksum")
            proven.append(name)
        if proof.crc:
            got, stored = text(self._parts.whole.crc(proof.crc)), text(head.checksums[proof.crc])
            self._compare(proof.crc, got, stored, "its checksum")
            proven.append(proof.crc)
        if proof.layout and self._parts.whole.composite_etag == head.etag.lower():
            proven.append("md5")
        return tuple(proven)

    def _compare(self, digest: str, got: str, stored: str, where: str) -> None:
        if got != stored:
            raise TransferError(
                f"{self.name}: {digest} of the bytes is {got}, expected {stored} from {where}; "
                "do not use what was received"
            )

    def _range_work(self, part: Part, head: replies.ObjectHead, proof: Proof) -> Work:
        last = part.offset + part.length - 1
        return Work(
            operations.get_object(self._target, part.offset, last, head.etag),
            f"part {part.number} (bytes {part.offset}-{last})",
            part,
            direction="receive",
            digests=proof.part_digests,
            etag=head.etag,
            object_size=head.size,
        )
