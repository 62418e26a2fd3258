"""The model that a server predicts with."""
