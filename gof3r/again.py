"""The command line that goes on with what has failed: the user's own, with the upload that was kept.

It goes to standard error, and from there into logs, so it has no secrets: a customer's key, a password in an
address, and the arguments of a command whose output is put (they may be anything) are left out, as ``...``.
"""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote

from gof3r.engine.errors import without_passwords

from .arguments import NAMES


def again(words: Sequence[str], upload_id: str = "") -> str:
    """``gof3r`` and its arguments ``words``, quoted for a shell, with ``upload_id`` as the upload to go on
    with, if it is about one."""
    end = words.index("--") if "--" in words else len(words)
    options, run = list(words[:end]), words[end + 1 :]
    if upload_id and not any(word.startswith("--upload-id") for word in options):
        at = next((index for index, word in enumerate(options) if word in NAMES), -1) + 1
        options.insert(at, f"--upload-id={upload_id}")
    shown = [quote(_without_secrets(word)) for word in options]
    if run:
        shown += ["--", quote(run[0]), *(["..."] if len(run) > 1 else [])]
    return "".join(c if c.isprintable() else "?" for c in " ".join(["gof3r", *shown]))


def _without_secrets(word: str) -> str:
    name, colon, _ = word.partition(":")
    if colon and name.lower().endswith("-customer-key"):
        return f"{name}:..."
    return word if word.startswith("s3://") or "://" not in word else without_passwords(word)
