"""The campus hub: what the gates report to."""
