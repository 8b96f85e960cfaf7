"""Where a simulated transfer's bytes come from and lie: real ones, or their lengths alone."""

from __future__ import annotations

from gof3r.engine.flow.events import Fill, Filled
from gof3r.engine.s3 import checksums
from gof3r.engine.values import Slot


class Memory:
    """The slab."""

    def __init__(self, size: int) -> None:
        self._bytes = bytearray(size)

    def write(self, slot: Slot, data: bytes) -> None:
        assert len(data) <= slot.size
        self._bytes[slot.offset : slot.offset + len(data)] = data

    def read(self, slot: Slot, length: int) -> bytes:
        return bytes(self._bytes[slot.offset : slot.offset + length])


class Tokens(Memory):
    """A slab of any size: a slot holds a name of its bytes instead."""

    def __init__(self) -> None:
        self._tokens: dict[int, bytes] = {}

    def write(self, slot: Slot, data: bytes) -> None:
        self._tokens[slot.offset] = data

    def read(self, slot: Slot, length: int) -> bytes:
        return self._tokens[slot.offset]


class Source:
    """The stream, as ``proc.parent.Source`` reads it."""

    def __init__(self, data: bytes, crc: bool) -> None:
        self.size = len(data)
        self._data = data
        self._crc = checksums.new("crc64nvme") if crc else None
        self._read = 0

    def fill(self, fill: Fill) -> tuple[bytes, Filled]:
        length = min(fill.length, self.size - self._read)
        data = self._bytes(self._read, length)
        self._read += length
        if self._crc:
            self._crc.update(memoryview(data))
        ended = self._read == self.size and (length < fill.length or fill.look_ahead)
        return data, Filled(fill.slot, length, ended, self._crc.digest() if self._crc else b"")

    def _bytes(self, offset: int, length: int) -> bytes:
        return self._data[offset : offset + length]


class Lengths(Source):
    """A stream of any size, of which only positions exist."""

    def __init__(self, size: int) -> None:
        super().__init__(b"", crc=False)
        self.size = size

    def _bytes(self, offset: int, length: int) -> bytes:
        return f"{offset}+{length}".encode()
