"""Simulated block groups that follow a published equation."""
