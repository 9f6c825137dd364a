"""The acoustic model of the VITS family: semantic tokens, phones and a style to a waveform."""
