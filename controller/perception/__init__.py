"""From frames to findings: who stands there, how warm, and is it a living face."""
