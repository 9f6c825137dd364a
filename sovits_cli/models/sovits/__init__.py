"""The acoustic model of the VITS family: codes, phones and a style to a waveform."""
