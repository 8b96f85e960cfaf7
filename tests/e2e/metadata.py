"""Where credentials come from, played on the loopback: instance metadata (IMDSv2), a container's agent, STS.

A ``Mint`` issues temporary keys and knows which of them hold: a set ends at its announced time, or when it is
revoked, as a server may do. ``Metadata`` hands out the latest set in every form that AWS has, to whoever
proves that he may have it, and counts.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

ROLE = "the-role"
ROLE_ARN = "arn:aws:iam::123456789012:role/the-role"
HOUR = 3600.0
"""Seconds: far from the time at which botocore begins to worry (25 minutes)."""


@dataclass(frozen=True)
class Keys:
    """One set of temporary keys."""

    expires: float
    """Epoch seconds."""
    access_key: str = field(default_factory=lambda: f"ASIA{secrets.token_hex(8).upper()}")
    secret_key: str = field(default_factory=lambda: secrets.token_hex(20))
    token: str = field(default_factory=lambda: secrets.token_hex(60))

    @property
    def expiration(self) -> str:
        return datetime.fromtimestamp(self.expires, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Mint:
    """Issues keys. Each issue is written to ``file`` too, as a credential_process prints it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.all: list[Keys] = []
        self._revoked: list[Keys] = []
        self.issue()

    @property
    def current(self) -> Keys:
        return self.all[-1]

    def issue(self, lasts: float = HOUR) -> None:
        """From now on there is a new set; those before it hold until their end."""
        keys = Keys(time.time() + lasts)
        said = {"Version": 1, "AccessKeyId": keys.access_key, "SecretAccessKey": keys.secret_key}
        said |= {"SessionToken": keys.token, "Expiration": keys.expiration}
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps(said))
        new.replace(self.file)
        self.all.append(keys)

    def revoke(self) -> None:
        """Nothing issued so far is accepted any more, whatever end it was given."""
        self._revoked = list(self.all)

    def reinstate(self) -> None:
        """What was revoked holds again."""
        self._revoked = []

    def rotate(self) -> None:
        """A surprise: the keys are revoked, and there are others."""
        self.revoke()
        self.issue()

    def find(self, access_key: str) -> Keys | None:
        return next((keys for keys in self.all if keys.access_key == access_key), None)

    def holds(self, keys: Keys) -> bool:
        return keys not in self._revoked and time.time() < keys.expires


