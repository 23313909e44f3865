"""`thermogate-hub`: one module for each group of commands."""
