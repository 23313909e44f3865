"""The program on the board: recognise, screen, decide, unlock, tell the campus."""
