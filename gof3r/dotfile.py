"""A user's own files of settings: where their home is, and a file's text, read with care.

Theory: what stands under a file's name may be anything. A pipe would wait for somebody to write, a device
never ends, and neither is a file of settings; a missing one is no error, nor is a missing home (a service, a
container's number without a name).

It must not know what is in the files.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping

from gof3r.engine.errors import UsageError, one_line

MOST = 1 << 20
"""Bytes: with every option in every section an ini file has 20,000."""


def home(environ: Mapping[str, str]) -> str:
    """The user's directory: HOME, or as for a shell's ``~`` what the system has; "" where nobody says."""
    if environ.get("HOME"):
        return environ["HOME"]
    import pwd  # late: nearly everybody has the variable

    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return ""


def read(path: str) -> str | None:
    """The file's text; None where there is none. Raises UsageError, one line."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            if os.path.samefile(path, os.devnull):  # a usual way to switch such a file off
                return None
            raise UsageError(one_line(f"{path}: it is no regular file"))
        with open(path, "rb") as file:
            data = file.read(MOST + 1)
    except (FileNotFoundError, NotADirectoryError):  # the latter for a HOME of /dev/null, as services have it
        return None
    except OSError as error:
        raise UsageError(one_line(f"{path}: it cannot be read: {error.strerror}")) from None
    if len(data) > MOST:
        raise UsageError(one_line(f"{path}: it is longer than {MOST} bytes: it is no file of settings"))
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise UsageError(one_line(f"{path}: it is not UTF-8")) from None
