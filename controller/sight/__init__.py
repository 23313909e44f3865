"""From the sensors' frames to what the lane hears: capture threads, slots, and what perception is asked."""
