"""Experiments: how the model was chosen."""
