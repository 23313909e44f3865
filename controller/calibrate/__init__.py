"""`thermogate calibrate`: measures how the sensors of one gate look at the lane, and writes it into gate.toml."""
