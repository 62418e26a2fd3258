"""Simulated block groups, by a published equation."""
