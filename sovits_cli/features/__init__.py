"""Frozen extractors, each behind one call."""
