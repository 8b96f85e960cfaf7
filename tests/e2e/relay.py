"""A relay between the program and the server that can stop a request, or its answer, on the way.

It moves bytes and knows one thing about them: a piece that starts with an HTTP request line is a request.
The one that a test asks for is held back, so that the test knows for certain what is on the wire and which
process of the program waits for it, without guessing at times; or its connection breaks, its answer is
damaged, or something happens just before the server sees it. Of TLS, which it passes on as it is, it can only
count the connections.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Callable
from urllib.parse import urlsplit


class Relay:
    """Listens on ``endpoint`` and speaks to ``server`` (a URL); as a context manager."""

    def __init__(self, server: str) -> None:
        address = urlsplit(server)
        self._server = (address.hostname or "", address.port or 80)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"{address.scheme}://127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0
        """How many the program has made."""
        self.sent = 0
        """Bytes that the program has sent."""
        self._lock = threading.Lock()
        self._wanted: re.Pattern[bytes] | None = None
        self._then = ""
        self._held = threading.Semaphore(0)
        self._ports: list[int] = []
        self._deed: Callable[[], object] = lambda: None
        self._losing: set[socket.socket] = set()
        self._damaging: set[socket.socket] = set()
        self._sockets: list[socket.socket] = []
        self._closed = False

    def __enter__(self) -> Relay:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._closed = True
            for each in (self._listener, *self._sockets):
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()

    def hold(self, request: str) -> None:
        """From now on hold back the next request that starts with the pattern ``request``."""
        self._want(request, "hold")

    def refuse(self, request: str) -> None:
        """Break the connection of the next such request before the server sees it."""
        self._want(request, "refuse")

    def lose_answer(self, request: str) -> None:
        """Let the server act on the next such request, and break its connection instead of the answer."""
        self._want(request, "lose")

    def before(self, request: str, deed: Callable[[], object]) -> None:
        """Do ``deed`` when the next such request has come, and only then let the server see it."""
        self._deed = deed
        self._want(request, "do")

    def damage(self, request: str) -> None:
        """Change one byte in the body of the answer to the next such request."""
        self._want(request, "damage")

    def _want(self, request: str, then: str) -> None:
        with self._lock:
            self._wanted, self._then = re.compile(request.encode()), then

    @property
    def waits(self) -> bool:
        """The request that was asked for has not come yet."""
        return self._wanted is not None

    def held(self, seconds: float = 45.0) -> int:
        """Wait until one is held; the port of the client that waits for its answer."""
        assert self._held.acquire(timeout=seconds), "the request that should be held never came"
        return self._ports.pop(0)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, (_, port) = self._listener.accept()
                server = socket.create_connection(self._server)
                with self._lock:
                    if self._closed:  # in the meantime
                        client.close()
                        server.close()
                        return
                    self._sockets += [client, server]
                    self.connections += 1
                threading.Thread(target=self._requests, args=(client, server, port), daemon=True).start()
                threading.Thread(target=self._move, args=(server, client), daemon=True).start()

    def _requests(self, client: socket.socket, server: socket.socket, port: int) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(1 << 18):
                with self._lock:
                    self.sent += len(data)
                then = self._meets(data, port)
                if then == "refuse":
                    break
                if then == "do":
                    self._deed()
                if then == "lose":
                    self._losing.add(server)
                if then == "damage":
                    self._damaging.add(server)
                if then == "hold":
                    self._held.release()
                    while client.recv(1 << 18):  # its rest; nothing more can come before an answer
                        pass
                    break
                server.sendall(data)
        for each in (server, client):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _meets(self, data: bytes, port: int) -> str:
        """What is to happen to the piece ``data``."""
        with self._lock:
            if self._wanted is None or not self._wanted.match(data):
                return ""
            self._wanted = None
            if self._then == "hold":
                self._ports.append(port)
            return self._then

    def _move(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while (data := server.recv(1 << 18)) and server not in self._losing:
                if server in self._damaging and not data.endswith(b"\r\n\r\n"):  # more than the head
                    self._damaging.remove(server)
                    data = data[:-1] + bytes([data[-1] ^ 1])
                client.sendall(data)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)
