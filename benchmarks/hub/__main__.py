"""How much a hub takes: `python -m benchmarks.hub`. Real mosquitto, PostgreSQL with fsync, and `thermogate-hub serve`.

Durable means: through the broker, into a COMMIT that is on disk, and acknowledged back to the gate.
"""

from __future__ import annotations

import sys

from benchmarks.hub.command import main

sys.exit(main(sys.argv[1:]))
