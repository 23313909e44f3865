"""Drivers: they speak to the bus seams only and do not know whether the other end is real."""
