"""Vocoders of the flow-matching models: mel spectrograms to waveforms."""
