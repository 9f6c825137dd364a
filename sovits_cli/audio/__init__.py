"""Audio: files, resampling, loudness, slicing, joining, spectrograms."""
