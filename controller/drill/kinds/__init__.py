"""The rehearsal of a door and of a barrier."""
