"""Signatures with Ed25519 keys."""
