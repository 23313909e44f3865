"""Journal and outbox: what happened, on disk before it has effects, kept until the campus has it."""
