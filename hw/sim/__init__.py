"""Simulated chips, gate mechanics and the world they stand in, below the bus seams."""
