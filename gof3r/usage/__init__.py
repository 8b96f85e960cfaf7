"""What the user can type: one text for each command, which is its help and its specification at once.

Theory: docopt parses by these texts, and nothing is accepted that they do not show; the man page, the shells'
completion and the ini file are made of them too. So an option exists where it is described, and nowhere else.
No text has docopt's ``[default: x]``: what was given and what was not must stay apart, since an option may
also come from the environment or a file. ``Default: x.`` is for the reader (and the ini file).
"""

from __future__ import annotations

from .asking import INFO, LS, PRESIGN, RM, UPLOADS, UPLOADS_ABORT, UPLOADS_LS
from .many import BENCH, MIGRATE
from .moving import CP, GET, PUT, VERIFY
from .pieces import CONNECTION, HELP

TOP = f"""\
Stream objects of any size into and out of S3, verified.

Usage:
  gof3r [options] [<command> [<argument>...]]

Commands:
  put                     Upload standard input, a file, or a command's output.
  get                     Download an object to standard output, or to a file.
  cp                      Copy between files and S3, or within S3. Also: copy.
  rm                      Delete objects and their md5 objects.
  ls                      List objects.
  info                    Show what is stored about an object.
  verify                  Read an object and check it against every digest.
  uploads                 List unfinished multipart uploads, or abort them.
  presign                 Print a URL that works without credentials.
  bench                   Measure what S3 gives, and find the best settings.
  migrate                 Move many objects, with receipts, restartable.
  completion              Print a completion script for your shell.

  'gof3r COMMAND --help' shows what a command takes.

Options:
{HELP}
  -v --version            Show the version.
  -i --writeini           Write ~/.gof3r.ini: the options and their defaults.
  -m --manpage            Show the manual page, for man: gof3r -m | man -l -

{CONNECTION}

Options of the connection may also stand before the command. What is not given
is taken from the environment (AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL_S3,
...), ~/.gof3r.ini, and AWS's files, in this order.

Examples:
  tar -c dir | gof3r put s3://my-bucket/backup/dir.tar
  gof3r get s3://my-bucket/backup/dir.tar | tar -x
"""

COMPLETION = f"""\
Print a script that teaches a shell to complete gof3r's commands and options.

Usage:
  gof3r completion [options] [--] (bash | zsh | fish)

Options:
{HELP}

Examples:
  source <(gof3r completion bash)
  gof3r completion fish > ~/.config/fish/completions/gof3r.fish
"""

COMMANDS = {
    "put": PUT,
    "get": GET,
    "cp": CP,
    "rm": RM,
    "ls": LS,
    "info": INFO,
    "verify": VERIFY,
    "uploads ls": UPLOADS_LS,
    "uploads abort": UPLOADS_ABORT,
    "presign": PRESIGN,
    "bench": BENCH,
    "migrate": MIGRATE,
    "completion": COMPLETION,
}
"""The text of each command, in the order in which people meet them."""

GROUPS = {"uploads": UPLOADS}
"""Names that take a second one."""

ALIASES = {"copy": "cp"}  # s3gof3r's

MODES = ("put", "get", "mixed")
"""Of bench."""

SHELLS = ("bash", "zsh", "fish")
