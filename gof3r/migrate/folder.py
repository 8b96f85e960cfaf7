"""What is in the way of a file under a directory, as the disk is now.

Theory: ``mapping`` has seen to it that a name's text stays under the destination's directory. The disk can
still lead elsewhere (a link), or have something there that a file cannot replace. It may change until the
file is written: whoever writes looks right before, and writing itself fails where it must.
"""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from functools import lru_cache

from .items import Item, LocalFile


def obstacle(root: str, path: str) -> str:
    """Why the file ``path`` cannot be written under the directory ``root``; "" if nothing is in the way."""
    real = os.path.realpath(root)
    place = root.rstrip("/")
    pieces = path[len(place) :].strip("/").split("/")
    for piece in pieces[:-1]:
        place = f"{place}/{piece}"
        mode = _mode(place)
        if isinstance(mode, str):
            return mode
        if mode == 0:  # nothing there, and nothing below
            return _too_long(path)
        if not _is_inside(place, real):
            return f"{place} is a link that leads out of {root}"
        if not os.path.isdir(place):
            return f"{place} is a file, and would have to be a directory as well"
    mode = _mode(path)
    if isinstance(mode, str):
        return mode
    if mode and not _is_inside(path, real):
        return f"{path} is a link that leads out of {root}"
    if os.path.isdir(path):
        return f"{path} is a directory already"
    if mode and not stat.S_ISREG(mode) and not stat.S_ISLNK(mode):
        return f"{path} is there, and no regular file"
    return ""


def settled(item: Item, root: str) -> Item:
    """``item`` with its destination, if that is a file, as the disk has it: links and ``..`` are followed, so
    that one file has one name. Where that leads out of ``root`` (empty: anywhere), as it is."""
    to = item.destination
    if not isinstance(to, LocalFile) or item.refused:
        return item
    folder, name = os.path.split(to.path)
    path = os.path.join(_real(folder), name)
    if name in ("", ".", "..") or os.path.islink(path):
        path = os.path.realpath(to.path)
    if path == to.path or (root and not path.startswith(f"{root.rstrip('/')}/")):
        return item
    return replace(item, destination=LocalFile(path))


@lru_cache(maxsize=4096)
def _real(folder: str) -> str:
    """A listing has thousands of names for each."""
    return os.path.realpath(folder)


def _mode(path: str) -> int | str:
    """Of what is there, links themselves; 0 for nothing; in words what cannot be looked at."""
    try:
        return os.lstat(path).st_mode
    except FileNotFoundError:
        return 0
    except OSError as error:  # ENAMETOOLONG: some file systems take less than Linux does
        return f"{path}: {error.strerror}"


def _too_long(path: str) -> str:
    """The file system's word on names below a directory that is still to be made."""
    folder = path
    while _mode(folder) == 0 and folder != "/":
        folder = os.path.dirname(folder)
    try:
        most = os.pathconf(folder, "PC_NAME_MAX")
    except (OSError, ValueError):
        return ""
    longest = max((os.fsencode(piece) for piece in path.split("/")), key=len)
    if len(longest) > most > 0:
        return f"{path}: a name in it has {len(longest)} bytes, and here one has at most {most}"
    return ""


def _is_inside(path: str, real: str) -> bool:
    found = os.path.realpath(path)
    return found == real or found.startswith(f"{real.rstrip('/')}/")
