"""Preparing a dataset: transcripts and audio in, features out."""
