"""From a job to an HTTP exchange and back: the one place that knows libcurl.

A ``Wire`` is one multi handle: its connections are kept and shared by the jobs of one process. Everything
that libcurl can say, in errors, callbacks and headers, is translated here, at the border; outside there are
only Response and Failure.

Measured choices (pycurl 7.49, libcurl 8.23; CPU seconds a GiB): a READFUNCTION that returns views of the slot
with a 1 MiB upload buffer costs 0.27 (0.48 at 64 KiB); ``mmap.write`` as WRITEFUNCTION, a function in C,
0.36. The CA bundle is parsed once a multi handle, so a process has one.

Traps, each met: an error's body is written where the part should go, so status and position decide what it
was; a callback that raises prints a traceback and becomes error 23; libcurl resends by itself on a connection
that turns out dead, and needs SEEKFUNCTION for it; without PATH_AS_IS it would rewrite ``..`` in keys.
"""

from __future__ import annotations

import os
import select
import time
from dataclasses import dataclass, field
from io import BytesIO
from mmap import mmap

from ..errors import one_line, without_passwords
from ..flow.retry import SLOW
from ..s3.replies import MAX_XML
from ..values import Digests, Failure, Header, Job, Request, Response, Timing

_key_log = os.environ.pop("SSLKEYLOGFILE", None)  # older libcurls look for it as they are loaded
import pycurl  # noqa: E402

if _key_log is not None:
    os.environ["SSLKEYLOGFILE"] = _key_log  # for a command that is run

CONNECT_TIMEOUT = 3
"""Seconds for DNS, TCP and TLS together: better tried again than waited for."""

LOW_SPEED = (1024, 20)
"""Below this many bytes a second for this many seconds, a request has stalled."""

PATIENCE = 15 * 60
"""Seconds in which CompleteMultipartUpload and copies must end."""

SILENCE = (1, 5 * 60)
"""The same limit for those: S3 sends white space while it works, other stores may be silent for minutes."""

KEEPALIVE = 15
"""Seconds of silence before the kernel asks whether the other end is there, and between two questions."""

IDLE = 4
"""Seconds after which an idle connection is not used again; S3 closes them at about 5."""

BUFFER = 1 << 18
"""Bytes of libcurl's buffers: as fast as 1 MiB (measured), and 1.5 MB less in each worker."""
ERROR_BODY = 1 << 16
"""Bytes of a body that is kept to learn an error from."""

CURL_WRITE_ERROR, CURL_TOO_LARGE = 23, 63


@dataclass(slots=True)
class Exchange:
    """One job on the wire."""

    job: Job
    taken: float
    """Monotonic second in which the worker had the job, as are the next."""
    started: float
    digests: Digests
    body: memoryview | None = None
    """Bytes to send."""
    into: mmap | None = None
    """Where a part is received."""
    position: int = 0
    """Bytes of ``body`` that libcurl has taken."""
    status: int = 0
    connected: float = 0.0
    sent: float = 0.0
    answered: float = 0.0
    ended: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    complete: bool = False
    """The empty line that ends the headers has come. libcurl takes a connection that closes among them for
    the end of an answer without a body."""
    text: BytesIO = field(default_factory=BytesIO)
    """The body of an answer that is no part."""

    def read(self, size: int) -> memoryview:
        assert self.body is not None
        start = self.position
        self.position = min(start + size, len(self.body))
        if self.position == len(self.body):
            self.sent = time.monotonic()
        return self.body[start : self.position]

    def seek(self, offset: int, origin: int) -> int:
        self.position = offset
        return int(pycurl.SEEKFUNC_OK)

    def write(self, data: bytes) -> int:
        """A piece of a body that is no part; no more than a reply of S3's can have."""
        return self.text.write(data) if self.text.tell() + len(data) <= MAX_XML else 0

    def header(self, line: bytes) -> None:
        if line.startswith(b"HTTP/"):  # also after an interim answer: only the last one counts
            words = line.split(None, 2)
            self.status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
            self.answered = time.monotonic()
            self.headers.clear()
            self.complete = False
            return
        self.complete = self.complete or not line.strip()  # trailers may follow a chunked body
        name, colon, value = line.partition(b":")
        if colon:
            self.headers[name.strip().lower().decode("latin-1")] = value.strip().decode("latin-1")

    @property
    def moved(self) -> int:
        """Body bytes so far, either way."""
        return self.into.tell() if self.into is not None else self.position

    @property
    def received(self) -> int:
        return self.into.tell() if self.into is not None and self.status == 206 else 0

    def timing(self, reported: float) -> Timing:
        """What happened when; its outcome goes out in the second ``reported``."""
        sent = self.sent or self.connected
        return Timing(self.taken, self.started, self.connected, sent, self.answered, self.ended, reported)

    def response(self) -> Response:
        """What was answered; an error that went into the slot is taken out of it."""
        text = self.text.getvalue()
        if self.into is not None and self.status != 206:
            text = self.into[: min(self.into.tell(), ERROR_BODY)]
        return Response(self.status, self.headers, text)


