"""Signatures by Ed25519 keys."""
