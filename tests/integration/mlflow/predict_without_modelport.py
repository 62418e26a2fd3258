"""A program that has MLflow but not modelport, run as `python -I FILE MODEL RESULTS INPUT.csv …`.

For each input file it writes the predictions, or the message of the error, as JSON. The folder in
the environment variable `FIRST_PACKAGES` comes first on the path, and its packages are imported.
The library in `NOT_INSTALLED` cannot be imported.
"""

import json
import os
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

OURS = ("domain", "application", "adapters", "entrypoints")

# An editable installation of modelport puts its sources on the path; other programs have none.
sys.path = [p for p in sys.path if not (Path(p) / "entrypoints" / "wiring").is_dir()]

if hidden := os.environ.get("NOT_INSTALLED"):
    sys.modules[hidden] = None  # type: ignore[assignment]

packages = os.environ.get("FIRST_PACKAGES")
if packages:
    sys.path.insert(0, packages)
    before = {name: import_module(name) for name in OURS}
else:
    before = {}
    assert [name for name in OURS if find_spec(name)] == []

import mlflow  # noqa: E402 - after the path is set
import pandas as pd  # noqa: E402

model, results, *files = sys.argv[1:]
loaded = mlflow.pyfunc.load_model(model)


def predict(file: str) -> object:
    """Return the predictions for a file, or the message of the error."""
    try:
        return loaded.predict(pd.read_csv(file, float_precision="round_trip")).tolist()
    except Exception as error:  # noqa: BLE001 - the test checks the error
        return f"{type(error).__name__}: {error}"


Path(results).write_text(json.dumps([predict(file) for file in files]))
assert {name: sys.modules.get(name) for name in OURS if name in sys.modules} == before
