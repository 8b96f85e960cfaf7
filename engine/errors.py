"""The error tree: what can be raised to whoever asked for a transfer.

Between processes errors are values (``values.Failure``). They become one of these exceptions in one place,
the story of a transfer, where it is known what failed, on which object, and what to do about it. Each
exception's text is one line for an operator; each class knows the exit code it stands for.

The tree is the library's as well. There (``told``) a failure of a transfer is also what Python calls it::

    Gof3rError
        UsageError          what was asked for makes no sense, or cannot be done
        NoCredentials       there are no keys to sign with
        TransferError       it was tried and did not succeed; ``failure`` says what the server said
            NotFound        (FileNotFoundError) no such object, version or bucket
            AccessDenied    (PermissionError) the server refuses these credentials
            AlreadyExists   (FileExistsError) there is an object already, and none was to be replaced
        Interrupted         a signal
        ReaderGone          whoever reads the destination has closed it

The engine itself never raises those three: it would take them for errors of its own machine.
"""

from __future__ import annotations

import re
from errno import EACCES, EEXIST, ENOENT

from .values import Failure


class Gof3rError(Exception):
    """Any error of ours. ``str()`` is the line to show, without the program's name."""

    exit_code = 1
    kept = ""
    """Id of the multipart upload that was left for a later run to go on with."""
    kept_file = ""
    """The same of a download: how much there is, and where."""
    disproved = False
    """What was received is not the object: no later run may go on with it."""


class UsageError(Gof3rError):
    """The arguments or the configuration cannot be used."""

    exit_code = 2


class NoCredentials(Gof3rError):
    """Nobody has any for whoever signs: no object is to blame."""


class TransferError(Gof3rError):
    """A transfer did not succeed. ``failure`` is the last attempt's, where there was one; ``doubtful`` when
    the server may have acted on an attempt whose answer never came."""

    def __init__(self, text: str, failure: Failure | None = None, *, doubtful: bool = False) -> None:
        super().__init__(text)
        self.failure = failure
        self.doubtful = doubtful


class Unfit(TransferError):
    """What was asked for cannot be done in this way, by one slot and at sight; a ring of its own can."""


class NotFound(TransferError, FileNotFoundError):
    """There is no such object, version or bucket."""

    errno = ENOENT


class AccessDenied(TransferError, PermissionError):
    """The server refuses these credentials what was asked."""

    errno = EACCES


class AlreadyExists(TransferError, FileExistsError):
    """There is an object already, and none was to be replaced."""

    errno = EEXIST


class Interrupted(Gof3rError):
    """A signal asked us to stop: exit code 128 + its number, as a shell reports it."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"interrupted by signal {signal_number}")
        self.exit_code = 128 + signal_number


class ReaderGone(Gof3rError):
    """Standard output's reader has closed it: 128 + SIGPIPE, quietly."""

    exit_code = 141


UNMET = "if-none-match"
"""The check that fails (``Failure.code``) where there is an object already, and none was to be replaced."""


def told(name: str, text: str, failure: Failure | None) -> Gof3rError:
    """The error that another process tells of: by the name of its class, and its parts."""
    if name == "TransferError":
        return _kind(failure)(text, failure)
    named = {"UsageError": UsageError, "ReaderGone": ReaderGone, "NoCredentials": NoCredentials}
    return named.get(name, Gof3rError)(text)


def _kind(failure: Failure | None) -> type[TransferError]:
    if failure is not None and failure.kind == "server":
        if failure.status == 404 and failure.code != "NoSuchUpload":
            return NotFound
        if failure.status == 403:
            return AccessDenied
    return AlreadyExists if failure is not None and failure.code == UNMET else TransferError


def one_line(text: str, limit: int = 300) -> str:
    """``text`` from outside made safe for a terminal: one line, no control characters, ``limit`` at most."""
    flat = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return flat if len(flat) <= limit else flat[: limit - 3] + "..."


_USER = re.compile(r"(?<=['\"])[^'\"]*@|(?<=//)[^\s'\"]*@")


def without_passwords(text: str) -> str:
    """``text`` with ``...`` for what stands before the ``@`` of an address: it may be a password."""
    return _USER.sub("...@", text)


def describe(failure: Failure) -> str:
    """What the server or the network said, as the middle of an error line."""
    if failure.kind == "server":
        said = f"server answered {failure.status}"
        if failure.code:
            said += f" {failure.code}"
    elif failure.kind == "transport":
        said = f"network error (curl {failure.code})"
    elif failure.kind == "check":
        said = f"check of {failure.code} failed"
    else:
        said = "worker process lost"
    if failure.message:
        said += f": {failure.message}"
    if failure.request_id:
        said += f" (request id {failure.request_id})"
    return one_line(said, 500)


ADVICE = {
    "AccessDenied": "check that these credentials may do this on this bucket and key",
    "InvalidAccessKeyId": "check AWS_ACCESS_KEY_ID and --endpoint",
    "SignatureDoesNotMatch": "check AWS_SECRET_ACCESS_KEY",
    "ExpiredToken": "renew the credentials and run again",
    "InvalidToken": "check AWS_SESSION_TOKEN",
    "NoSuchBucket": "check the bucket's name and --endpoint",
    "NoSuchKey": "check the key",
    "NoSuchVersion": "check --versionId",
    "PermanentRedirect": "use --region with the bucket's region",
    "TemporaryRedirect": "use --region with the bucket's region",
    "AuthorizationHeaderMalformed": "use --region with the bucket's region",
    "RequestTimeTooSkewed": "set this machine's clock",
    "PreconditionFailed": "the object changed while it was read; run again",
    "EntityTooLarge": "use a smaller --partsize",
    "NoSuchUpload": "somebody has ended the upload (a lifecycle rule?); run again",
    "SlowDown": "run again later, or with a smaller --concurrency",
    "InternalError": "run again later, or with more --retries",
}
"""What an operator does about S3's error codes (their list: API reference, "Error responses")."""

CURL_ADVICE = {
    "5": "check the proxy variables",
    "6": "check the host's name in --endpoint or AWS_ENDPOINT_URL_S3",
    "7": "check --endpoint or AWS_ENDPOINT_URL_S3 and the proxy variables, and that the server runs",
    "1": "check that the endpoint, and its port, speak HTTP",
    "28": "check the network, --endpoint and the proxy variables",
    "18": "check the network, and for a proxy in between; run again",
    "52": "check the network, and for a proxy in between; run again",
    "55": "check the network, and for a proxy in between; run again",
    "56": "check the network, and for a proxy in between; run again",
    "35": "check that the endpoint speaks TLS, or use --no-ssl",
    "60": "the server's certificate is refused: it must have the endpoint's name, must not have expired, and "
    "its authority must be known (your own by --ca-bundle FILE)",
    "77": "the CA bundle cannot be read: check --ca-bundle and AWS_CA_BUNDLE",
}
"""What to do about libcurl's error numbers (libcurl-errors(3))."""


def advice(failure: Failure) -> str:
    """What to do about ``failure``, or nothing when there is no general advice."""
    if failure.kind == "server":
        if not failure.code and (failure.status < 200 or 300 <= failure.status < 400):
            return "is the endpoint an S3 server, and no proxy in between?"
        return ADVICE.get(failure.code) or ("run again later" if failure.status >= 500 else "")
    if failure.kind == "check":
        return "run again; if it stays so, the store or a proxy in between is faulty"
    return CURL_ADVICE.get(failure.code, "") if failure.kind == "transport" else ""
