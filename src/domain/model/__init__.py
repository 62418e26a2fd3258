"""A model version: its reference, manifest, bundle, and what is checked of it."""
