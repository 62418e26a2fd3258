"""What every searcher must do. A subclass provides the fixture `searcher`."""

from collections.abc import Mapping
from typing import ClassVar

import pytest

from application.ports import Searcher
from domain.errors import Misconfigured
from domain.training.search_space import Dimension, Space, best
from domain.training.specification import Parameter


class SearcherContract:
    SPACE: ClassVar[Space] = {
        "rate": Dimension(0.01, 1.0, log=True),
        "leaves": Dimension(2, 64, log=True),
        "share": Dimension(0.1, 0.9),
        "depth": Dimension(1, 5),
    }
    START: ClassVar[Mapping[str, Parameter]] = {
        "rate": 0.5,
        "leaves": 3,
        "share": 0.2,
        "depth": 2,
        "loss": "squared_error",
    }

    @staticmethod
    def error(parameters: Mapping[str, Parameter]) -> float:
        rate, leaves = parameters["rate"], parameters["leaves"]
        assert isinstance(rate, float)
        assert isinstance(leaves, int)
        return abs(rate - 0.1) + abs(leaves - 31) / 31

    def test_the_first_trial_is_the_start(self, searcher: Searcher) -> None:
        (trial,) = searcher.search(self.SPACE, self.error, 1, 0, self.START)
        assert trial.parameters == self.START
        assert trial.rmse == self.error(self.START)

    def test_every_trial_lies_in_the_space_and_has_its_error(self, searcher: Searcher) -> None:
        trials = searcher.search(self.SPACE, self.error, 12, 3, self.START)
        assert len(trials) == 12
        for trial in trials:
            assert trial.rmse == self.error(trial.parameters)
            assert trial.parameters["loss"] == "squared_error"
            for name, dimension in self.SPACE.items():
                value = trial.parameters[name]
                assert isinstance(value, int | float)
                assert dimension.holds(value), name
                assert isinstance(value, int) == dimension.whole, name

    def test_the_seed_determines_the_trials(self, searcher: Searcher) -> None:
        one, same, other = (
            searcher.search(self.SPACE, self.error, 9, seed, self.START) for seed in (1, 1, 2)
        )
        assert one == same
        assert one != other

    def test_a_start_beyond_the_space_is_tried_all_the_same(self, searcher: Searcher) -> None:
        start = {**self.START, "rate": 5.0}
        trials = searcher.search(self.SPACE, self.error, 4, 0, start)
        assert trials[0].parameters == start
        assert len(trials) == 4

    def test_a_search_finds_something_better(self, searcher: Searcher) -> None:
        trials = searcher.search(self.SPACE, self.error, 25, 7, self.START)
        assert best(trials).rmse < trials[0].rmse

    def test_a_search_without_trials_is_refused(self, searcher: Searcher) -> None:
        with pytest.raises(Misconfigured, match="budget: 0 trials; allowed: 1 or more"):
            searcher.search(self.SPACE, self.error, 0, 0, self.START)

    def test_an_error_of_a_trial_ends_the_search(self, searcher: Searcher) -> None:
        def failing(_: Mapping[str, Parameter]) -> float:
            raise Misconfigured("no such loss")

        with pytest.raises(Misconfigured, match="no such loss"):
            searcher.search(self.SPACE, failing, 3, 0, self.START)
