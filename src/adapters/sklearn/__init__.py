"""Estimators of scikit-learn: fitting them, and keeping them without pickle."""
