"""`thermogate`: one module for each command."""
