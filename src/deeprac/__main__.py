"""``python -m deeprac``: the same program as the console script ``deeprac``."""

import sys

from deeprac.cli import main

if __name__ == "__main__":
    sys.exit(main())
