"""A process that asks a model: `python -m … MODULE BUILDER FOLDER`.

It prints the answers, which training libraries were imported, and what was done on the way that a
model must not make a process do.
"""

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.integration.contracts.rows import pool
from tests.support.samples import SCHEMA

TRAINING = ("cloudpickle", "joblib", "mlflow", "onnx", "pandas", "scipy", "sklearn", "skops")
FORBIDDEN = (
    *("pickle.find_class", "marshal.loads", "exec", "compile", "import", "open", "os.exec"),
    *("os.posix_spawn", "os.fork", "os.system", "subprocess.Popen", "socket.connect"),
)


def main(module: str, name: str, folder: Path) -> None:
    runtime = getattr(import_module(module), name)()
    files = {file.name: file.read_bytes() for file in folder.iterdir()}
    rows = pool()
    events: list[str] = []
    watching = True

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if watching and event in FORBIDDEN:
            events.append(f"{event} {arguments}")

    sys.addaudithook(note)
    predictor = runtime.load(SCHEMA, files)
    answers = predictor.predict(rows)
    watching = False
    told = {
        "answers": [answer.hex() for answer in answers.tolist()],
        "libraries": [library for library in TRAINING if library in sys.modules],
        "events": events,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
