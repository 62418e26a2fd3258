"""MLflow's registry over its REST API, without the mlflow package."""
