"""Texts to phones, one language a file."""
