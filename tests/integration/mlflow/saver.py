"""A process that saves one bundle: `python saver.py URI HOME START`, the last a time to wait for.

It prints the number of the version that the bundle has got.
"""

import sys
import time
from pathlib import Path

from adapters.mlflow.mlflow_model_store import MlflowStore
from tests.support.samples import CREATED, NAME, sample_bundle

store = MlflowStore(sys.argv[1], Path(sys.argv[2]))
time.sleep(max(0.0, float(sys.argv[3]) - time.time()))
print(store.save(NAME, sample_bundle(), CREATED, {}).number)
