import pytest

from adapters.no_tracker import NoTracker
from application.ports import Tracker
from tests.integration.contracts.tracker import PARAMS
from tests.support.samples import sample_data


@pytest.fixture
def tracker() -> Tracker:
    return NoTracker()


def test_a_run_that_nobody_tracks_has_no_id_and_takes_everything(tracker: Tracker) -> None:
    with tracker.run("orchard", PARAMS, sample_data()) as run:
        run.log_metrics({"rmse": 2.0})
        run.log_artifact("manifest.json", b"{}")
        run.log_tags({"decision": "promoted"})
    assert run.id == ""


def test_an_error_comes_out_unchanged(tracker: Tracker) -> None:
    error = RuntimeError("the fit failed")
    with pytest.raises(RuntimeError) as raised, tracker.run("orchard", PARAMS, sample_data()):
        raise error
    assert raised.value is error
