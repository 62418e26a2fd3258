"""Keeps the pipeline as MLflow's own scikit-learn flavour, to be served and scored by MLflow.

usage: python -m tests.benchmarks.peers.save_for_mlflow PIPELINE.joblib FOLDER
"""

import sys

import joblib
import mlflow.sklearn


def main(pipeline: str, folder: str) -> None:
    """Write the model; its requirements are those of the environment it is served in."""
    mlflow.sklearn.save_model(
        joblib.load(pipeline), folder, serialization_format="cloudpickle", pip_requirements=[]
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
