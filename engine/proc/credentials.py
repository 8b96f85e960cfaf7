"""Whose keys sign the requests: the environment's, or whatever botocore's chain finds.

Theory: botocore knows every place where AWS keeps credentials (shared files, SSO, assumed roles, processes,
containers, instance metadata) and costs 25 MB, 0.3 s and threads, which must not be in a process that forks.
So it runs in a short child that hands the keys back by pipe and is gone. Keys in the environment, the common
case, need no child. Secrets go through that pipe alone: never by argument, file or log.

It must not know what the keys are used for, nor when newer ones are wanted: each ``Lookup`` is one look.
"""

from __future__ import annotations

import os
import resource
import select
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import Gof3rError, NoCredentials, one_line, without_passwords
from ..flow.signers import Signer
from ..orders import Signer as Order
from ..values import Credentials
from .children import end_family

if TYPE_CHECKING:
    from subprocess import Popen

TIMEOUT = 30.0
"""Seconds for one look. Instance metadata answers or fails within 2; a credential_process may ask a person
or a remote service."""

KEPT = 300.0
"""Seconds for which what was found serves other rings of this process: of many objects each may have one."""

LONG = 900.0
"""Seconds that such keys have to last at least."""

_PROFILE = "GOF3R_PROFILE"
"""Carries --profile to the child. Not AWS_PROFILE, which would rank below keys in the environment there."""

# The child gets the parent's own import path: with -m it would import from the current directory first, and a
# stranger's json.py there would be run.
_CHILD = "import sys; sys.path[:] = sys.argv[1:]; from gof3r.engine.proc.credentials import answer; answer()"


def resolve(order: Order, environ: Mapping[str, str]) -> Signer:
    """The keys to begin with, waited for; None when requests go out unsigned. Raises Gof3rError when there
    are no keys, or no answer in time."""
    _dump_no_core()
    if not order.sign:
        return Signer(None)
    keys = order.keys or _from_environment(order, environ)
    if keys is not None:
        return Signer(keys)
    kept = _kept(order, environ)
    if kept is not None:
        return Signer(kept, lasts(kept), renewable=True)
    look = Lookup(order, environ)
    try:
        while not look.ended and (left := look.ends_at - time.monotonic()) > 0:
            if select.select([look.fd], [], [], left)[0]:
                look.read()
    finally:  # also when we are interrupted
        found = look.result()
    if isinstance(found, str):
        raise NoCredentials(found)
    return Signer(found, lasts(found), renewable=True)


def _dump_no_core() -> None:
    """Memory holds keys: no process of ours leaves a core file.

    A limit of one byte, not none: a dump that is piped to a collector (systemd's, say) ignores 0 and heeds 1
    (core(5)). Where 1 is above the hard limit, 0 at least keeps it out of files.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (1 if hard else 0, hard))


def lasts(credentials: Credentials) -> float | None:
    """Seconds until they expire; None for never."""
    return None if credentials.expires is None else credentials.expires - time.time()


def _from_environment(order: Order, environ: Mapping[str, str]) -> Credentials | None:
    access_key, secret_key = environ.get("AWS_ACCESS_KEY_ID"), environ.get("AWS_SECRET_ACCESS_KEY")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"):
        value = environ.get(name, "")
        if not value.isprintable() or " " in value:
            raise Gof3rError(f"{name} holds a space or a control character (a line's end from a file?)")
    if not (access_key and secret_key) or order.profile:  # a profile that was asked for goes first
        return None
    token = environ.get("AWS_SESSION_TOKEN") or environ.get("AWS_SECURITY_TOKEN") or ""
    return Credentials(access_key, secret_key, token)


def _region(environ: Mapping[str, str]) -> dict[str, str]:
    """What botocore asks STS in: it does not know AWS_REGION, which AWS's other tools put first."""
    region = environ.get("AWS_REGION")
    return {"AWS_DEFAULT_REGION": region} if region else {}


