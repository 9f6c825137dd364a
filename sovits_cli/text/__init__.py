"""Text in, phones out, one file a language: imports no torch."""
