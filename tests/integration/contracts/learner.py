"""What every learner must do.

A subclass provides four fixtures: `learner`, the `runtime` that loads its files, `spec`, which it
can fit, and `wrong`, a hyper-parameter of that estimator with a value that is not allowed. All but
`wrong` have the scope of the class.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.ports import Learner, Runtime, TrainedModel
from domain.data.feature import Vector
from domain.errors import Misconfigured
from domain.evaluation.metrics import PARITY_TOLERANCE, largest_deviation
from domain.features.encoding import ENCODING, FeatureEncoding
from domain.model.bundle import GRAPH
from domain.training.specification import Parameter, TrainingSpec
from tests.integration.contracts.rows import POOL, bounded, labelled, pool
from tests.support.samples import SCHEMA


class LearnerContract:
    @pytest.fixture(scope="class")
    @classmethod
    def trained(cls, learner: Learner, spec: TrainingSpec) -> TrainedModel:
        return learner.fit(spec, SCHEMA, *labelled())

    @pytest.fixture(scope="class")
    @classmethod
    def alone(cls, trained: TrainedModel) -> Vector:
        """The answer to each row of the pool, asked alone."""
        answers = [trained.predictor.predict(pool()[row : row + 1]) for row in range(POOL)]
        return np.concatenate(answers)

    def test_fitting_again_gives_the_same_files_to_the_last_byte(
        self, learner: Learner, spec: TrainingSpec, trained: TrainedModel
    ) -> None:
        matrix, target = labelled()
        elsewhere = np.asfortranarray(matrix), np.repeat(target, 2)[::2]
        again = learner.fit(spec, SCHEMA, *elsewhere)
        assert dict(again.files) == dict(trained.files)
        assert again.parameters == trained.parameters
        assert again.libraries == trained.libraries

    def test_predictions_keep_to_the_range_of_the_target(
        self, learner: Learner, spec: TrainingSpec, trained: TrainedModel
    ) -> None:
        rows = labelled(seed=3)[0]
        free = trained.predictor.predict(rows)
        schema = bounded(free)
        kept = learner.fit(spec, schema, *labelled()).predictor.predict(rows)
        assert kept.tobytes() == np.clip(free, schema.target.low, schema.target.high).tobytes()

    def test_models_fitted_at_the_same_time_are_the_same(
        self, learner: Learner, spec: TrainingSpec, trained: TrainedModel
    ) -> None:
        with ThreadPoolExecutor(3) as threads:
            fits = [threads.submit(learner.fit, spec, SCHEMA, *labelled()) for _ in range(3)]
            assert all(dict(fit.result().files) == dict(trained.files) for fit in fits)

    def test_other_rows_give_other_files(
        self, learner: Learner, spec: TrainingSpec, trained: TrainedModel
    ) -> None:
        other = learner.fit(spec, SCHEMA, *labelled(seed=9))
        assert other.files[ENCODING] != trained.files[ENCODING]
        assert other.files[GRAPH] != trained.files[GRAPH]

    def test_what_was_learnt_of_the_features_is_among_the_files(
        self, trained: TrainedModel
    ) -> None:
        assert {ENCODING, GRAPH} <= {*trained.files}
        encoding = FeatureEncoding.from_files(SCHEMA, trained.files)
        learnt = FeatureEncoding.fit(SCHEMA, labelled()[0])
        assert encoding.transform(pool()).tobytes() == learnt.transform(pool()).tobytes()

    @given(st.lists(st.integers(0, POOL - 1), min_size=1, max_size=80))
    def test_an_answer_depends_on_its_own_row_only(
        self, trained: TrainedModel, alone: Vector, rows: list[int]
    ) -> None:
        together = trained.predictor.predict(pool()[rows])
        assert together.shape == (len(rows),)
        assert together.dtype == np.float64
        assert largest_deviation(alone[rows], together) <= PARITY_TOLERANCE

    def test_no_rows_have_no_answers(self, trained: TrainedModel) -> None:
        assert trained.predictor.predict(pool()[:0]).shape == (0,)

    def test_the_serving_form_answers_like_what_was_fitted(
        self, runtime: Runtime, trained: TrainedModel
    ) -> None:
        served = runtime.load(SCHEMA, trained.files)
        for rows in (labelled()[0], labelled(seed=2)[0], pool()):
            expected = trained.predictor.predict(rows)
            assert largest_deviation(expected, served.predict(rows)) <= PARITY_TOLERANCE

    def test_the_hyper_parameters_are_recorded_with_the_defaults_as_json(
        self, spec: TrainingSpec, trained: TrainedModel
    ) -> None:
        assert spec.parameters.items() <= trained.parameters.items()
        assert json.loads(json.dumps(dict(trained.parameters))) == trained.parameters

    def test_the_versions_of_the_libraries_are_recorded(self, trained: TrainedModel) -> None:
        assert trained.libraries["numpy"] == np.__version__
        assert all(trained.libraries.values())

    def test_an_unknown_hyper_parameter_is_refused_with_those_that_are_known(
        self, learner: Learner, spec: TrainingSpec, trained: TrainedModel
    ) -> None:
        unknown = replace(spec, parameters={**spec.parameters, "no_such": 1})
        with pytest.raises(Misconfigured) as refused:
            learner.fit(unknown, SCHEMA, *labelled())
        problem, allowed = str(refused.value).split("; allowed: ")
        assert spec.estimator.value in problem
        assert "no_such" in problem
        assert {*allowed.split(", ")} == {*trained.parameters}

    def test_a_value_that_is_not_allowed_is_refused_by_name(
        self, learner: Learner, spec: TrainingSpec, wrong: dict[str, Parameter]
    ) -> None:
        fit = partial(learner.fit, replace(spec, parameters=wrong), SCHEMA, *labelled())
        with pytest.raises(Misconfigured) as refused:
            fit()
        assert spec.estimator.value in str(refused.value)
        assert all(name in str(refused.value) for name in wrong)
