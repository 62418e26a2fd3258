"""Measuring a registered model."""
