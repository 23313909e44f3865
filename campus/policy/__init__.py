"""The access policy: its versions, why somebody may pass, and who is inside."""
