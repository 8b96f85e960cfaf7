"""What can prove an object that is read: what is stored about it, and whether its bytes agree.

Theory: S3 keeps *claims* about an object: the ETag, checksums of several kinds, and beside it our sidecar. A
claim is held against the bytes in one of three ways: a digest run over the whole stream (serial), a CRC
combined from the parts' (free), or a digest of the parts' digests, which needs the parts that the object was
made of. Those are a guess (S3 tells the first one's length and their count), so a composite that does not
match means *not proven this way*, never *corrupt* - unless another one matches on the same parts.

A ``Prover`` chooses the claims from a HEAD, before a byte is fetched, and checks them when all bytes are
there; a transfer is to compute what the ``Proof`` asks for. It must not know where the bytes go.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Generator
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from ..errors import TransferError
from ..s3 import operations, replies
from ..values import Claim, Digests, Part, Target
from . import plan as s3_plan
from . import sidecar
from .events import Warn
from .story import Instruction, Telling, ask, head_of
from .verify import CRCS, Whole, text

SHAS = ("sha256", "sha1")
"""Whole-object checksums that take a run over the stream, the strongest first."""


def look(
    name: str, target: Target, part_number: int | None = None
) -> Generator[Instruction, object, replies.ObjectHead]:
    """HEAD of ``target``, with the server's reason where it refuses. Raises TransferError, also when another
    version answers than the one asked for."""
    try:
        head = yield from head_of(name, target, part_number)
    except TransferError as error:
        # An error's code is in its body, and HEAD has none: ask for one byte to learn it.
        if error.failure is None or error.failure.kind != "server" or error.failure.code:
            raise
        try:
            yield from ask(operations.get_object(target, 0, 0))
        except TransferError as told:
            if told.failure is None or told.failure.status != 416:  # an empty object has no first byte
                raise
        # It may be read by now: HEAD came with expired keys, and GET's refusal has brought newer ones.
        head = yield from head_of(name, target, part_number)
    if target.version_id not in ("", head.version_id):
        said = head.version_id or "none"
        raise TransferError(f"{name}: version {said} came, expected {target.version_id}")
    return head


def one_part(
    name: str, target: Target, number: int
) -> Generator[Instruction, object, replies.ObjectHead | None]:
    """``look`` at one of the parts that ``target`` was made of; None where the store does not tell."""
    try:
        return (yield from look(name, target, number))
    except TransferError as error:
        if error.failure is None or error.failure.kind not in ("server", "check"):
            raise
        return None


ASKED = 1000
"""Parts whose lengths are asked for one by one."""


def likely_parts(
    name: str, target: Target, head: replies.ObjectHead
) -> Generator[Instruction, object, tuple[Part, ...]]:
    """The parts that ``target`` was most likely made of, by the first one's length and their number; where
    these fit no habit, as the store tells them one by one. () where it does not tell."""
    first = yield from one_part(name, target, 1)
    if first is None:
        return ()
    count = head.part_count or first.part_count
    if layout := s3_plan.layout(first.part_length, count, head.size):
        return layout
    lengths = [first.part_length]
    for number in range(2, count + 1 if count <= ASKED else 0):
        part = yield from one_part(name, target, number)
        if part is None:
            return ()
        lengths.append(part.part_length)
    if len(lengths) != count or sum(lengths) != head.size:
        return ()
    ends = list(accumulate(lengths))
    return tuple(
        Part(number, end - length, length)
        for number, (length, end) in enumerate(zip(lengths, ends, strict=True), 1)
    )


@dataclass(frozen=True, slots=True)
class Proof:
    """The claims to check; none: nothing proves the object."""

    claims: tuple[Claim, ...] = ()
    layout: tuple[Part, ...] = ()
    """The object's own parts, on which it must be read for its composite claims; () when it has none."""
    noted: tuple[str, ...] = ()
    """CRCs to be combined though no claim needs them: whoever writes a receipt can be held to them later."""

    @property
    def stream(self) -> tuple[str, ...]:
        """Digests to run over the whole stream, in part order."""
        return tuple(dict.fromkeys(claim.digest for claim in self.claims if claim.way == "stream"))

    @property
    def part_digests(self) -> tuple[str, ...]:
        """Digests that every part needs."""
        needed = [claim.digest for claim in self.claims if claim.way != "stream"]
        return tuple(dict.fromkeys((*needed, *self.noted)))

    def digests(self, whole: Whole, stream: Digests) -> Digests:
        """Those of the whole object that were computed: name to raw bytes."""
        combined = [claim.digest for claim in self.claims if claim.way == "combined"]
        return {**stream, **{name: whole.crc(name) for name in (*combined, *self.noted)}}


