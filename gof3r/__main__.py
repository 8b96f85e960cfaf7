"""The program's first lines: ``gof3r``, and ``python -m gof3r``.

Loading takes a tenth of a second, in which Python would answer Ctrl-C with a traceback. Nothing has begun by
then, so until the command line minds signals itself, the system's default will do: the end, without a word.
"""

import signal
import sys


def main() -> int:
    """The command line's exit code."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where it was ignored from outside
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from . import cli

    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
