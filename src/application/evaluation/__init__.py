"""Evaluation of a registered model."""
