"""Predictions and explanations, for a few rows or for a whole table."""
