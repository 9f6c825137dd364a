"""Model files: reading them safely, recognising them, building models from them."""