_Key = tuple[Order, frozenset[tuple[str, str]]]

_found: dict[_Key, tuple[Credentials, float]] = {}
"""With the monotonic second in which each was found."""


def _key(order: Order, environ: Mapping[str, str]) -> _Key:
    return order, frozenset(environ.items())


def _kept(order: Order, environ: Mapping[str, str]) -> Credentials | None:
    """What an earlier look has found, if it is still good for a while."""
    keys, at = _found.get(_key(order, environ), (None, 0.0))
    if keys is None or time.monotonic() > at + KEPT:
        return None
    left = lasts(keys)
    return keys if left is None or left > LONG else None


class Lookup:
    """One look under way: ``read`` when ``fd`` is readable, until ``ended``; then ``result``, in any case."""

    def __init__(self, order: Order, environ: Mapping[str, str]) -> None:
        import subprocess  # late: keys in the environment need none

        named = order.profile or environ.get("AWS_DEFAULT_PROFILE") or environ.get("AWS_PROFILE")
        self._place = named or "default"
        self._key = _key(order, environ)
        self._said = b""
        self.ended = False
        self.ends_at = time.monotonic() + TIMEOUT
        """When to wait no longer, as a monotonic second."""
        try:
            self._child: Popen[bytes] = subprocess.Popen(
                [sys.executable, "-c", _CHILD, *sys.path],
                env={**environ, **_region(environ), _PROFILE: order.profile, "SSLKEYLOGFILE": ""},
                stdin=subprocess.DEVNULL,  # ours is the object
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:
            raise Gof3rError(
                f"cannot look for credentials: {sys.executable} does not start: {error.strerror}"
            ) from None

    @property
    def fd(self) -> int:
        assert self._child.stdout is not None
        return self._child.stdout.fileno()

    def read(self) -> None:
        data = os.read(self.fd, 1 << 16)
        self._said += data
        self.ended = not data

    def result(self) -> Credentials | str:
        """The keys, or why there are none: one line. Ends the child, if it has not ended."""
        import json

        assert self._child.stdout is not None
        failed = "cannot look for credentials: "
        if not self.ended:
            end_family(self._child.pid, 0)  # with a credential_process that asks and waits
        self._child.stdout.close()
        code = self._child.wait()
        if not self.ended:
            return f"{failed}no answer in {TIMEOUT:.0f} s (does a credential_process wait for somebody?)"
        try:
            said: dict[str, Any] = json.loads(self._said)
        except ValueError:
            return f"{failed}the process for it exited with {code}"
        if "error" not in said:
            keys = Credentials(said["access_key"], said["secret_key"], said["token"], said["expires"])
            _found[self._key] = keys, time.monotonic()
            return keys
        return (
            f"no credentials: {said['error'].rstrip('.')}. Looked in the environment (AWS_ACCESS_KEY_ID, "
            f"AWS_SECRET_ACCESS_KEY), profile {self._place!r} of the shared files, the container and the "
            "instance metadata; a public object needs none with --no-sign-request"
        )


def answer() -> None:
    """The child: print as JSON what botocore finds, or ``error``, why there is nothing."""
    import json

    said: dict[str, Any] = {"error": "none found"}
    try:
        from botocore.session import Session

        found = Session(profile=os.environ.pop(_PROFILE) or None).get_credentials()
        if found is not None:
            keys = found.get_frozen_credentials()
            # The expiry has no public name in botocore, and only keys that can be refreshed have one.
            expires = getattr(found, "_expiry_time", None)
            said = {
                "access_key": keys.access_key,
                "secret_key": keys.secret_key,
                "token": keys.token or "",
                "expires": expires and expires.timestamp(),
            }
    except Exception as error:  # botocore's errors, and those of whatever it calls
        said = {"error": one_line(without_passwords(f"{type(error).__name__}: {error}"))}
    print(json.dumps(said))
