"""Datasets on disk: layout, manifests, items, batches."""
