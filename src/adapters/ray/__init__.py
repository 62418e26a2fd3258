"""Batch jobs on a Ray cluster."""