class Metadata:
    """All services on one port; as a context manager. ``fresh``: each answer issues keys that last so many
    seconds; None: the mint's latest are told again and again. ``gone``: it answers nothing but errors."""

    def __init__(self, mint: Mint, folder: Path) -> None:
        self._mint = mint
        self._folder = folder
        self._pass = secrets.token_hex(16)
        """What a container, or a web identity, proves itself by."""
        self._imds_token = secrets.token_hex(16)
        self.fresh: float | None = None
        self.gone = False
        self.asked: Callable[[], None] = lambda: None
        """Called before each set of keys is handed out."""
        self.told: list[Keys] = []
        """What has been handed out."""
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Metadata:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def secrets(self) -> list[str]:
        """What nobody but the program may see."""
        mine = [self._pass, self._imds_token]
        return mine + [secret for keys in self._mint.all for secret in (keys.secret_key, keys.token)]

    # --- the ways to it ------------------------------------------------------------------

    def imds(self) -> dict[str, str | None]:
        """The environment of a program on an instance with a role."""
        return {"AWS_EC2_METADATA_DISABLED": None, "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"{self.url}/"}

    def ecs(self) -> dict[str, str | None]:
        """That of a program in a container."""
        return {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{self.url}/container",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": self._pass,
        }

    def web_identity(self) -> dict[str, str | None]:
        """That of a program that a Kubernetes cluster vouches for."""
        file = self._folder / "identity"
        file.write_text(self._pass)
        return {
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(file),
            "AWS_ROLE_ARN": ROLE_ARN,
            "AWS_ROLE_SESSION_NAME": "test",
            "AWS_ENDPOINT_URL_STS": self.url,
        }

    def assumed_role(self) -> dict[str, str | None]:
        """That of a program whose profile is a role."""
        config = f"[profile p]\nrole_arn = {ROLE_ARN}\nsource_profile = base\n"
        return {
            "AWS_CONFIG_FILE": self._file("config", config),
            "AWS_SHARED_CREDENTIALS_FILE": self._file(
                "credentials", f"[base]\naws_access_key_id = AKBASE\naws_secret_access_key = {self._pass}\n"
            ),
            "AWS_PROFILE": "p",
            "AWS_ENDPOINT_URL_STS": self.url,
        }

    def process(self) -> dict[str, str | None]:
        """That of a program whose profile names a command."""
        config = f"[profile p]\ncredential_process = cat {self._mint.file}\n"
        return {"AWS_CONFIG_FILE": self._file("config", config), "AWS_PROFILE": "p"}

    def _file(self, name: str, text: str) -> str:
        path = self._folder / name
        path.write_text(text)
        return str(path)

    # --- what it answers ------------------------------------------------------------------

    def _keys(self) -> Keys:
        with self._lock:
            self.asked()
            if self.fresh is not None:
                self._mint.issue(self.fresh)
            self.told.append(self._mint.current)
            return self._mint.current

    def _answer(self, method: str, path: str, headers: dict[str, str], body: str) -> tuple[int, str]:
        role = "/latest/meta-data/iam/security-credentials/"
        if self.gone:
            return 500, "gone"
        if (method, path) == ("PUT", "/latest/api/token"):
            lives = headers.get("x-aws-ec2-metadata-token-ttl-seconds")
            return (200, self._imds_token) if lives else (400, "")
        if method == "GET" and path.startswith(role):
            if headers.get("x-aws-ec2-metadata-token") != self._imds_token:
                return 401, "IMDSv1 is off"
            return (200, ROLE) if path == role else (200, self._json()) if path == role + ROLE else (404, "")
        if (method, path) == ("GET", "/container"):
            return (200, self._json()) if headers.get("authorization") == self._pass else (401, "{}")
        if (method, path) == ("POST", "/"):
            return self._sts(parse_qs(body), headers)
        return 404, ""

    def _json(self) -> str:
        keys = self._keys()
        return json.dumps(
            {
                "Code": "Success",
                "Type": "AWS-HMAC",
                "AccessKeyId": keys.access_key,
                "SecretAccessKey": keys.secret_key,
                "Token": keys.token,
                "Expiration": keys.expiration,
            }
        )

    def _sts(self, asked: dict[str, list[str]], headers: dict[str, str]) -> tuple[int, str]:
        action = asked["Action"][0]
        if action == "AssumeRoleWithWebIdentity":
            known = asked["WebIdentityToken"] == [self._pass]
        else:
            known = action == "AssumeRole" and "Credential=AKBASE/" in headers.get("authorization", "")
        if not known or asked["RoleArn"] != [ROLE_ARN]:
            return 403, "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>"
        keys = self._keys()
        return 200, (
            f"<{action}Response xmlns='https://sts.amazonaws.com/doc/2011-06-15/'><{action}Result><Credentials>"
            f"<AccessKeyId>{keys.access_key}</AccessKeyId><SecretAccessKey>{keys.secret_key}</SecretAccessKey>"
            f"<SessionToken>{keys.token}</SessionToken><Expiration>{keys.expiration}</Expiration></Credentials>"
            f"<AssumedRoleUser><Arn>{ROLE_ARN}/test</Arn><AssumedRoleId>AROA:test</AssumedRoleId>"
            f"</AssumedRoleUser></{action}Result></{action}Response>"
        )

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        metadata = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                sent = self.rfile.read(int(headers.get("content-length", 0))).decode()
                status, body = metadata._answer(self.command, self.path, headers, sent)
                self.send_response(status)
                if self.command == "PUT":
                    self.send_header("x-aws-ec2-metadata-token-ttl-seconds", "21600")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            do_GET = do_PUT = do_POST = answer

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler
