"""What every adapter of `Explainers` must do.

A subclass provides `explainers` and `trained`, both of the scope of the class.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import active_children

import numpy as np
import pytest

from application.ports import Explainers, TrainedModel
from domain.data.schema import Matrix
from domain.errors import ArtefactRejected
from domain.features.encoding import FeatureEncoding
from tests.integration.contracts.rows import labelled, pool
from tests.support.samples import SCHEMA


@contextmanager
def ending_explainers() -> Iterator[None]:
    """End the processes of explainers that the block has loaded, whoever still refers to them."""
    yield
    for process in active_children():
        process.kill()
        process.join()


def _encoding(trained: TrainedModel) -> FeatureEncoding:
    return FeatureEncoding.from_files(SCHEMA, trained.files)


def _encode(trained: TrainedModel, rows: Matrix) -> Matrix:
    return _encoding(trained).transform(rows)


class ExplainersContract:
    def test_contributions_add_up_to_the_predictions(
        self, explainers: Explainers, trained: TrainedModel
    ) -> None:
        explainer = explainers.load(_encoding(trained), trained.files)
        for rows in (labelled()[0], labelled(seed=2)[0], pool()):
            explained = explainer.explain(_encode(trained, rows))
            assert explained.contributions.shape == (len(rows), len(SCHEMA.features))
            explained.require_sum(trained.predictor.predict(rows), SCHEMA.target)

    def test_an_explanation_does_not_depend_on_other_rows(
        self, explainers: Explainers, trained: TrainedModel
    ) -> None:
        explainer = explainers.load(_encoding(trained), trained.files)
        rows = pool()[::17]
        columns = _encode(trained, rows)
        together = explainer.explain(columns).contributions
        alone = [explainer.explain(row[np.newaxis]).contributions[0] for row in columns]
        assert together == pytest.approx(np.array(alone), rel=1e-9, abs=1e-9)

    def test_no_rows_have_no_contributions(
        self, explainers: Explainers, trained: TrainedModel
    ) -> None:
        nothing = explainers.load(_encoding(trained), trained.files).explain(
            _encode(trained, pool()[:0])
        )
        assert nothing.contributions.shape == (0, len(SCHEMA.features))

    def test_other_files_are_rejected(self, explainers: Explainers, trained: TrainedModel) -> None:
        with pytest.raises(ArtefactRejected):
            explainers.load(_encoding(trained), {})
