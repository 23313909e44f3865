"""Run the checks of the groups that are named: `python -m image.proof.inside gate reader`."""

from __future__ import annotations

import sys

from image.proof.inside.check import try_all
from image.proof.inside.groups import GROUPS

if __name__ == "__main__":
    for name in sys.argv[1:]:
        try_all(GROUPS[name])
