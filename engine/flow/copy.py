"""The story of a copy: by the server where it can, through our slots where it cannot.

What passes through is received into a slot, range by range, and sent from there. The source is proven as a
download's, before anything becomes an object of the destination; the destination is proven as an upload's.
What was copied by the server and cannot be proven is copied again, through the slots.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

from ..errors import Gof3rError, TransferError
from ..s3 import replies
from ..values import Begun, Digests, Header, Part, Seen, Target
from . import sidecar, sight
from .condition import only_over
from .download import range_work
from .events import Expect, Receipt, Tell, Warn
from .inherited import created_with
from .left import Left, begun
from .original import Original
from .passing import Passing
from .server_copy import Cannot, ServerCopy
from .story import Instruction, Story, Telling, stream_digests
from .upload import Upload, write_sidecar
from .verify import CRC


class Copy:
    """One copy of ``source`` to ``target``. ``headers`` replace the source's of the same name; ``digests`` is
    what parts are sent with and what may be computed for proofs; ``sidecar`` and ``unproven`` are as for a
    download of the source, and the destination gets a sidecar too; ``if_none_match`` never replaces an
    object; ``server_side``: the target's server can read the source by the same keys; ``part_size``: bytes of
    the parts of an object whose own parts cannot be used. ``begun`` is an upload of an earlier run to go on
    with; with ``resume`` one that is begun is shown, and one that fails stays for a later run. ``seen``: it
    is asked for as it was listed, without a look before."""

    def __init__(
        self,
        source: Target,
        target: Target,
        parts: Passing,
        *,
        headers: tuple[Header, ...],
        digests: tuple[str, ...],
        sidecar: bool,
        unproven: bool,
        serial: bool = False,
        if_none_match: bool,
        server_side: bool,
        part_size: int,
        resume: bool = False,
        begun: Begun | None = None,
        seen: Seen | None = None,
    ) -> None:
        self._original = Original(
            source,
            target,
            headers=headers,
            digests=digests,
            sidecar=sidecar,
            unproven=unproven,
            serial=serial,
            if_none_match=if_none_match,
            part_size=part_size,
            memory=parts.memory,
        )
        self.name = self._original.name
        self._source = source
        self._target = target
        self._parts = parts
        self._headers = headers
        self._digests = digests
        self._sidecar = sidecar
        self._condition = self._original.condition
        self._server_side = server_side
        self._part_size = part_size
        self._resume = resume
        self._left = Left(self.name, target, begun)
        looks = server_side or sidecar or begun
        most = min(part_size, parts.memory)
        self._seen = seen if seen and not looks and sight.can_be(seen, most) else None

    def story(self) -> Story:
        """The whole copy, and what becomes of an upload that was left where it has not come to that."""
        try:
            return (yield from self._copy())
        except Gof3rError as error:
            if self._left.id:
                yield from self._left.keep(error) if self._resume else self._left.end()
            raise

    def _copy(self) -> Generator[Instruction, object, Receipt]:
        """Top to bottom."""
        if self._seen:
            return (yield from self._at_sight(self._seen))
        head = yield from self._original.look()
        if self._server_side:
            try:
                receipt = yield from self._by_server(head)
                yield from self._left.end()
                return receipt
            except Cannot as why:
                yield Warn(f"{why}: copying through this machine instead")
                if why.made and self._condition:
                    self._condition = only_over(why.made)
        return (yield from self._through(head))

    # --- at sight ------------------------------------------------------------------

    def _at_sight(self, seen: Seen) -> Generator[Instruction, object, Receipt]:
        """Through a slot, by two requests and a look. Raises Unfit."""
        yield from self._original.refuse()
        parts, digests = self._parts, sight.computed(self._digests)
        parts.cut((Part(1, 0, seen.size),))
        yield Tell(Expect(()))
        parts.receive(lambda part: range_work(self._source, seen, part, digests), hashed=False)
        try:
            yield from parts.received()
        except TransferError as error:
            raise sight.changed(self.name, error) from None
        got = parts.digests_of(1)
        head, proof, proofs = yield from sight.proven(
            self.name, self._source, self._original.prover, parts.answer, parts.whole, got
        )
        headers = yield from created_with(self._source, head, self._headers)
        upload = Upload(
            self._target, parts, headers=headers, digests=self._digests, sidecar=False, name=self.name
        )
        receipt = yield from upload.store(self._condition)
        known = {**proof.digests(parts.whole, {name: got[name] for name in proof.stream}), **receipt.digests}
        return _from(head, replace(receipt, proofs=proofs, digests=known))

    # --- by the server ------------------------------------------------------------------

    def _by_server(self, head: replies.ObjectHead) -> Generator[Instruction, object, Receipt]:
        server = ServerCopy(
            self.name,
            self._source,
            self._target,
            self._parts,
            headers=self._headers,
            digests=self._digests,
            condition=self._condition,
            part_size=self._part_size,
        )
        completed, proofs = yield from server.copy(head)
        digests = {CRC: head.checksums[CRC]} if CRC in proofs else {}
        md5, certain = yield from self._known_md5(head)
        if md5:
            yield from self._write_sidecar(completed.etag if certain else "", md5)
        if certain:
            digests["md5"] = md5
        return _from(head, Receipt(head.size, completed.etag, proofs, completed.version_id, digests))

    def _known_md5(self, head: replies.ObjectHead) -> Generator[Instruction, object, tuple[bytes, bool]]:
        """The md5 of the source's bytes, for the sidecar, and whether it is certain: a sidecar that names no
        ETag may be about an older object, and is copied as it is. b"" when none is wanted, or nobody has told
        it."""
        if not self._sidecar:
            return b"", False
        if not head.opaque_etag and not replies.is_composite(head.etag):
            return bytes.fromhex(head.etag), True
        try:
            known = yield from sidecar.find(self._source, head.etag)
        except replies.Unreadable as unreadable:
            yield Warn(f"{self._source}: {unreadable}: not copied")
            return b"", False
        if known and known.damaged:
            yield Warn(f"{known.place} is damaged: its ETag is not its own md5: not copied")
            return b"", False
        return (bytes.fromhex(known.md5), bool(known.etag)) if known else (b"", False)

    def _write_sidecar(self, etag: str, md5: bytes) -> Telling:
        return write_sidecar(self._target, etag, md5, self._headers)

    # --- through the slots ------------------------------------------------------------------

    def _through(self, head: replies.ObjectHead) -> Generator[Instruction, object, Receipt]:
        cut = yield from self._original.cut(head)
        self._parts.cut(cut.parts)
        proof, hashed = cut.proof, bool(cut.stream)
        headers = yield from created_with(self._source, head, self._headers)
        going_on = yield from self._left.fitting(head.etag, headers, self._digests, cut.planned)
        brings = self._digests
        if going_on:
            there, brings = going_on
            self._parts.compare(there, brings)
        yield Tell(Expect(cut.stream))
        self._parts.receive(lambda part: range_work(self._source, head, part, cut.digests), hashed=hashed)
        stream: Digests = {}
        proofs: tuple[str, ...] = ()

        def check_source() -> Telling:
            nonlocal stream, proofs
            yield from self._parts.received()
            if hashed:
                stream = yield from stream_digests(self._parts.count if head.size else 0)
            proofs = yield from self._original.prover.check(proof, self._parts.whole, stream)

        def note(upload_id: str, brings: tuple[str, ...]) -> Begun:
            return begun(self._target, upload_id, head.etag, headers, brings)

        upload = Upload(
            self._target,
            self._parts,
            headers=headers,
            digests=brings,
            sidecar=False,
            resume=self._resume,
            upload_id=self._left.taken(),
            note=note if self._resume else None,
            name=self.name,
        )
        receipt = yield from upload.store(self._condition, check_source)
        if self._sidecar:
            yield from self._write_sidecar(receipt.etag, stream["md5"])
        known = {**proof.digests(self._parts.whole, stream), **receipt.digests}
        return _from(head, replace(receipt, proofs=proofs, digests=known))


def _from(head: replies.ObjectHead, receipt: Receipt) -> Receipt:
    return replace(receipt, source_etag=head.etag, source_version_id=head.version_id)
