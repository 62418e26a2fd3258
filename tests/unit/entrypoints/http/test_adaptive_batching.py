import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.model.load_model import LoadedModel
from domain.data.feature import Vector
from domain.data.schema import Matrix
from domain.errors import Unavailable
from entrypoints.http.adaptive_batching import AdaptiveBatcher, Rows, to_matrix
from tests.support.orchard import ORCHARD, planted

LOADED = planted().load_model()(ORCHARD)


@dataclass
class Counting:
    """Answers with the sum of a row, and counts how often it was asked."""

    factor: float = 1.0
    fault: Exception | None = None
    calls: list[int] = field(default_factory=list)

    def predict(self, matrix: Matrix) -> Vector:
        self.calls.append(len(matrix))
        if self.fault is not None:
            raise self.fault
        total = np.zeros(len(matrix))
        for column in matrix.T:
            total += column * self.factor
        return total


def model(predictor: Counting) -> LoadedModel:
    return replace(LOADED, predictor=predictor)


ROWS = st.lists(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3), min_size=1, max_size=4)


@given(st.lists(ROWS | ROWS.map(to_matrix), min_size=1, max_size=12))
def test_concurrent_callers_each_get_what_they_would_have_got_alone(requests: list[Rows]) -> None:
    predictor = Counting()
    served = model(predictor)

    async def together() -> list[Vector]:
        batcher = AdaptiveBatcher()
        return await asyncio.gather(*(batcher.predict(served, rows) for rows in requests))

    answers = asyncio.run(together())
    assert predictor.calls == [sum(map(len, requests))]
    alone = [predictor.predict(to_matrix(rows)).tobytes() for rows in requests]
    assert [answer.tobytes() for answer in answers] == alone


def test_a_lone_request_is_answered_in_the_next_turn_of_the_loop() -> None:
    async def turns() -> int:
        answer = AdaptiveBatcher().predict(model(Counting()), [[1.0, 2.0, 3.0]])
        count = 0
        while not answer.done():
            await asyncio.sleep(0)
            count += 1
        return count

    assert asyncio.run(turns()) == 1


def test_requests_around_a_change_of_models_get_the_model_they_came_for() -> None:
    old, new = model(Counting(1.0)), model(Counting(10.0))

    async def around() -> list[Vector]:
        batcher = AdaptiveBatcher()
        asked = [(old, 1.0), (new, 2.0), (new, 3.0), (old, 4.0)]
        return await asyncio.gather(*(batcher.predict(m, [[x]]) for m, x in asked))

    assert [answer.tolist() for answer in asyncio.run(around())] == [[1.0], [20.0], [30.0], [4.0]]


def test_an_error_of_the_model_reaches_every_caller_of_the_batch_only() -> None:
    broken, sound = model(Counting(fault=Unavailable("gone"))), model(Counting())

    async def scenario() -> list[Any]:
        batcher = AdaptiveBatcher()
        asked = [batcher.predict(broken, [[1.0]]) for _ in range(3)]
        first = await asyncio.gather(*asked, return_exceptions=True)
        return [*first, await batcher.predict(sound, [[2.0]])]

    *faults, answer = asyncio.run(scenario())
    assert [str(fault) for fault in faults] == ["gone"] * 3
    assert answer.tolist() == [2.0]


def test_a_caller_that_disconnects_does_not_disturb_the_others() -> None:
    async def scenario() -> Vector:
        batcher = AdaptiveBatcher()
        served = model(Counting())
        gone = batcher.predict(served, [[1.0]])
        stays = batcher.predict(served, [[2.0]])
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        return await stays

    assert asyncio.run(scenario()).tolist() == [2.0]


def test_a_response_that_fails_does_not_disturb_the_others() -> None:
    async def scenario() -> Vector:
        batcher = AdaptiveBatcher()
        served = model(Counting())

        def fail(values: Vector | Exception) -> None:
            raise OSError("the connection is gone")

        batcher.submit(served, [[1.0]], fail)
        return await batcher.predict(served, [[2.0]])

    assert asyncio.run(scenario()).tolist() == [2.0]
