"""``python -m gof3r`` is ``gof3r``."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
