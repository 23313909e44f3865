"""Orders from the campus, on the board."""
