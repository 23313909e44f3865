"""The link to the campus over MQTT."""
