"""Specifications, search spaces and cross-validation."""
