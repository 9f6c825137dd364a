"""The stages that can be trained: what each learns, its losses, its optimisers."""
