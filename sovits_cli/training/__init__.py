"""Training: stages, the loop around them, and what they leave behind."""
