"""A running gate follows what it should hold: people, templates and access policy."""
