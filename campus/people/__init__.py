"""Who may pass on this campus, and where they come from."""
