"""How devices are, what has to move for a lane to be alive, and the watchdogs that look on."""
