"""Speaking: a text and a reference in, audio out."""
