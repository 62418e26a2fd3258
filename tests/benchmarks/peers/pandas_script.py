"""Batch scoring as most people write it: read the CSV, predict, write Parquet.

usage: python -m tests.benchmarks.peers.pandas_script PIPELINE.joblib INPUT.csv OUTPUT.parquet
"""

import sys

import joblib
import pandas as pd

from tests.benchmarks.peers.pipeline import FEATURES


def main(pipeline: str, source: str, target: str) -> None:
    """Score every row."""
    frame = pd.read_csv(source)
    predictions = joblib.load(pipeline).predict(frame[FEATURES])
    scored = pd.DataFrame({"row": frame["row"], "prediction": predictions})
    scored.to_parquet(target, index=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
