"""A program that has MLflow but not modelport: `python -I asker.py MODEL ANSWERS FILE.csv …`.

For each file it writes what the model answers, or the words in which it refuses, as JSON. A folder
in the environment variable `ASKER_PACKAGES` comes first on the path, and what it holds is imported.
"""

import json
import os
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

OURS = ("domain", "application", "adapters", "entrypoints")

# An editable installation of modelport puts its sources on the path: a stranger has none.
sys.path = [p for p in sys.path if not (Path(p) / "entrypoints" / "wiring").is_dir()]

packages = os.environ.get("ASKER_PACKAGES")
if packages:
    sys.path.insert(0, packages)
    before = {name: import_module(name) for name in OURS}
else:
    before = {}
    assert [name for name in OURS if find_spec(name)] == []

import mlflow  # noqa: E402 - after the path is as it should be
import pandas as pd  # noqa: E402

model, answers, *files = sys.argv[1:]
loaded = mlflow.pyfunc.load_model(model)


def ask(file: str) -> object:
    """Return the predictions for a file, or why there are none."""
    try:
        return loaded.predict(pd.read_csv(file, float_precision="round_trip")).tolist()
    except Exception as error:  # noqa: BLE001 - whatever is raised is what the test looks at
        return f"{type(error).__name__}: {error}"


Path(answers).write_text(json.dumps([ask(file) for file in files]))
assert {name: sys.modules.get(name) for name in OURS if name in sys.modules} == before
