"""The rehearsal of a lane in a simulated world."""
