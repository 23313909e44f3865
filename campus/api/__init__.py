"""The hub's REST interface: FastAPI, one file a topic."""
