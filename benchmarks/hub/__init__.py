"""The campus end to end: gates, broker, hub and database as real processes; killed, timed, and compared to the byte."""
