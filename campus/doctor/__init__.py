"""The doctor's tickets."""
