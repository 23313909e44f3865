"""The evaluation of the fever screening on public data: `thermogate eval fever`."""
