"""Models and runs in MLflow."""
