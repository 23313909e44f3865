"""Who may use the hub, and the log of what they did."""
