"""Metrics, diagnostics and paired comparisons of the errors of models."""
