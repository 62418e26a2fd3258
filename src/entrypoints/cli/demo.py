"""`demo`: the whole way from a table to a prediction over HTTP, once, with an account of it."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, perf_counter, sleep
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from application.copy_data import CopyData
from application.ports import DataSource
from application.train_model import TrainingReport
from domain.batch import BatchReport
from domain.errors import NotFound, Unavailable
from domain.model import ModelRef
from domain.schema import Schema
from domain.training import TrainingSpec
from entrypoints.cli import output
from entrypoints.cli.batch import batch_document, show_batch
from entrypoints.cli.options import AsJson, container
from entrypoints.cli.training import show_training, training_document
from entrypoints.wiring.container import Container

_SAMPLE_ROWS = 20_640
_START_SECONDS = 60.0
_OUTPUTS = Path("outputs")

NEXT = """
[bold]What to try next[/]
  modelport models list                     every version, and which is champion
  modelport train --estimator ridge         a plainer model: the gate will refuse it
  modelport predict-one                     one answer without a server
  modelport serve                           then open http://127.0.0.1:8000/docs
  modelport doctor                          what is configured, and whether it works
  MODELPORT_VARIANT=api-baseline modelport demo     the same with files instead of MLflow"""


def demo(as_json: AsJson = False) -> None:
    """Train, gate, register, score a file, start the server and ask it for one prediction.

    Where the reference data cannot be fetched, simulated data takes its place, and the model
    is marked as trained on it.

    Example: modelport demo
    """
    wired = container()
    schema: Schema = wired.schema()
    spec = TrainingSpec()
    input_uri, source = _data(wired)
    _headline(1, f"Train, judge on the hold-out, let the gate decide: {schema.name}", as_json)
    started = perf_counter()
    with output.working(f"training {spec.estimator.value}"):
        report: TrainingReport = wired.train_model()(source, schema, spec)
    seconds = perf_counter() - started
    if not as_json:
        show_training(report, schema, spec, seconds)
    target = _OUTPUTS / "predictions.csv"
    _headline(2, f"Score a file: {input_uri} into {target}", as_json)
    batch = _score(wired, input_uri, target, ModelRef(schema.name))
    if not as_json:
        show_batch(batch)
    _headline(3, "Serve, and ask for one prediction over HTTP", as_json)
    answer = _ask_server(wired, schema)
    if as_json:
        training = training_document(report, spec, seconds)
        output.emit({"train": training, "predict": batch_document(batch), "serve": answer})
        return
    shown = {"asked": f"POST {answer['url']}", "row": json.dumps(schema.example)}
    price = f"{answer['answer']['predictions'][0]:,.2f} {schema.target.unit}".rstrip()
    shown |= {schema.target.name: price, "answered by": answer["answer"]["model"]}
    output.show(output.facts(shown))
    output.show(NEXT)


def _headline(number: int, text: str, as_json: bool) -> None:
    if not as_json:
        output.show(f"\n[bold cyan]{number}. {text}[/]")


def _data(wired: Container) -> tuple[str, DataSource]:
    """Return the configured data, or simulated rows where the reference data is out of reach."""
    try:
        source: DataSource = wired.source()
        return source.version.uri, source
    except (Unavailable, NotFound) as error:
        if wired.settings().data is not None:
            raise
        output.say(f"[yellow]the reference data cannot be fetched[/]: {error}")
        output.say("[yellow bold]simulated data takes its place: the model is not a real one[/]")
    path = str(_OUTPUTS / "sample.csv")
    sample: DataSource = wired.source(f"sample:{_SAMPLE_ROWS}")
    _OUTPUTS.mkdir(exist_ok=True)
    CopyData()(sample, wired.sink(path))
    return path, sample


def _score(wired: Container, source: str, target: Path, ref: ModelRef) -> BatchReport:
    target.parent.mkdir(exist_ok=True)
    with output.progress("scoring") as tell:
        report: BatchReport = wired.predict_batch()(
            wired.source(source), wired.sink(str(target)), ref, progress=tell
        )
    return report


def _ask_server(wired: Container, schema: Schema) -> dict[str, Any]:
    with _server(wired) as url:
        body = json.dumps({"data": [schema.example]}).encode()
        answer = _json(Request(f"{url}/predict", body, {"Content-Type": "application/json"}))
        return {"url": f"{url}/predict", "answer": answer}


@contextmanager
def _server(wired: Container) -> Iterator[str]:
    """Run the real server as a process of its own; stop it as an operator would."""
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "entrypoints.cli", "serve", "--port", str(port)]
    command += ["--model", str(wired.settings().model_ref)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            with output.working(f"starting the server on {url}"):
                _wait_until_ready(url, process)
            yield url
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=_START_SECONDS)


def _wait_until_ready(url: str, process: subprocess.Popen[str]) -> None:
    deadline = monotonic() + _START_SECONDS
    while monotonic() < deadline and process.poll() is None:
        try:
            _json(Request(f"{url}/health/ready"))
            return
        except (URLError, OSError):
            sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, messages = process.communicate(timeout=_START_SECONDS)
    raise Unavailable(f"the server did not become ready:\n{messages.strip()}")


def _json(request: Request) -> dict[str, Any]:
    with urlopen(request, timeout=10) as response:
        document: dict[str, Any] = json.load(response)
    return document


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port
