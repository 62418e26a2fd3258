import pytest

from adapters.optuna.optuna_searcher import OptunaSearcher
from application.ports import Searcher
from tests.integration.contracts.searcher import SearcherContract


class TestOptunaSearcher(SearcherContract):
    @pytest.fixture
    def searcher(self) -> Searcher:
        return OptunaSearcher()

    def test_it_learns_from_its_trials(self, searcher: Searcher) -> None:
        trials = searcher.search(self.SPACE, self.error, 60, 0, self.START)
        scores = [trial.rmse for trial in trials]
        assert sum(scores[-20:]) < sum(scores[:20])
