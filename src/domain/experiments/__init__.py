"""Experiments: the ladder of models, and the selection of its steps."""