class Prover:
    """Of one object. ``digests`` says which families may be computed (md5, crc64nvme; the latter stands for
    any CRC), ``sidecar`` whether the md5 sidecar is read, ``unproven`` whether an object that nothing can
    prove is taken all the same. ``every`` asks for all claims, not the cheapest proof (at most one md5).
    ``memory``: bytes of the largest part that can be held; ``part_size``: bytes above which a serial md5 is
    too slow for who reads no sidecar."""

    def __init__(
        self,
        name: str,
        target: Target,
        *,
        digests: tuple[str, ...],
        sidecar: bool,
        unproven: bool,
        memory: int,
        part_size: int,
        every: bool = False,
    ) -> None:
        self._name = name
        self._target = target
        self._md5 = "md5" in digests
        self._crc = "crc64nvme" in digests
        self._sidecar = sidecar
        self._unproven_ok = unproven
        self._memory = memory
        self._part_size = part_size
        self._every = every
        self._why_unproven = "nothing that is stored with it could prove it"
        if not (self._md5 and self._crc):
            self._why_unproven += f" within --checksum {','.join(digests)}"

    def head(self) -> Generator[Instruction, object, replies.ObjectHead]:
        """What is there. Raises TransferError."""
        return (yield from look(self._name, self._target))

    # --- before the bytes ------------------------------------------------------------------

    def choose(self, head: replies.ObjectHead) -> Generator[Instruction, object, Proof]:
        """How the object will be proven. Raises TransferError when nothing can, unless ``unproven``."""
        by_sidecar = (yield from self._by_sidecar(head)) if self._sidecar else ()
        crcs = self._by_checksums(head, CRCS, "combined") if self._crc else ()
        shas = self._by_checksums(head, SHAS, "stream")
        plain = self._by_plain_etag(head)
        claims = (*by_sidecar, *plain, *crcs, *shas) if self._every else (*by_sidecar, *crcs[:1]) or plain
        layout: tuple[Part, ...] = ()
        if self._every or not claims:
            layout = yield from self._layout(head)
        if layout:
            claims += self._by_parts(head) if self._every else self._by_parts(head)[:1]
        elif self._every and claims and self._by_parts(head):
            yield Warn(f"{self._target}: {self._why_unproven}")
        claims = claims or shas[:1]
        if not claims:
            yield from self.refuse(self._why_unproven)
        elif self._sidecar and not by_sidecar and not self._every:
            by = "its ETag" if claims[0].source == "its ETag" else claims[0].digest
            yield Warn(f"{self._target} has no md5 sidecar of its own: verifying by {by} instead")
        return Proof(claims, layout)

    def refuse(self, why: str) -> Telling:
        """Without any proof, only --no-md5 goes on. Raises TransferError."""
        if self._unproven_ok:
            yield Warn(f"{self._target}: {why}: taken on its length and ETag alone")
        else:
            # Who wants a proof whatever that takes would take nothing without one.
            firm = self._every or self._part_size >= s3_plan.MAX_OBJECT
            advice = "" if firm else "; use --no-md5 to accept it on its length and ETag alone"
            raise _disproved(f"{self._name}: {why}{advice}")

    def _by_sidecar(self, head: replies.ObjectHead) -> Generator[Instruction, object, tuple[Claim, ...]]:
        try:
            found = yield from sidecar.find(self._target, head.etag)
        except replies.Unreadable as unreadable:
            advice = "" if self._every else "; use --no-md5 to do without it"
            raise TransferError(f"{self._name}: {unreadable}{advice}") from None
        return (Claim("md5", bytes.fromhex(found.md5), "its sidecar", "stream"),) if found else ()

    def _by_checksums(
        self, head: replies.ObjectHead, names: tuple[str, ...], way: Literal["stream", "combined"]
    ) -> tuple[Claim, ...]:
        there = (name for name in names if name in head.checksums)
        return tuple(Claim(name, head.checksums[name], "its checksum", way) for name in there)

    def _by_plain_etag(self, head: replies.ObjectHead) -> tuple[Claim, ...]:
        """An ETag that is the md5 of all bytes. Without the sidecar the serial md5 of a long stream is what
        the user wants to avoid."""
        wanted = self._md5 and (self._sidecar or head.size <= self._part_size)
        if not wanted or head.opaque_etag or replies.is_composite(head.etag):
            return ()
        return (Claim("md5", bytes.fromhex(head.etag), "its ETag", "stream"),)

    def _by_parts(self, head: replies.ObjectHead) -> tuple[Claim, ...]:
        """What its parts' digests must make, md5 first where it may be computed."""
        claims = []
        if self._md5 and not head.opaque_etag and replies.is_composite(head.etag):
            md5s = bytes.fromhex(head.etag.partition("-")[0])
            claims.append(Claim("md5", md5s, "its ETag", "composite"))
        for name in (*(CRCS if self._crc else ()), *SHAS):
            if stored := head.composite_checksums.get(name, ""):
                raw = b64decode(stored.partition("-")[0])
                claims.append(Claim(name, raw, "its checksum of checksums", "composite"))
        return tuple(claims)

    def _layout(self, head: replies.ObjectHead) -> Generator[Instruction, object, tuple[Part, ...]]:
        """The object's own parts as they most likely are, when their digests can prove it and memory holds
        the largest; () otherwise."""
        if not self._by_parts(head):
            return ()
        layout = yield from likely_parts(self._name, self._target, head)
        why = "their lengths are unknown"
        largest = max((part.length for part in layout), default=0)
        if largest > self._memory:
            fit = f"{s3_plan.human(largest)} do not fit the slots' memory of {s3_plan.human(self._memory)}"
            layout, why = (), f"{fit}: use a larger --memory"
        if not layout:
            self._why_unproven = f"the digests of its parts could prove it, and {why}"
        return layout

    # --- after the bytes ------------------------------------------------------------------

    def check(
        self, proof: Proof, whole: Whole, stream: Digests
    ) -> Generator[Instruction, object, tuple[str, ...]]:
        """The names of the digests that have proven the whole object, of its parts' digests in ``whole`` and
        those run over the stream. Raises TransferError when a claim disproves it, and as ``refuse`` when
        claims were to be checked and none has proven it."""
        got = {claim: self._got(claim, whole, stream) for claim in proof.claims}
        right = [claim for claim in got if got[claim] == claim.expected]
        guessed = not any(claim.way == "composite" for claim in right)
        doubted = [claim for claim in got if claim not in right and guessed and claim.way == "composite"]
        wrong = [
            f"{claim.digest} of the bytes is {_shown(claim, got[claim])}, "
            f"expected {_shown(claim, claim.expected)} from {claim.source}"
            for claim in got
            if claim not in right and claim not in doubted
        ]
        if wrong:
            advice = "" if self._every else "; do not use what was received"
            raise _disproved(f"{self._name}: {'; '.join(wrong)}{advice}")
        if not right and doubted:
            yield from self.refuse("nothing that is stored with it proves it")
        for claim in doubted if right else ():
            yield Warn(f"{self._target}: not proven by {claim.source}: its parts may be other than guessed")
        return tuple(dict.fromkeys(claim.digest for claim in right))

    def _got(self, claim: Claim, whole: Whole, stream: Digests) -> bytes:
        if claim.way == "stream":
            return stream[claim.digest]
        return whole.crc(claim.digest) if claim.way == "combined" else whole.composite(claim.digest)


def _shown(claim: Claim, digest: bytes) -> str:
    """``digest`` in the form that the claim's source has it in."""
    return digest.hex() if claim.digest == "md5" else text(digest)


def _disproved(text: str) -> TransferError:
    error = TransferError(text)
    error.disproved = True
    return error
