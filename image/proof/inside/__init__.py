"""What runs inside the emulated PC: the checks, and the ends of the wires that they pull."""
