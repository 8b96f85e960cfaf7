"""A reverse proxy that does wrong, once it is told to: HTTP/1.1 in front of a real S3 server.

Requests and answers are whole values here, so every fault is one of two things: an edit of such a value, or a
way of not delivering it. They go through as they came otherwise, with their Host, so signatures hold. Which
fault meets which request is a ``Scenario``; ``table`` has the list.

It must not know what the program is expected to do about it.
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from io import BufferedReader
from urllib.parse import urlsplit

from tests.faults.faults import Fault, Scenario, edited, flipped
from tests.faults.messages import Answered, Asked, read_answer, read_body, read_request

TRICKLE = 0.005
"""Seconds between two bytes: 200 B/s, where the program takes less than 1024 for stalled."""
SPACES = (25, 0.1)
"""How many blanks come before an answer, and the seconds between two: longer than a hurried stall."""

Weather = Callable[[str], Fault | None]
"""What meets a request of this operation by chance, beside all that is planned."""


def fair(operation: str) -> None:
    """The weather in which nothing happens."""


class Proxy:
    """Listens at two addresses, for a copy between two stores. ``play`` says what goes wrong from now on."""

    def __init__(self, server: str) -> None:
        url = urlsplit(server)
        self._server = (url.hostname or "", url.port or 80)
        self._lock = threading.Lock()
        self._scenarios: list[Scenario] = []
        self._weather: Weather = fair
        self._counts: Counter[str] = Counter()
        self._calm = threading.Event()
        self.requests: list[str] = []
        """Operations since ``play``, in the order in which they came."""
        self.struck: list[Scenario] = []
        self._listeners = [socket.create_server(("127.0.0.1", 0), backlog=64) for _ in range(2)]
        for listener in self._listeners:
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        self.endpoint, self.other_endpoint = (
            f"http://127.0.0.1:{listener.getsockname()[1]}" for listener in self._listeners
        )

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.play()
        for listener in self._listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def play(self, *scenarios: Scenario, weather: Weather = fair) -> None:
        """Forget what has been, let go of what is stalled, and play ``scenarios`` in this ``weather``."""
        with self._lock:
            self._calm.set()
            self._calm = threading.Event()
            self._scenarios = list(scenarios)
            self._weather = weather
            self._counts.clear()
            self.requests, self.struck = [], []

    # --- one connection ------------------------------------------------------------------

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError, ValueError), client, client.makefile("rb") as reader:
            with socket.create_connection(self._server) as server, server.makefile("rb") as back:
                server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while asked := read_request(reader):
                    fault, calm = self._meets(asked.operation)
                    if not _Exchange(client, reader, server, back, calm).run(asked, fault):
                        break
            reader.close()  # or its copy of the socket would keep a reset from being sent

    def _meets(self, operation: str) -> tuple[Fault | None, threading.Event]:
        with self._lock:
            self.requests.append(operation)
            self._counts[operation] += 1
            count = self._counts[operation]
            for scenario in self._scenarios:
                late = count - scenario.nth
                if scenario.operation == operation and 0 <= late < (scenario.times or count):
                    self.struck.append(scenario)
                    return scenario.fault, self._calm
            fault = self._weather(operation)
            if fault is not None:
                self.struck.append(Scenario(operation, count, fault))
            return fault, self._calm


@dataclass
class _Exchange:
    """One request and its answer, right or wrong."""

    client: socket.socket
    reader: BufferedReader
    server: socket.socket
    back: BufferedReader
    calm: threading.Event

    def run(self, asked: Asked, fault: Fault | None) -> bool:
        """Whether the connection goes on."""
        unread = fault is not None and fault.when == "before" and fault.deed in ("reset", "stall")
        if not unread:  # what is refused in the middle of a body breaks the connection by itself
            asked = replace(asked, body=read_body(self.reader, asked))
        if fault is None:
            self.client.sendall(self._ask(asked).whole(asked.method))
            return True
        if fault.deed == "corrupt request":
            asked = replace(asked, body=flipped(asked.body))
        answer = self._ask(asked) if fault.when == "after" else Answered(200, ())
        return self._do(fault, asked.method, answer)

    def _ask(self, asked: Asked) -> Answered:
        lines = [asked.line, *(f"{name}: {value}" for name, value in asked.headers), "", ""]
        self.server.sendall("\r\n".join(lines).encode("latin-1") + asked.body)
        return read_answer(self.back, asked.method)

    def _do(self, fault: Fault, method: str, answer: Answered) -> bool:
        match fault.deed:
            case "reset":
                self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return False
            case "close":
                return False
            case "stall":
                self._until_gone()
                return False
            case "trickle":
                for byte in answer.whole(method):
                    self.client.sendall(bytes([byte]))
                    if self.calm.wait(TRICKLE):
                        return False
                return True
            case "truncate":
                half = answer.body[: len(answer.body) // 2]
                self.client.sendall(answer.head(method, len(answer.body)) + half)
                return False
            case "spaces":
                self._spaces(answer)
                return True
        self.client.sendall(edited(fault, answer).whole(method))
        return True

    def _spaces(self, answer: Answered) -> None:
        """As S3 does it: the status and the XML declaration, blanks for as long as it works, the rest."""
        head = answer.without("content-length").without("transfer-encoding")
        head = head.having("Transfer-Encoding", "chunked")
        lines = ["HTTP/1.1 200 OK", *(f"{name}: {value}" for name, value in head.headers), "", ""]
        self.client.sendall("\r\n".join(lines).encode("latin-1"))
        declaration = re.match(rb"\s*<\?xml[^>]*\?>", answer.body)
        at = declaration.end() if declaration else 0
        count, pause = SPACES
        for piece in (answer.body[:at], *[b" "] * count, answer.body[at:]):
            if piece:
                self.client.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
                self.calm.wait(pause)
        self.client.sendall(b"0\r\n\r\n")

    def _until_gone(self) -> None:
        poll = select.poll()
        poll.register(self.client, select.POLLRDHUP | select.POLLHUP | select.POLLERR)
        while not self.calm.is_set() and not poll.poll(100):
            pass
