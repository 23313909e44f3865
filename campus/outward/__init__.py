"""What the school's own programs are told: the change feed and webhooks."""
