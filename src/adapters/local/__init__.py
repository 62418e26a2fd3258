"""Batch jobs on the cores of this machine."""
