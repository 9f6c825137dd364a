"""The commands: parse, build settings, one call, render."""
