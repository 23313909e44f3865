"""The board's proof: everything between the program and the wires, shown on real kernels in emulated machines.

`make board-proof` runs it. One machine has the pins, sensors and cameras that Debian's kernel can simulate, another the
pins of a Raspberry Pi 3. Nothing here is part of what is shipped, and nothing in the program knows of it.
"""
