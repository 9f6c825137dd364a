"""sovits: GPT-SoVITS voice cloning and few-shot TTS as one command line."""

__version__ = "0.1.0"
