"""Settings: one strict schema, and where each value came from."""
