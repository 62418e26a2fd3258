"""Files from the web, and models from the registry of an MLflow server."""
