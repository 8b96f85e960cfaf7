"""Where a download goes: standard output, or a file that appears only when it is complete and verified.

A file is written beside its place without a name, so that it goes with whoever writes it, however that ends;
when its bytes are on the disk it is named, and renamed into its place. Where the file system knows no files
without a name, it has a temporary one from the start. What is no regular file (a pipe, a device) has no place
to be renamed into and is written as it is. (``partial`` keeps a file for a later run.)
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import stat
from types import TracebackType

from gof3r.engine.errors import Gof3rError

STDOUT = 1

NO_TMPFILE = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT)
"""What a file system or a kernel says that knows no O_TMPFILE (open(2)); ENOENT is said again by what follows
where it is the directory that is not there."""


class Destination:
    """As a context manager: ``fd`` is open for writing; without ``commit`` nothing is left behind."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._temporary = ""
        self._nameless = False
        """The temporary name is still to be given."""
        self.fd = STDOUT

    def __enter__(self) -> Destination:
        """Raises Gof3rError when the file cannot be made."""
        if not self._path:
            if fcntl.fcntl(STDOUT, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
                raise Gof3rError("cannot write standard output: it is closed or not open for writing")
            return self
        if self._path.endswith("/"):
            raise Gof3rError(f"cannot write {self._path}: it names a directory")
        try:
            if self._is_special():
                self.fd = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)
            else:
                self._path = os.path.realpath(self._path)  # a link stays, and what it points to is replaced
                folder, name = os.path.split(self._path)
                # Names have 255 bytes at most on Linux's file systems; ours must fit beside a long one.
                short = os.fsdecode(os.fsencode(name)[:200])
                self._temporary = os.path.join(folder, f".{short}.gof3r-{secrets.token_hex(4)}")
                self.fd = self._open_beside(folder)
        except OSError as error:
            why = str(error.strerror)
            if self._temporary and error.errno in (errno.EACCES, errno.EROFS):
                why += " (the file is written beside its place, so its directory must be writable)"
            self._temporary = ""
            raise Gof3rError(f"cannot write {self._path}: {why}") from None
        return self

    def _open_beside(self, folder: str) -> int:
        try:
            fd = os.open(folder or ".", os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC, 0o666)
        except OSError as error:
            if error.errno not in NO_TMPFILE:
                raise
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            return os.open(self._temporary, flags, 0o600)  # it has a name: nobody else may look before commit
        self._nameless = True
        return fd

    def _is_special(self) -> bool:
        try:
            mode = os.stat(self._path).st_mode
        except FileNotFoundError:
            return False
        return not stat.S_ISREG(mode)

    def commit(self) -> None:
        """The bytes are complete: make the file appear, or have the system say whether it has taken them (a
        network's file system may do so only at the end). Raises Gof3rError."""
        try:
            if stat.S_ISREG(os.fstat(self.fd).st_mode):
                os.fsync(self.fd)
            os.close(os.dup(self.fd))
            if not self._temporary:
                return
            if os.path.exists(self._path):
                older = os.stat(self._path)
                self._set_mode(stat.S_IMODE(older.st_mode))
                with contextlib.suppress(OSError):  # only root may give files away
                    os.fchown(self.fd, older.st_uid, older.st_gid)
            elif not self._nameless:
                self._set_mode(0o666 & ~_umask())
            if self._nameless:
                self._give_name()
            os.rename(self._temporary, self._path)
        except OSError as error:
            raise Gof3rError(f"cannot write {self._path or 'standard output'}: {error.strerror}") from None
        self._temporary = ""

    def _set_mode(self, mode: int) -> None:
        with contextlib.suppress(OSError):  # CIFS, FAT and Windows' drives have none, and say EPERM
            os.fchmod(self.fd, mode)

    def _give_name(self) -> None:
        folder = os.open("/proc/self/fd", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # Relative to a folder: else Python calls link(2), which would link to the link there.
            os.link(str(self.fd), self._temporary, src_dir_fd=folder, follow_symlinks=True)
        finally:
            os.close(folder)
        self._nameless = False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.fd != STDOUT:
            os.close(self.fd)
        if self._temporary:  # also a nameless one: a signal may have come right after it got its name
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._temporary)


def _umask() -> int:
    """What new files lack. From /proc (Linux 4.7): to ask umask(2) is to change it, for all threads."""
    with open("/proc/self/status", "rb") as status:
        return next((int(line.split()[1], 8) for line in status if line.startswith(b"Umask:")), 0o077)
