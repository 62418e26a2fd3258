"""`demo`: from a table to a prediction over HTTP, in three steps."""

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL
from tempfile import TemporaryFile
from time import monotonic, perf_counter, sleep
from typing import Any
from urllib.request import Request, urlopen

import typer
from rich.markup import escape

from application.data.copy_data import CopyData
from application.ports import DataSource
from application.training.train_model import TrainingReport
from domain.data.schema import Schema
from domain.errors import NotFound, Unavailable
from domain.model.reference import ModelRef
from domain.numbers import readable
from domain.scoring.batch_job import BatchReport
from domain.training.specification import TrainingSpec
from entrypoints.cli import output
from entrypoints.cli.commands.predict import batch_document, show_batch
from entrypoints.cli.commands.train import show_training, training_document
from entrypoints.cli.options import AsJson, container
from entrypoints.wiring.container import Container
from entrypoints.wiring.settings import Variant

_SAMPLE_ROWS = 20_640
_START_SECONDS = 300.0
_OUTPUTS = Path("outputs")

_NEXT = {
    "models list": "every version, and which is champion",
    "train --estimator ridge": "a simpler model: it is not promoted",
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
    simulated = source.version.simulated
    mark = " (simulated data)" if simulated else ""
    step = f"Train, evaluate on the hold-out, apply the promotion gate: {schema.name}"
    _headline(1, f"{step}{mark}", as_json)
    started = perf_counter()
    with output.stages(f"training {spec.estimator.value}") as show_stage:
        report: TrainingReport = wired.train_model()(source, schema, spec, progress=show_stage)
    seconds = perf_counter() - started
    if not as_json:
        show_training(report, schema, spec, seconds)
    target = _OUTPUTS / "predictions.csv"
    _headline(2, f"Score a file: {rows.version.uri} into {target}{mark}", as_json)
    with output.progress("scoring") as show_progress:
        sink, ref = wired.sink(str(target)), ModelRef(schema.name)
        batch: BatchReport = wired.predict_batch()(rows, sink, ref, progress=show_progress)
    if not as_json:
        show_batch(batch)
    _headline(3, "Serve, and request one prediction over HTTP" + mark, as_json)
    answer = _request_prediction(schema)
    if as_json:
        training = training_document(report, spec, seconds)
        documents = {"train": training, "predict": batch_document(batch), "serve": answer}
        output.emit({"simulated": simulated, **documents})
        return
    shown = {"request": f"POST {answer['url']}", "row": json.dumps(schema.example)}
    value = f"{readable(answer['answer']['predictions'][0])} {schema.target.unit}".rstrip()
    shown |= {schema.target.name: f"{value}{mark}", "model": answer["answer"]["model"] + mark}
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
    """Return how a shell calls this program: its name, or its path if it is not on PATH."""
    own, found = Path(sys.argv[0]), shutil.which("modelport")
    if own.name != "modelport" or (found and own.exists() and own.samefile(found)):
        return "modelport"
    return str(own.relative_to(Path.cwd())) if own.is_relative_to(Path.cwd()) else str(own)


def _data(wired: Container) -> tuple[DataSource, DataSource]:
    """Return the data to train on and the data to score: the configured data for both.

    If the reference data cannot be fetched, both are simulated.
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


def _request_prediction(schema: Schema) -> dict[str, Any]:
    with _server(ModelRef(schema.name)) as url:
        body = json.dumps({"data": [schema.example]}).encode()
        request = Request(f"{url}/predict", body, {"Content-Type": "application/json"})
        with urlopen(request, timeout=10) as response:
            return {"url": request.full_url, "answer": json.load(response)}


@contextmanager
def _server(ref: ModelRef) -> Iterator[str]:
    """Run the server in a child process on a free port; yield its URL."""
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "entrypoints.cli", "serve", "--port", str(port)]
    command += ["--model", str(ref)]
    with TemporaryFile() as log, subprocess.Popen(command, stdout=DEVNULL, stderr=log) as process:
        try:
            with output.working(f"starting the server on {url}"):
                if not _becomes_ready(url, process):
                    log.seek(0)
                    reason = log.read().decode(errors="replace").strip()
                    raise Unavailable(f"the server did not become ready:\n{reason}")
            yield url
        finally:
            process.terminate()


def _becomes_ready(url: str, process: subprocess.Popen[bytes]) -> bool:
    deadline = monotonic() + _START_SECONDS
    while monotonic() < deadline and process.poll() is None:
        try:
            urlopen(f"{url}/health/ready", timeout=10).close()
        except OSError:
            sleep(0.05)
        else:
            return True
    return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
