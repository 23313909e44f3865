"""Hardware of one lane: ports, bus seams, drivers, the real bus ends and the simulated ones."""
