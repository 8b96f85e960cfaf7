"""The story of a proof that two buckets are two: an object is put into the one, looked for through the other,
and removed.

A store can have several names (a host's, its address, an alias, an access point), so names prove nothing. An
object of a name that nobody has used is there through another name only if both lead to one place. Deleting a
source, and seeing whether its copy is still there, would prove the same too late.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

from ..errors import TransferError
from ..s3 import operations, replies
from ..values import Header, Target
from .events import Show, Warn
from .remove import GONE, check_deleted
from .story import Instruction, Story, ask, head_of

BODY = b"gof3r migrate --delete-source has put this to see whether two buckets are one. It can be removed.\n"


@dataclass(frozen=True, slots=True)
class Placed:
    """The probe is there: who is shown it may look for it, too, before it is removed."""

    probe: Target


class Apart:
    """Puts ``probe``, a key that nobody uses, with ``headers``, shows it, and looks for it at ``places``."""

    def __init__(self, probe: Target, headers: Sequence[Header], places: Sequence[Target]) -> None:
        self.name = f"probe {probe}"
        self._headers = headers
        self._probe = probe
        self._places = places

    def story(self) -> Story:
        """Of each place, whether the probe is there; None where the server does not say. Raises TransferError
        when the probe cannot be put."""
        put = operations.put_object(self._probe, self._headers, BODY)
        answer = yield from ask(put, replies.version_id)
        probe = replace(self._probe, version_id=answer.value)
        try:
            if not (yield from self._is_there(self._probe)):
                raise TransferError(f"{self.name}: it was put, and cannot be seen there")
            yield Show(Placed(self._probe))
            found = []
            for place in self._places:
                found.append((yield from self._is_there(place)))
        except TransferError:
            yield from self._remove(probe)
            raise
        yield from self._remove(probe)
        return tuple(found)

    def _is_there(self, place: Target) -> Generator[Instruction, object, bool | None]:
        try:
            yield from head_of(self.name, place)
        except TransferError as error:
            if error.failure is None or error.failure.kind != "server":
                raise
            return False if error.failure.status == GONE else None
        return True

    def _remove(self, probe: Target) -> Generator[Instruction, object, None]:
        try:
            yield from ask(operations.delete_object(probe), check_deleted)
        except TransferError as error:
            yield Warn(f"{probe}, which was put there to look for it elsewhere, stays: {error}")
