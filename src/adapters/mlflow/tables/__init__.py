"""The accelerator that reads MLflow's SQLite database directly."""
