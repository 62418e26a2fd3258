"""`demo`: from a table to a prediction over HTTP, in three steps."""

import json
import shutil
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

import typer
from rich.markup import escape

from application.data.copy_data import CopyData
from application.ports import DataSource
from application.scoring.predict_batch import PredictBatch
from application.training.train_model import TrainingReport
from domain.data.schema import Schema
from domain.errors import NotFound, Unavailable
from domain.model.reference import ModelRef
from domain.scoring.batch_job import BatchReport
from domain.training.specification import TrainingSpec
from entrypoints.cli import output
from entrypoints.cli.commands.predict import batch_document, show_batch
from entrypoints.cli.commands.train import show_training, training_document
from entrypoints.cli.options import AsJson, container
from entrypoints.wiring.container import Container
from entrypoints.wiring.settings import Variant

_SAMPLE_ROWS = 20_640
_START_SECONDS = 60.0
_OUTPUTS = Path("outputs")

_NEXT = {
    "models list": "every version, and which is champion",
    "train --estimator ridge": "a simpler model: the gate does not promote it",
    "predict-one": "one prediction without a server",
    "serve": "then open http://127.0.0.1:8000/docs",
    "doctor": "check the configuration",
}
_OTHER = {
    Variant.MAIN: (Variant.API_BASELINE, "the same with files instead of MLflow"),
    Variant.API_BASELINE: (Variant.MAIN, "the same with MLflow instead of files"),
}


app = typer.Typer(add_completion=False)


@app.command()
def demo(as_json: AsJson = False) -> None:
    """Train, register, score a file, start the server and request one prediction.

    If the reference data cannot be fetched, simulated data is used.
    A model trained on simulated data is marked as such.

    Example: modelport demo
    """
    wired = container()
    schema: Schema = wired.schema()
    spec: TrainingSpec = wired.specification()
    source, rows = _data(wired)
    _headline(
        1, f"Train, evaluate on the hold-out, apply the promotion gate: {schema.name}", as_json
    )
    started = perf_counter()
    with output.working(f"training {spec.estimator.value}"):
        report: TrainingReport = wired.train_model()(source, schema, spec)
    seconds = perf_counter() - started
    if not as_json:
        show_training(report, schema, spec, seconds)
    target = _OUTPUTS / "predictions.csv"
    _headline(2, f"Score a file: {rows.version.uri} into {target}", as_json)
    batch = _score(wired, rows, target, ModelRef(schema.name))
    if not as_json:
        show_batch(batch)
    _headline(3, "Serve, and request one prediction over HTTP", as_json)
    answer = _request_prediction(schema)
    if as_json:
        training = training_document(report, spec, seconds)
        output.emit({"train": training, "predict": batch_document(batch), "serve": answer})
        return
    shown = {"request": f"POST {answer['url']}", "row": json.dumps(schema.example)}
    value = f"{answer['answer']['predictions'][0]:,.2f} {schema.target.unit}".rstrip()
    shown |= {schema.target.name: value, "model": answer["answer"]["model"]}
    output.show(output.facts(shown))
    output.show("\n[bold]What to try next[/]")
    output.show_commands(_next_commands(_program(), wired.settings().variant))


def _headline(number: int, text: str, as_json: bool) -> None:
    if not as_json:
        output.show(f"\n[bold cyan]{number}. {escape(text)}[/]")


def _next_commands(program: str, variant: Variant) -> dict[str, str]:
    other, what = _OTHER[variant]
    commands = {f"{program} {command}": meaning for command, meaning in _NEXT.items()}
    return {**commands, f"MODELPORT_VARIANT={other.value} {program} demo": what}


def _program() -> str:
    """Return the word that calls this program: its name, or its path if it is not on PATH."""
    own, found = Path(sys.argv[0]), shutil.which("modelport")
    if own.name != "modelport" or (found and own.exists() and own.samefile(found)):
        return "modelport"
    return str(own.relative_to(Path.cwd())) if own.is_relative_to(Path.cwd()) else str(own)


def _data(wired: Container) -> tuple[DataSource, DataSource]:
    """Return the data to train on and the data to score: the configured data for both.

    If the reference data cannot be fetched: simulated rows, and a file of them.
    """
    try:
        source: DataSource = wired.source()
        return source, source
    except (Unavailable, NotFound) as error:
        if wired.settings().data is not None:
            raise
        output.say(f"[yellow]the reference data cannot be fetched[/]: {escape(str(error))}")
        output.say("[yellow bold]using simulated data: the model is not a real one[/]")
    path = str(_OUTPUTS / "sample.csv")
    sample: DataSource = wired.source(f"sample:{_SAMPLE_ROWS}")
    CopyData()(sample, wired.sink(path))
    return sample, wired.source(path)


def _score(wired: Container, rows: DataSource, target: Path, ref: ModelRef) -> BatchReport:
    use_case: PredictBatch = wired.predict_batch()
    with output.progress("scoring") as show_progress:
        return use_case(rows, wired.sink(str(target)), ref, progress=show_progress)


def _request_prediction(schema: Schema) -> dict[str, Any]:
    with _server(ModelRef(schema.name)) as url:
        body = json.dumps({"data": [schema.example]}).encode()
        answer = _json(Request(f"{url}/predict", body, {"Content-Type": "application/json"}))
        return {"url": f"{url}/predict", "answer": answer}


@contextmanager
def _server(ref: ModelRef) -> Iterator[str]:
    """Run the server in a child process on a free port; yield its URL."""
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "entrypoints.cli", "serve", "--port", str(port)]
    command += ["--model", str(ref)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            with output.working(f"starting the server on {url}"):
                _wait_until_ready(url, process)
            yield url
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[str]) -> str:
    """Stop the server; return its log."""
    process.terminate()
    try:
        return process.communicate(timeout=_START_SECONDS)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[1]


def _wait_until_ready(url: str, process: subprocess.Popen[str]) -> None:
    deadline = monotonic() + _START_SECONDS
    while monotonic() < deadline and process.poll() is None:
        try:
            _json(Request(f"{url}/health/ready"))
            return
        except (URLError, OSError):
            sleep(0.05)
    raise Unavailable(f"the server did not become ready:\n{_stop(process).strip()}")


def _json(request: Request) -> dict[str, Any]:
    with urlopen(request, timeout=10) as response:
        document: dict[str, Any] = json.load(response)
    return document


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port
