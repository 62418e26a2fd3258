"""Estimators of scikit-learn: fitting them, and storing them without pickle."""
