"""The flow-matching acoustic models (v3, v4): semantic tokens, phones and a style to a mel spectrogram."""
