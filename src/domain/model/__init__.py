"""A model version: its reference, manifest and bundle, and the checks of a bundle."""
