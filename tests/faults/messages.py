"""HTTP/1.1 messages as whole values, and S3's name for what a request asks.

They hold what came, byte for byte but for the framing of a body, so that a request's signature still holds.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from io import BufferedReader
from urllib.parse import parse_qs, urlsplit

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Asked:
    line: str
    headers: Headers
    body: bytes = field(repr=False, default=b"")

    @property
    def method(self) -> str:
        return self.line.partition(" ")[0]

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name), "")

    @property
    def operation(self) -> str:
        """S3's name of it; of a sidecar's, ``put_sidecar`` and the like. Raises ValueError for what is no
        HTTP: somebody whose server had this port before."""
        _, path, _ = self.line.split(" ")
        url = urlsplit(path)
        query = parse_qs(url.query, keep_blank_values=True)
        verb = {"GET": "get", "HEAD": "head", "PUT": "put", "DELETE": "delete"}.get(self.method, "")
        part, upload = "partNumber" in query, "uploadId" in query
        copied = bool(self.header("x-amz-copy-source"))
        if self.method == "POST":
            return "complete_multipart_upload" if upload else "create_multipart_upload"
        if self.method == "PUT" and part and upload:
            return "upload_part_copy" if copied else "upload_part"
        if self.method == "PUT" and copied:
            return "copy_object"
        if upload:
            return "list_parts" if self.method == "GET" else "abort_multipart_upload"
        if "uploads" in query:
            return "list_multipart_uploads"
        if "/.md5/" in url.path:
            return f"{verb}_sidecar"
        if self.header("range") == "bytes=0-0":
            return "get_one_byte"
        return f"{verb}_part" if part else f"{verb}_object"


@dataclass(frozen=True)
class Answered:
    status: int
    headers: Headers
    body: bytes = field(repr=False, default=b"")

    def without(self, prefix: str) -> Answered:
        return replace(self, headers=tuple(h for h in self.headers if not h[0].lower().startswith(prefix)))

    def having(self, name: str, value: str) -> Answered:
        kept = self.without(name.lower()).headers
        return replace(self, headers=(*kept, (name, value)))

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name), "")

    def head(self, method: str, length: int | None = None) -> bytes:
        """The head's bytes. A HEAD's answer has the length that it tells of, if any."""
        answer = self.without("transfer-encoding")
        if method != "HEAD" and self.status != 204:
            answer = answer.having("Content-Length", str(len(self.body) if length is None else length))
        lines = [f"HTTP/1.1 {self.status} X", *(f"{name}: {value}" for name, value in answer.headers)]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def whole(self, method: str) -> bytes:
        return self.head(method) + (b"" if method == "HEAD" else self.body)


# --- reading HTTP ------------------------------------------------------------------


def _read_head(reader: BufferedReader) -> tuple[str, Headers]:
    lines: list[str] = []
    while line := reader.readline().rstrip(b"\r\n"):
        lines.append(line.decode("latin-1"))
    pairs = (line.partition(":") for line in lines[1:])
    return (lines[0] if lines else ""), tuple((name, value.strip()) for name, _, value in pairs)


def read_request(reader: BufferedReader) -> Asked | None:
    line, headers = _read_head(reader)
    return Asked(line, headers) if line else None


def read_body(reader: BufferedReader, asked: Asked) -> bytes:
    return _exactly(reader, int(asked.header("content-length") or 0))


def read_answer(reader: BufferedReader, method: str) -> Answered:
    line, headers = _read_head(reader)
    if not line:
        raise ConnectionError("the server has closed")
    answer = Answered(int(line.split()[1]), headers)
    if method == "HEAD" or answer.status in (204, 304):
        return answer
    if "chunked" in answer.header("transfer-encoding"):
        return replace(answer, body=b"".join(_chunks(reader)))
    return replace(answer, body=_exactly(reader, int(answer.header("content-length") or 0)))


def _chunks(reader: BufferedReader) -> list[bytes]:
    pieces = []
    while size := int(reader.readline(), 16):
        pieces.append(_exactly(reader, size))
        reader.readline()
    reader.readline()
    return pieces


def _exactly(reader: BufferedReader, size: int) -> bytes:
    data = reader.read(size)
    if len(data) < size:
        raise ConnectionError("cut short")
    return data
