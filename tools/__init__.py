"""What builds, checks and releases the fast core; nothing here is part of what is shipped."""
