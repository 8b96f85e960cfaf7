"""A server before the server: it notes every request, answers those it is told to, and passes on the rest.

The program is led to it as endpoint or as proxy. It changes nothing of what it passes on, so that signatures
stay good: what it notes is what S3 gets. With a certificate it speaks TLS, and the server behind it need not.
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

_HOPS = ("connection", "proxy-connection", "keep-alive", "transfer-encoding")
_SIGNED_FOR = re.compile(r"Credential=[^/]+/[0-9]+/([^/]+)/s3/aws4_request")


@dataclass(frozen=True)
class Seen:
    """One request as it came."""

    line: str
    """``METHOD /path?query``; of a proxy ``METHOD http://host/path`` or ``CONNECT host:port``."""
    headers: Mapping[str, str]
    """By lower-case names."""

    @property
    def region(self) -> str:
        """For which it is signed; empty when it is not."""
        found = _SIGNED_FOR.search(self.headers.get("authorization", ""))
        return found[1] if found else ""


@dataclass(frozen=True)
class Answer:
    """What a request that begins with the pattern ``request`` is answered, ``times`` times (0: always)."""

    request: str
    status: int
    headers: Mapping[str, str]
    body: str = ""
    times: int = 1


class Front:
    """Listens on ``endpoint`` for ``server`` (a URL); as a context manager."""

    def __init__(self, server: str, certificate: Path | None = None) -> None:
        self._server = urlsplit(server).netloc
        self.seen: list[Seen] = []
        """What came, in order, answered or not."""
        self._answers: list[Answer] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self.endpoint = f"{'https' if certificate else 'http'}://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> Front:
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def answer(
        self, request: str, status: int, headers: Mapping[str, str], body: str = "", times: int = 1
    ) -> None:
        """From now on answer the next ``times`` requests that begin with the pattern ``request`` (0: all)."""
        self._answers.append(Answer(request, status, headers, body, times))

    @property
    def lines(self) -> list[str]:
        return [seen.line for seen in self.seen]

    def of(self, request: str) -> list[Seen]:
        """Those that begin with the pattern ``request``."""
        return [seen for seen in self.seen if re.match(request, seen.line)]

    # --- one request ------------------------------------------------------------------

    def _told(self, line: str) -> Answer | None:
        """The answer that was ordered for ``line``, taken off the list."""
        for index, answer in enumerate(self._answers):
            if re.match(answer.request, line):
                if answer.times:
                    left = [replace(answer, times=answer.times - 1)]
                    self._answers[index : index + 1] = left if answer.times > 1 else []
                return answer
        return None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        front = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                self.behind = HTTPConnection(front._server)

            def take(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                seen = Seen(f"{self.command} {self.path}", headers)
                with contextlib.suppress(OSError):  # the program has gone
                    body = self.rfile.read(int(seen.headers.get("content-length", 0)))
                    front.seen.append(seen)
                    told = front._told(seen.line)
                    if told:
                        data = told.body.encode()
                        length = ("Content-Length", str(len(data)))
                        self._send(told.status, [*told.headers.items(), length], data)
                    else:
                        self._pass_on(seen, body)

            def _pass_on(self, seen: Seen, body: bytes) -> None:
                url = urlsplit(self.path)
                path = f"{url.path}?{url.query}" if url.query else url.path
                self.behind.putrequest(self.command, path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    if name.lower() not in _HOPS:
                        self.behind.putheader(name, value)
                self.behind.endheaders(body)
                answer = self.behind.getresponse()
                data = answer.read()
                headers = [each for each in answer.getheaders() if each[0].lower() not in _HOPS]
                if "Content-Length" not in answer.headers:
                    headers.append(("Content-Length", str(len(data))))
                self._send(answer.status, headers, data)

            def _send(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
                self.send_response_only(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def do_CONNECT(self) -> None:
                """A tunnel, to the server whatever was asked for."""
                front.seen.append(Seen(f"CONNECT {self.path}", {}))
                host, _, port = front._server.partition(":")
                with socket.create_connection((host, int(port))) as there, contextlib.suppress(OSError):
                    self.send_response_only(200)
                    self.end_headers()
                    ends = {self.connection: there, there: self.connection}
                    while True:
                        for end in select.select(list(ends), [], [])[0]:
                            data = end.recv(1 << 18)
                            if not data:
                                return
                            ends[end].sendall(data)

            def finish(self) -> None:
                self.behind.close()
                with contextlib.suppress(OSError):
                    super().finish()

            def log_message(self, format: str, *args: object) -> None:
                pass

        for method in ("GET", "HEAD", "PUT", "POST", "DELETE"):
            setattr(Handler, f"do_{method}", Handler.take)
        return Handler
