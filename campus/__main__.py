"""`python -m campus` is `thermogate-hub`."""

from __future__ import annotations

import sys

from campus.cli import main

if __name__ == "__main__":
    sys.exit(main())
