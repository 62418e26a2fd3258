"""Loading and signing a registered model."""
