"""Whether an installation and its board are fit for a lane: each finding with its cause and what to do about it."""
