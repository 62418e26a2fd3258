"""Searching for hyper-parameters with Optuna."""
