"""Fits the pipeline and keeps it as `pipeline.joblib`, its last step alone as `estimator.joblib`.

usage: python -m tests.benchmarks.peers.fit DATA.csv FOLDER HYPER_PARAMETERS_AS_JSON
"""

import json
import sys
from pathlib import Path

import joblib
import pandas as pd
from sklearn.model_selection import train_test_split

from tests.benchmarks.peers.pipeline import FEATURES, TARGET, build


def main(data: str, folder: str, hyper_parameters: str) -> None:
    """Learn from the same four fifths of the rows as modelport does."""
    training, _ = train_test_split(pd.read_csv(data), test_size=0.2, random_state=42)
    pipeline = build(json.loads(hyper_parameters)).fit(training[FEATURES], training[TARGET])
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    joblib.dump(pipeline, target / "pipeline.joblib")
    joblib.dump(pipeline.named_steps["model"], target / "estimator.joblib")


if __name__ == "__main__":
    main(*sys.argv[1:])
