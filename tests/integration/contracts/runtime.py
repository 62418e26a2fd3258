"""What every runtime must do.

A subclass names what builds the runtime, which a process of its own calls too, and provides the
fixture `trained` with the scope of the class: a model over `SCHEMA` whose files it loads. `GRAPH`
is the file that it reads beside the encoding.
"""

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from application.ports import Predictor, Runtime, TrainedModel
from domain.data.feature import Vector
from domain.errors import ArtefactRejected
from domain.evaluation.metrics import PARITY_TOLERANCE, largest_deviation
from domain.features.encoding import ENCODING
from domain.model import bundle
from tests.integration.contracts.rows import OTHER_SCHEMA, POOL, bounded, labelled, pool
from tests.support.samples import SCHEMA

ROOT = Path(__file__).parents[3]
SIZES = (1, 2, 7, 8, 9, 31, 33, 49, 50, 51, 64, 100, 127, 128, 129, 255, 257, 1000)
GARBAGE = (b"", b"\0" * 64, b"[" * 100_000, b"{}", b"null", b"\xff\xfe\x80", b"model: none\n")


class Bomb:
    """What leaves a mark if it is ever unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.mark,)


class RuntimeContract:
    GRAPH: ClassVar[str] = bundle.GRAPH
    BUILD: ClassVar[Callable[[], Runtime]]

    @pytest.fixture(scope="class")
    @classmethod
    def runtime(cls) -> Runtime:
        return cls.BUILD()

    @pytest.fixture(params=["encoding", "numeric"])
    def name(self, request: pytest.FixtureRequest) -> str:
        """The file that is wrong."""
        return ENCODING if request.param == "encoding" else self.GRAPH

    @pytest.fixture(scope="class")
    @classmethod
    def served(cls, runtime: Runtime, trained: TrainedModel) -> Predictor:
        return runtime.load(SCHEMA, trained.files)

    @pytest.fixture(scope="class")
    @classmethod
    def alone(cls, served: Predictor) -> Vector:
        """The answer to each row of the pool, asked alone."""
        return np.concatenate([served.predict(pool()[row : row + 1]) for row in range(POOL)])

    @pytest.mark.parametrize("size", SIZES)
    def test_a_batch_of_any_size_answers_as_its_rows_do_alone(
        self, served: Predictor, alone: Vector, size: int
    ) -> None:
        rows = np.arange(3, size + 3) % POOL
        assert served.predict(pool()[rows]).tobytes() == alone[rows].tobytes()

    # Each runtime runs this method in a class of its own.
    @settings(suppress_health_check=[HealthCheck.differing_executors])
    @given(st.lists(st.integers(0, POOL - 1), max_size=200))
    def test_any_rows_together_answer_as_they_do_alone(
        self, served: Predictor, alone: Vector, rows: list[int]
    ) -> None:
        answers = served.predict(pool()[rows])
        assert answers.dtype == np.float64
        assert answers.tobytes() == alone[rows].tobytes()

    def test_threads_that_ask_at_the_same_time_get_the_answers_to_their_own_rows(
        self, served: Predictor, alone: Vector
    ) -> None:
        def ask(seed: int) -> int:
            random = np.random.default_rng(seed)
            wrong = 0
            for size in random.choice([1, 1, 1, 2, 5, 33, 51, 129], 60):
                rows = random.integers(0, POOL, size)
                wrong += served.predict(pool()[rows]).tobytes() != alone[rows].tobytes()
            return wrong

        with ThreadPoolExecutor(8) as threads:
            assert sum(threads.map(ask, range(8))) == 0

    def test_no_rows_have_no_answers(self, served: Predictor) -> None:
        answers = served.predict(np.empty((0, len(SCHEMA.features))))
        assert answers.shape == (0,)
        assert answers.dtype == np.float64

    def test_predictions_keep_to_the_range_of_the_target(
        self, runtime: Runtime, trained: TrainedModel, alone: Vector
    ) -> None:
        schema = bounded(alone)
        kept = runtime.load(schema, trained.files).predict(pool())
        assert kept.tobytes() == np.clip(alone, schema.target.low, schema.target.high).tobytes()

    def test_missing_values_are_answered_like_the_trained_model_does(
        self, served: Predictor, trained: TrainedModel
    ) -> None:
        nothing = np.full((3, len(SCHEMA.features)), np.nan)
        for rows in (pool(), nothing):
            answers = served.predict(rows)
            assert np.isfinite(answers).all()
            expected = trained.predictor.predict(rows)
            assert largest_deviation(expected, answers) <= PARITY_TOLERANCE

    def test_rows_are_read_wherever_they_lie_in_memory_and_left_alone(
        self, served: Predictor, alone: Vector
    ) -> None:
        rows = pool().copy()
        before = rows.tobytes()
        spread = np.repeat(np.repeat(rows, 2, axis=0), 3, axis=1)[::2, ::3]
        for matrix in (rows, np.asfortranarray(rows), spread):
            assert served.predict(matrix).tobytes() == alone.tobytes()
        assert served.predict(rows[::-1]).tobytes() == alone[::-1].tobytes()
        assert rows.tobytes() == before

    def test_two_models_of_one_runtime_are_kept_apart(
        self, runtime: Runtime, served: Predictor, trained: TrainedModel, alone: Vector
    ) -> None:
        again = runtime.load(SCHEMA, dict(trained.files))
        assert again is not served
        assert again.predict(pool()).tobytes() == alone.tobytes()
        assert served.predict(pool()).tobytes() == alone.tobytes()

    def test_a_file_that_is_missing_is_named(
        self, runtime: Runtime, trained: TrainedModel, name: str
    ) -> None:
        files = {n: content for n, content in trained.files.items() if n != name}
        with pytest.raises(ArtefactRejected, match=f"the bundle has no {name}"):
            runtime.load(SCHEMA, files)

    @pytest.mark.parametrize("content", GARBAGE, ids=range(len(GARBAGE)))
    def test_a_file_that_is_garbage_is_named(
        self,
        runtime: Runtime,
        trained: TrainedModel,
        name: str,
        content: bytes,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        with pytest.raises(ArtefactRejected, match=name):
            runtime.load(SCHEMA, {**trained.files, name: content})
        assert capfd.readouterr() == ("", "")

    @pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
    def test_a_file_that_was_cut_off_is_named(
        self, runtime: Runtime, trained: TrainedModel, name: str, share: float
    ) -> None:
        content = trained.files[name]
        with pytest.raises(ArtefactRejected, match=name):
            runtime.load(SCHEMA, {**trained.files, name: content[: int(len(content) * share)]})

    def test_files_that_were_swapped_are_rejected(
        self, runtime: Runtime, trained: TrainedModel
    ) -> None:
        files = {ENCODING: trained.files[self.GRAPH], self.GRAPH: trained.files[ENCODING]}
        with pytest.raises(ArtefactRejected, match=ENCODING):
            runtime.load(SCHEMA, files)

    def test_a_model_for_other_columns_is_rejected(
        self, runtime: Runtime, trained: TrainedModel
    ) -> None:
        with pytest.raises(ArtefactRejected, match=ENCODING):
            runtime.load(OTHER_SCHEMA, trained.files)
        narrower = replace(SCHEMA, ratios=())
        encoding = {"columns": [], "fill": {}} | json.loads(trained.files[ENCODING])
        encoding["columns"].remove("growth")
        del encoding["fill"]["growth"]
        files = {**trained.files, ENCODING: json.dumps(encoding).encode()}
        with pytest.raises(ArtefactRejected, match=self.GRAPH):
            runtime.load(narrower, files)

    def test_a_process_of_its_own_answers_alike_without_running_what_lies_in_the_bundle(
        self, trained: TrainedModel, alone: Vector, tmp_path: Path
    ) -> None:
        bundle, mark = tmp_path / "bundle", tmp_path / "mark"
        bundle.mkdir()
        bomb = pickle.dumps(Bomb(mark))
        for name, content in {**trained.files, "model.pkl": bomb, "pipeline.skops": bomb}.items():
            (bundle / name).write_bytes(content)
        build = type(self).BUILD
        command = [sys.executable, "-m", "tests.integration.contracts.asking"]
        command += [build.__module__, build.__qualname__, str(bundle)]
        process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert process.returncode == 0, process.stderr
        told = json.loads(process.stdout)
        assert told["answers"] == [answer.hex() for answer in alone.tolist()]
        assert told["libraries"] == []
        assert told["events"] == []
        assert not mark.exists()

    def test_a_bomb_would_have_left_its_mark(self, tmp_path: Path) -> None:
        pickle.loads(pickle.dumps(Bomb(tmp_path / "mark")))
        assert (tmp_path / "mark").exists()

    def test_a_model_is_not_changed_by_being_asked(self, served: Predictor, alone: Vector) -> None:
        served.predict(labelled()[0])
        assert served.predict(pool()[:1]).tobytes() == alone[:1].tobytes()
