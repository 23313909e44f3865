"""The lane: pure decisions, no clock, no I/O."""
