"""Training a model: rows, cross-validation, calibration, registration."""