@dataclass(frozen=True, slots=True)
class Ended:
    """An exchange is over: with an answer, or with the failure to get one."""

    exchange: Exchange
    response: Response | None
    failure: Failure | None


class Wire:
    """A multi handle in its owner's epoll: ``start`` exchanges, ``act`` on events, collect ``ended``."""

    def __init__(self, epoll: select.epoll, ca_bundle: str, hurry: float) -> None:
        self._epoll = epoll
        self._hurry = hurry
        self._ca_bundle = ca_bundle
        # To this file libcurl would write the keys of each TLS session: who reads it reads all that is sent.
        os.environ.pop("SSLKEYLOGFILE", None)
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch_socket)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)
        self._sockets: set[int] = set()
        self._timer: float | None = None
        self._idle: list[pycurl.Curl] = []
        self._active: dict[pycurl.Curl, Exchange] = {}
        self._given_up: list[Ended] = []

    # --- libcurl's callbacks ------------------------------------------------------------------

    def _watch_socket(self, what: int, fd: int, multi: object, data: object) -> None:
        if what == pycurl.POLL_REMOVE:
            if fd in self._sockets:
                self._sockets.discard(fd)
                try:
                    self._epoll.unregister(fd)
                except OSError:
                    pass  # closed already, which unregisters it
            return
        events = (select.EPOLLIN if what & pycurl.POLL_IN else 0) | (
            select.EPOLLOUT if what & pycurl.POLL_OUT else 0
        )
        if fd in self._sockets:
            try:
                self._epoll.modify(fd, events)
                return
            except FileNotFoundError:
                pass  # the number was closed and given out again
        self._sockets.add(fd)
        self._epoll.register(fd, events)

    def _set_timer(self, milliseconds: int) -> None:
        self._timer = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000

    # --- driving it ------------------------------------------------------------------

    def timeout(self, longest: float) -> float:
        """Seconds, ``longest`` at most, until libcurl wants a turn without an event."""
        return longest if self._timer is None else min(max(self._timer - time.monotonic(), 0.0), longest)

    @property
    def exchanges(self) -> list[Exchange]:
        return list(self._active.values())

    def act_on_time(self) -> None:
        """Give libcurl the turn that it has asked for, if its time has come; also what sets off new jobs."""
        while self._timer is not None and self._timer <= time.monotonic():
            self._timer = None
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)

    def act(self, fd: int, events: int) -> None:
        """Something has happened on the socket ``fd``."""
        mask = 0
        if events & (select.EPOLLIN | select.EPOLLHUP):
            mask |= pycurl.CSELECT_IN
        if events & select.EPOLLOUT:
            mask |= pycurl.CSELECT_OUT
        if events & select.EPOLLERR:
            mask |= pycurl.CSELECT_ERR
        self._multi.socket_action(fd, mask)

    def give_up(self, job: int, begun: bool) -> None:
        """End the exchange of ``job``, and its connection, unless it is over; ``begun``: also if its answer
        has begun."""
        for curl, exchange in self._active.items():
            if exchange.job.id == job and (begun or not exchange.status):
                connected = curl.getinfo(pycurl.REQUEST_SIZE) > 0
                failure = Failure("transport", SLOW, "slower than the others", connected=connected)
                self._given_up.append(Ended(self._release(curl), None, failure))
                return

    def ended(self) -> list[Ended]:
        """Exchanges that are over since the last call."""
        over, self._given_up = self._given_up, []
        while True:
            queued, succeeded, failed = self._multi.info_read()
            for curl in succeeded:
                exchange = self._release(curl)
                if exchange.complete:
                    over.append(Ended(exchange, exchange.response(), None))
                else:
                    cut = Failure("transport", "56", "the connection was closed among the answer's headers")
                    over.append(Ended(exchange, None, cut))
            for curl, number, message in failed:
                # Nothing sent, nothing done; PRETRANSFER_TIME is above 0 for a refused connection too.
                connected = curl.getinfo(pycurl.REQUEST_SIZE) > 0
                exchange = self._release(curl)
                if number in (CURL_WRITE_ERROR, CURL_TOO_LARGE) and exchange.status:
                    # More than the slot can hold: what was answered says more than curl's word for it.
                    over.append(Ended(exchange, exchange.response(), None))
                    continue
                said = one_line(without_passwords(message))  # it repeats a proxy that makes no sense
                failure = Failure("transport", str(number), said, connected=connected)
                over.append(Ended(exchange, None, failure))
            if not queued:
                return over

    def _release(self, curl: pycurl.Curl) -> Exchange:
        exchange = self._active.pop(curl)
        exchange.ended = time.monotonic()
        # 0 for a step that was not taken: a kept connection, or one without TLS.
        took = max(curl.getinfo(pycurl.CONNECT_TIME), curl.getinfo(pycurl.APPCONNECT_TIME))
        exchange.connected = exchange.started + took
        self._multi.remove_handle(curl)
        curl.reset()
        self._idle.append(curl)
        return exchange

    def start(self, exchange: Exchange, headers: tuple[Header, ...]) -> None:
        """Put ``exchange`` on the wire with exactly these ``headers``, signed already."""
        curl = self._idle.pop() if self._idle else pycurl.Curl()
        job = exchange.job
        self._set_up(curl, job, headers)
        curl.setopt(pycurl.HEADERFUNCTION, exchange.header)
        if exchange.into is not None:
            exchange.into.seek(0)
            curl.setopt(pycurl.WRITEFUNCTION, exchange.into.write)
            curl.setopt(pycurl.MAXFILESIZE_LARGE, len(exchange.into))
        else:
            curl.setopt(pycurl.WRITEFUNCTION, exchange.write)
        if job.request.method == "PUT":
            body = exchange.body if exchange.body is not None else memoryview(job.request.body)
            exchange.body = body
            curl.setopt(pycurl.UPLOAD, 1)
            curl.setopt(pycurl.INFILESIZE_LARGE, len(body))
            curl.setopt(pycurl.READFUNCTION, exchange.read)
            curl.setopt(pycurl.SEEKFUNCTION, exchange.seek)
        self._active[curl] = exchange
        self._multi.add_handle(curl)

    def _hurried(self, seconds: int) -> int:
        return max(1, round(seconds / self._hurry))

    def _set_up(self, curl: pycurl.Curl, job: Job, headers: tuple[Header, ...]) -> None:
        request = job.request
        curl.setopt(pycurl.URL, request.url)
        curl.setopt(pycurl.PATH_AS_IS, 1)
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.FOLLOWLOCATION, 0)  # it would carry the session token to another host
        curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        curl.setopt(pycurl.BUFFERSIZE, BUFFER)
        curl.setopt(pycurl.UPLOAD_BUFFERSIZE, BUFFER)
        curl.setopt(pycurl.CONNECTTIMEOUT, CONNECT_TIMEOUT)
        curl.setopt(pycurl.MAXAGE_CONN, IDLE)
        slow = LOW_SPEED
        if job.patient:
            curl.setopt(pycurl.TIMEOUT, self._hurried(PATIENCE))
            slow = SILENCE
        curl.setopt(pycurl.LOW_SPEED_LIMIT, slow[0])
        curl.setopt(pycurl.LOW_SPEED_TIME, self._hurried(slow[1]))
        curl.setopt(pycurl.TCP_KEEPALIVE, 1)  # a network that forgets connections is found out in silence
        curl.setopt(pycurl.TCP_KEEPIDLE, KEEPALIVE)
        curl.setopt(pycurl.TCP_KEEPINTVL, KEEPALIVE)
        if job.rate:
            curl.setopt(pycurl.MAX_SEND_SPEED_LARGE, job.rate)
            curl.setopt(pycurl.MAX_RECV_SPEED_LARGE, job.rate)
        if self._ca_bundle:
            curl.setopt(pycurl.CAINFO, self._ca_bundle)
        if job.fresh or _counts(request):
            curl.setopt(pycurl.FRESH_CONNECT, 1)
        if request.method == "HEAD":
            curl.setopt(pycurl.NOBODY, 1)
        elif request.method == "POST":
            curl.setopt(pycurl.POST, 1)
            curl.setopt(pycurl.POSTFIELDSIZE_LARGE, len(request.body))
            curl.setopt(pycurl.COPYPOSTFIELDS, request.body)
        elif request.method == "DELETE":
            curl.setopt(pycurl.CUSTOMREQUEST, "DELETE")
        # An empty value takes a header of libcurl's own away; what we send is what was signed.
        lines = [f"{name}: {value}" if value else f"{name};" for name, value in headers]
        names = {name.lower() for name, _ in headers}
        lines += [f"{name}:" for name in ("Expect", "Accept", "Content-Type") if name.lower() not in names]
        curl.setopt(pycurl.HTTPHEADER, [line.encode("utf-8", "surrogateescape") for line in lines])


def _counts(request: Request) -> bool:
    """Whether it matters how often the server acts on ``request``: it makes an upload, or has a condition
    that it fulfils itself. On a kept connection that dies without an answer libcurl repeats a request by
    itself, and nobody would know that the first may have been carried out."""
    conditional = any(name.lower().startswith("if-") for name, _ in request.headers)
    return request.method == "POST" or (request.method == "PUT" and conditional)
