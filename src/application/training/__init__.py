"""Training a model: cross-validation, calibration, registration."""
