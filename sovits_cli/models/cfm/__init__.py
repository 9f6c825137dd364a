"""The flow-matching acoustic models (v3, v4): codes, phones and a style to a mel spectrogram."""
