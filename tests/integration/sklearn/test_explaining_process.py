"""Explanations in a child process: the same values, and what happens when processes end."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from multiprocessing import active_children
from pathlib import Path

import pytest

from adapters.local.explaining_process import ProcessExplainers
from adapters.sklearn.sklearn_explainers import SklearnExplainers
from adapters.sklearn.sklearn_learner import SklearnLearner
from application.ports import Explainer, TrainedModel
from domain.data.schema import Matrix
from domain.errors import ArtefactRejected, Unavailable
from domain.features.encoding import FeatureEncoding
from domain.training.specification import Estimator
from tests.integration.contracts.explainers import ending_explainers
from tests.integration.contracts.rows import labelled, pool
from tests.integration.processes import START_SECONDS
from tests.integration.sklearn.specs import QUICK
from tests.support.samples import SCHEMA
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
ENV = {**os.environ, "PYTHONPATH": str(ROOT)}

# Starts an explainer, prints the id of its process, and ends when its stdin does.
PARENT = """\
import sys
from multiprocessing import active_children
from adapters.local.explaining_process import ProcessExplainers
from domain.features.encoding import FeatureEncoding
from domain.training.specification import Estimator, TrainingSpec
from tests.fakes.model import MemoryExplainers
from tests.fakes.training import MemoryLearner
from tests.integration.contracts.explainers import ending_explainers
from tests.integration.contracts.rows import labelled
from tests.support.samples import SCHEMA

if __name__ == "__main__":
    files = MemoryLearner().fit(TrainingSpec(Estimator.LINEAR), SCHEMA, *labelled()).files
    encoding = FeatureEncoding.from_files(SCHEMA, files)
    explainer = ProcessExplainers(MemoryExplainers).load(encoding, files)
    print(active_children()[0].pid, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def trained() -> TrainedModel:
    return SklearnLearner().fit(QUICK[Estimator.TREE], SCHEMA, *labelled())


@pytest.fixture
def explainer(trained: TrainedModel) -> Iterator[Explainer]:
    with ending_explainers():
        yield ProcessExplainers(SklearnExplainers).load(encoding(trained), trained.files)


def encoding(trained: TrainedModel) -> FeatureEncoding:
    return FeatureEncoding.from_files(SCHEMA, trained.files)


def columns(trained: TrainedModel) -> Matrix:
    return encoding(trained).transform(pool()[::40])


def test_the_values_are_those_of_this_process(explainer: Explainer, trained: TrainedModel) -> None:
    here = SklearnExplainers().load(encoding(trained), trained.files).explain(columns(trained))
    there = explainer.explain(columns(trained))
    assert there.base == here.base
    assert there.contributions.tobytes() == here.contributions.tobytes()


def test_a_process_that_has_ended_is_replaced(explainer: Explainer, trained: TrainedModel) -> None:
    child = active_children()[0]
    for each in (signal.SIGINT, signal.SIGHUP):
        os.kill(child.pid or 0, each)
    explainer.explain(columns(trained))
    child.kill()
    child.join()
    with pytest.raises(Unavailable):
        explainer.explain(columns(trained))
    explainer.explain(columns(trained))


def test_an_error_in_the_process_is_raised_here(trained: TrainedModel) -> None:
    explainers = ProcessExplainers(SklearnExplainers)
    with pytest.raises(ArtefactRejected, match="skops"):
        explainers.load(encoding(trained), {**trained.files, "pipeline.skops": b"x"})


def test_the_process_ends_with_its_explainer(trained: TrainedModel) -> None:
    explainers = ProcessExplainers(SklearnExplainers)
    explainer = explainers.load(encoding(trained), trained.files)
    assert len(active_children()) == 1
    del explainer
    assert not active_children()


@pytest.mark.parametrize("killed", [False, True])
def test_the_process_ends_with_its_parent(tmp_path: Path, killed: bool) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    with subprocess.Popen(
        [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, env=ENV
    ) as parent:
        assert parent.stdin
        assert parent.stdout
        child = Path("/proc") / parent.stdout.readline().decode().strip()
        assert child.exists()
        if killed:
            parent.kill()
        parent.stdin.close()
        wait_until(lambda: not child.exists(), START_SECONDS, lambda: "the process is left")
