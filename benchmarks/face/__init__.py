"""The evaluation of identification: `thermogate eval face`."""
