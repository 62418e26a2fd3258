"""Experiments: running the ladder of models, and reporting the results."""
