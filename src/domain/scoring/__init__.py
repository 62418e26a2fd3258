"""Predictions, batch jobs and explanations."""
