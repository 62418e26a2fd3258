"""Intervals around the predictions of a model."""
