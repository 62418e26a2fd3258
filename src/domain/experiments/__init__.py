"""Experiments: a ladder of models, and how its steps are selected."""
