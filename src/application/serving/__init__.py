"""The model that a server answers with."""
