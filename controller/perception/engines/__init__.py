"""Face engines behind one interface."""
