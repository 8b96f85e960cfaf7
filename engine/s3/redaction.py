"""What was sent and must not be shown, taken out of what came back.

Theory: a server, or whatever is in between, may repeat a request in its answer: S3 does it for a wrong
signature, and so does whoever looks for a fault in his store. What is shown of an answer then holds the
session's token, a key of SSE-C, or a signature that is good for 15 minutes. So what is told of an answer is
told of one from which these are gone, before anything is cut short. The access key stays: it names, and
proves nothing.

It must not know what of an answer is shown; what is done with the answer itself is done with the real one.
"""

from __future__ import annotations

import re
from dataclasses import replace

from ..values import Credentials, Request, Response

SHORTEST = 8
"""Characters: a secret that is shorter (``test``, of a store on the same machine) is a word like others."""

_SIGNATURE = re.compile(rb"Signature=[0-9a-fA-F]{64}")
_GONE = b"[redacted]"


def redacted(response: Response, request: Request, credentials: Credentials | None) -> Response:
    """``response`` without what ``request`` and ``credentials`` have of secrets; itself where it has none."""
    secrets = [value for name, value in request.headers if name.lower().endswith("-customer-key")]
    if credentials is not None:
        secrets += [credentials.secret_key, credentials.token]
    found = [secret.encode("utf-8", "surrogateescape") for secret in secrets if len(secret) >= SHORTEST]

    def clean(data: bytes) -> bytes:
        for secret in found:
            data = data.replace(secret, _GONE)
        return _SIGNATURE.sub(b"Signature=" + _GONE, data)

    body = clean(response.body)
    headers = {
        name: clean(value.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")
        for name, value in response.headers.items()
    }
    if body == response.body and headers == response.headers:
        return response
    return replace(response, headers=headers, body=body)
