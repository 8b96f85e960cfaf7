"""Whose keys sign the requests: the environment's, or whatever botocore's chain finds.

Theory: botocore knows every place where AWS keeps credentials (shared files, SSO, assumed roles, processes,
containers, instance metadata) and costs 25 MB, 0.3 s and threads, which must not be in a process that forks.
So it runs in a short child that hands the keys back by pipe and is gone. Keys in the environment, the common
case, need no child. Secrets go through that pipe alone: never by argument, file or log.

It must not know what the keys are used for. The same call again gives fresh keys when the old have expired.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

from gof3r.engine.errors import Gof3rError, one_line
from gof3r.engine.values import Credentials

TIMEOUT = 30.0
"""Seconds for the child. Instance metadata answers or fails within 2; a credential_process may ask a person
or a remote service."""

_PROFILE = "GOF3R_PROFILE"
"""Carries --profile to the child. Not AWS_PROFILE, which would rank below keys in the environment there."""

# The child gets the parent's own import path: with -m it would import from the current directory first, and a
# stranger's json.py there would be run.
_CHILD = "import sys; sys.path[:] = sys.argv[1:]; from gof3r.credentials import answer; answer()"


def resolve(environ: Mapping[str, str], profile: str, sign: bool) -> Credentials | None:
    """The keys to sign with; None when requests go out unsigned.

    ``profile`` is the command line's, empty when not given there: given, it overrules keys in the
    environment, as with AWS's own tools. Raises Gof3rError when there are no keys, or no answer in time.
    """
    if not sign:
        return None
    access_key, secret_key = environ.get("AWS_ACCESS_KEY_ID"), environ.get("AWS_SECRET_ACCESS_KEY")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"):
        value = environ.get(name, "")
        if not value.isprintable() or " " in value:
            raise Gof3rError(f"{name} holds a space or a control character (a line's end from a file?)")
    if access_key and secret_key and not profile:
        token = environ.get("AWS_SESSION_TOKEN") or environ.get("AWS_SECURITY_TOKEN") or ""
        return Credentials(access_key, secret_key, token)
    said = _ask({**environ, _PROFILE: profile})
    if "error" not in said:
        return Credentials(said["access_key"], said["secret_key"], said["token"], said["expires"])
    place = f"profile {profile or environ.get('AWS_PROFILE') or 'default'!r} of the shared files"
    raise Gof3rError(
        f"no credentials: {said['error']}. Looked in the environment (AWS_ACCESS_KEY_ID, "
        f"AWS_SECRET_ACCESS_KEY), {place}, the container and the instance metadata; "
        "a public object needs none with --no-sign-request"
    )


def _ask(environ: Mapping[str, str]) -> dict[str, Any]:
    """What the child answers. Raises Gof3rError when it does not."""
    import json  # late, both: keys in the environment need neither
    import subprocess

    failed = "cannot look for credentials: "
    try:
        child = subprocess.run(
            [sys.executable, "-c", _CHILD, *sys.path],
            env=environ,
            stdin=subprocess.DEVNULL,  # ours is the object
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=TIMEOUT,
        )
        said: dict[str, Any] = json.loads(child.stdout)
    except subprocess.TimeoutExpired:
        raise Gof3rError(f"{failed}no answer in {TIMEOUT:.0f} s") from None
    except OSError as error:
        raise Gof3rError(f"{failed}{sys.executable} does not start: {error.strerror}") from None
    except ValueError:
        raise Gof3rError(f"{failed}the process for it exited with {child.returncode}") from None
    return said


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
        said = {"error": one_line(f"{type(error).__name__}: {error}")}
    print(json.dumps(said))
