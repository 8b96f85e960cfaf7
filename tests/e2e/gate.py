"""A gate before the server: nothing passes that is not signed with keys that hold at this moment.

It does what S3 does with temporary keys, and what SeaweedFS cannot be made to do: it looks the access key up
in a ``Mint``, holds the session token and the signature (computed by botocore) against what came, and answers
``400 ExpiredToken`` for keys that were good once. What passes is signed anew with the server's own key. What
S3 would have refused as wrong, not as old, is kept in ``wrong``, which must stay empty.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from hmac import compare_digest
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from gof3r.engine.s3 import sigv4
from gof3r.engine.values import Credentials, Request
from tests.conftest import Server
from tests.e2e.metadata import Keys, Mint

EXPIRED = "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>"
DENIED = "<Error><Code>AccessDenied</Code><Message>Signed wrongly: {}</Message></Error>"

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, "
    r"SignedHeaders=([^,]+), Signature=([0-9a-f]{64})"
)
_OURS = ("host", "authorization", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token")
"""Headers that signing anew makes anew."""
_HOPS = ("connection", "keep-alive", "transfer-encoding", "content-length")


@dataclass(frozen=True)
class Passing:
    """A request that came to the gate."""

    line: str
    """``METHOD /path?query``."""
    keys: Keys
    accepted: bool


class Gate:
    """Listens on ``endpoint`` for ``server``; as a context manager."""

    def __init__(self, server: Server, mint: Mint) -> None:
        self._server = server
        self._mint = mint
        self.seen: list[Passing] = []
        """What came, in order, rightly signed."""
        self.wrong: list[str] = []
        """What came without the right signature of any keys that the mint has issued."""
        self._plans: list[tuple[re.Pattern[str], Callable[[], None]]] = []
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> Gate:
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def before(self, request: str, act: Callable[[], None]) -> None:
        """Call ``act`` when the next request that begins with the pattern ``request`` has come, before it is
        judged; once, and not before what was planned earlier has happened."""
        with self._lock:
            self._plans.append((re.compile(request), act))

    @property
    def waits(self) -> int:
        """Requests that were to come and have not yet."""
        return len(self._plans)

    @property
    def refused(self) -> list[str]:
        """Requests that were answered with ExpiredToken."""
        return [passing.line for passing in self.seen if not passing.accepted]

    @property
    def used(self) -> list[Keys]:
        """The keys that requests were accepted with, in the order of their first use."""
        return list(dict.fromkeys(passing.keys for passing in self.seen if passing.accepted))

    # --- judging ------------------------------------------------------------------

    def _judge(self, line: str, headers: dict[str, str]) -> str:
        """The body of the refusal; "" to let it pass."""
        with self._lock:
            if self._plans and self._plans[0][0].match(line):
                self._plans.pop(0)[1]()
            why = self._wrong(line, headers)
            if why:
                self.wrong.append(f"{line}: {why}")
                return DENIED.format(why)
            keys = self._mint.find(_access_key(headers))
            assert keys is not None
            accepted = self._mint.holds(keys)
            self.seen.append(Passing(line, keys, accepted))
            return "" if accepted else EXPIRED

    def _wrong(self, line: str, headers: dict[str, str]) -> str:
        """Why S3 would not know who has signed this; "" when it does."""
        match = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
        if match is None:
            return "no signature"
        access_key, day, region, names, signature = match.groups()
        keys = self._mint.find(access_key)
        signed = names.split(";")
        if keys is None:
            return f"no such key: {access_key}"
        if headers.get("x-amz-security-token") != keys.token:
            return "not the token of the key"
        stamp = headers.get("x-amz-date", "")
        if not stamp.startswith(day) or "x-amz-date" not in signed or "host" not in signed:
            return "another day, or not all signed"
        unsigned = [name for name in headers if name.startswith("x-amz-") and name not in signed]
        if unsigned:
            return f"not signed: {unsigned}"
        wanted = _signature(line, {name: headers.get(name, "") for name in signed}, keys, region)
        return "" if compare_digest(wanted, signature) else "another signature"

    # --- passing on ------------------------------------------------------------------

    def _forward(self, line: str, headers: dict[str, str], body: bytes, to: HTTPConnection) -> Answer:
        method, _, url = line.partition(" ")
        path, _, query = url.partition("?")
        kept = tuple((name, value) for name, value in headers.items() if name not in (*_OURS, *_HOPS))
        server = self._server
        authority = urlsplit(server.endpoint).netloc
        request = Request("", method, "http", authority, path, query, kept, region=server.region)
        credentials = Credentials(server.access_key, server.secret_key)
        to.putrequest(method, url, skip_host=True, skip_accept_encoding=True)
        for name, value in sigv4.sign(request, credentials, time.time()):
            to.putheader(name, value)
        to.putheader("Content-Length", str(len(body)))
        to.endheaders(body)
        answer = to.getresponse()
        said = [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOPS]
        length = answer.headers.get("Content-Length", "0")
        data = answer.read()
        return answer.status, said, data, length if method == "HEAD" else str(len(data))

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        gate = self
        port = urlsplit(self._server.endpoint).port

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                self.server_side = HTTPConnection("127.0.0.1", port)

            def answer(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                line = f"{self.command} {self.path}"
                with contextlib.suppress(OSError):  # the program has gone
                    body = self.rfile.read(int(headers.get("content-length", 0)))
                    refusal = gate._judge(line, headers).encode()
                    if refusal:
                        status = 400 if refusal == EXPIRED.encode() else 403
                        self._send(status, [("Content-Type", "application/xml")], refusal, str(len(refusal)))
                    else:
                        self._send(*gate._forward(line, headers, body, self.server_side))

            def _send(self, status: int, headers: list[tuple[str, str]], body: bytes, length: str) -> None:
                self.send_response_only(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", length)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def finish(self) -> None:
                self.server_side.close()
                with contextlib.suppress(OSError):
                    super().finish()

            def log_message(self, format: str, *args: object) -> None:
                pass

        for method in ("GET", "HEAD", "PUT", "POST", "DELETE"):
            setattr(Handler, f"do_{method}", Handler.answer)
        return Handler


Answer = tuple[int, list[tuple[str, str]], bytes, str]
"""Status, headers, body, Content-Length."""


def _access_key(headers: dict[str, str]) -> str:
    return headers["authorization"].partition("Credential=")[2].partition("/")[0]


def _signature(line: str, signed: dict[str, str], keys: Keys, region: str) -> str:
    """What botocore signs such a request with."""
    from botocore.auth import S3SigV4Auth  # here: 0.2 s that other tests need not wait for
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials as Theirs

    method, _, url = line.partition(" ")
    request: Any = AWSRequest(method, f"http://{signed['host']}{url}", headers=signed)
    request.context["timestamp"] = signed["x-amz-date"]
    auth: Any = S3SigV4Auth(Theirs(keys.access_key, keys.secret_key, keys.token), "s3", region)
    return str(auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request))
