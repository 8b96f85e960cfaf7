"""Messages between two processes: pickled values over a private pipe, one writer and one reader.

One pipe an edge, never a shared queue: a writer killed inside a shared queue's lock would hang everybody,
whereas a private pipe keeps every message whole and ends in EOF, which is a dead writer's last message.

A message is a 4-byte little-endian length and a pickle. Reads never block. Children's sends may; the parent's
must not, or the three pipes of the ring could block in a circle (met where a user's share of pipe memory was
used up, and pipes were 8 KiB): what a pipe does not take stays in the sender until it does.
"""

from __future__ import annotations

import fcntl
import os
import pickle
import select
import struct
from typing import Any

PIPE = 1 << 20
"""Bytes of a pipe: the most that Linux gives without privilege (/proc/sys/fs/pipe-max-size)."""

_LENGTH = struct.Struct("<I")


def widen(fd: int) -> None:
    """Make the pipe ``fd`` hold ``PIPE`` bytes if it is one and the system allows: 0.35 instead of 0.60 CPU
    s/GiB for a stream (measured)."""
    try:
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE)
    except OSError:
        pass  # no pipe, or the user's share of pipe memory is used up: slower, not wrong


class Sender:
    """The writing end; ``unsent`` while it holds what the pipe has not taken."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._buffer = bytearray()

    def never_block(self) -> None:
        """From now on ``send`` returns at once; the owner calls ``flush`` when the pipe is ready."""
        os.set_blocking(self.fd, False)

    @property
    def unsent(self) -> bool:
        return bool(self._buffer)

    def send(self, message: object) -> None:
        """Raises BrokenPipeError when the reader has ended."""
        self.put(message)
        self.flush()

    def put(self, message: object) -> None:
        """To be sent with the next ``flush``: several messages in one write wake the reader once."""
        pickled = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
        self._buffer += _LENGTH.pack(len(pickled)) + pickled

    def flush(self) -> None:
        """Write what the pipe takes. Raises BrokenPipeError."""
        while self._buffer:
            try:
                del self._buffer[: os.write(self.fd, self._buffer)]
            except BlockingIOError:
                return

    def close(self) -> None:
        os.close(self.fd)


class Receiver:
    """The reading end. ``ended`` turns true when the writer has closed or died."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.ended = False
        self._buffer = bytearray()
        os.set_blocking(fd, False)

    def receive(self) -> list[Any]:
        """All whole messages that have come, possibly none; what a dying writer left half done is dropped."""
        while not self.ended:
            try:
                data = os.read(self.fd, PIPE)
            except BlockingIOError:
                break
            self.ended = not data
            self._buffer += data
        messages = []
        start = 0
        while len(self._buffer) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer, start)
            end = start + _LENGTH.size + length
            if len(self._buffer) < end:
                break
            messages.append(pickle.loads(memoryview(self._buffer)[start + _LENGTH.size : end]))
            start = end
        del self._buffer[:start]
        return messages

    def receive_first(self) -> Any:
        """The next message alone, waited for, while nothing has been received yet; None at the end. What
        follows it stays in the pipe, where it can be polled for."""
        header = self._wait_for(_LENGTH.size)
        body = self._wait_for(_LENGTH.unpack(header)[0]) if len(header) == _LENGTH.size else b""
        return None if self.ended else pickle.loads(body)

    def _wait_for(self, size: int) -> bytes:
        data = b""
        ready = select.poll()  # not select: a caller with many open files hands down a high number
        ready.register(self.fd, select.POLLIN)
        while len(data) < size and not self.ended:
            ready.poll()
            piece = os.read(self.fd, size - len(data))
            self.ended = not piece
            data += piece
        return data

    def close(self) -> None:
        os.close(self.fd)


def pipe() -> tuple[Receiver, Sender]:
    reading, writing = os.pipe()
    widen(writing)
    return Receiver(reading), Sender(writing)
