"""MLflow's SQLite database, read without the mlflow package."""
