"""What every tracker that keeps something must do.

A subclass provides the fixtures `tracker` and `recorded`, which reads back a run by its id.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import pytest

from application.ports import RunOrigin, Tracker
from domain.data.split import Split
from domain.features.feature_set import FeatureSet
from domain.training.specification import Estimator, TrainingSpec
from tests.support.samples import sample_data

PARAMS = TrainingSpec(Estimator.RIDGE, {"alpha": 0.5}, Split(seed=7), FeatureSet.PLAIN).to_mapping()

ORIGIN = RunOrigin("ada", "0123abc" * 5, "main")


@dataclass(frozen=True)
class Recorded:
    """A run as it was recorded: `params` as texts, those of a mapping by `outer.inner`.

    `origin` has what `RunOrigin.to_tags` names.
    """

    name: str
    status: str
    params: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]
    artifacts: dict[str, bytes]
    uri: str
    sha256: str
    md5: str | None
    title: str
    parent: str
    origin: Mapping[str, str]


ReadBack: TypeAlias = Callable[[str], Recorded]


def flat(params: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return nested parameters as texts by `outer.inner`."""
    texts: dict[str, str] = {}
    for name, value in params.items():
        inner = isinstance(value, Mapping)
        texts |= flat(value, f"{prefix}{name}.") if inner else {prefix + name: str(value)}
    return texts


def origin_of(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags that say who ran which code."""
    return {name: tags[name] for name in ORIGIN.to_tags() if name in tags}


class TrackerContract:
    def test_a_run_has_a_title_and_says_who_ran_which_code(
        self, tracker: Tracker, recorded: ReadBack
    ) -> None:
        with tracker.run("orchard", PARAMS, sample_data(), title="orchard ridge") as run:
            pass
        found = recorded(run.id)
        assert found.title == "orchard ridge"
        assert found.parent == ""
        assert found.origin == ORIGIN.to_tags()

    def test_a_run_may_be_part_of_another(self, tracker: Tracker, recorded: ReadBack) -> None:
        with tracker.run("orchard", PARAMS, sample_data(), title="whole") as whole:
            with tracker.run("orchard", {}, sample_data(), title="fold 1", parent=whole.id) as part:
                part.log_metrics({"rmse": 1.0})
            whole.log_metrics({"rmse": 2.0})
        inner, outer = recorded(part.id), recorded(whole.id)
        assert (inner.parent, inner.title, inner.metrics) == (whole.id, "fold 1", {"rmse": 1.0})
        assert (outer.parent, outer.title, outer.metrics) == ("", "whole", {"rmse": 2.0})

    def test_parameters_that_are_known_later_are_added_and_change_none(
        self, tracker: Tracker, recorded: ReadBack
    ) -> None:
        with tracker.run("orchard", PARAMS, sample_data()) as run:
            run.log_params({**PARAMS, "parameters": {"alpha": 0.5, "solver": "auto", "tol": None}})
            run.log_params({"seed": 8})
        found = recorded(run.id).params
        assert found["parameters.alpha"] == "0.5"
        assert found["parameters.solver"] == "auto"
        assert found["parameters.tol"] in ("null", "None")
        assert found["seed"] == "7"

    def test_a_run_that_ends_is_finished_and_keeps_all_that_was_logged(
        self, tracker: Tracker, recorded: ReadBack
    ) -> None:
        everything = bytes(range(256)) + b"\r\n"
        with tracker.run("orchard", PARAMS, sample_data()) as run:
            run.log_metrics({"rmse": 2.0123456789012345, "rows": 12})
            run.log_artifact("manifest.json", b'{"format": 1}\n')
            run.log_artifact("bytes.bin", everything)
            run.log_tags({"bundle": "ab" * 32, "decision": "RMSE 2 € is lower; promoted"})
        found = recorded(run.id)
        assert found.name == "orchard"
        assert found.status == "finished"
        assert found.metrics == {"rmse": 2.0123456789012345, "rows": 12.0}
        assert found.artifacts == {"manifest.json": b'{"format": 1}\n', "bytes.bin": everything}
        assert found.tags["bundle"] == "ab" * 32
        assert found.tags["decision"] == "RMSE 2 € is lower; promoted"

    def test_the_parameters_are_recorded_one_by_one(
        self, tracker: Tracker, recorded: ReadBack
    ) -> None:
        with tracker.run("orchard", PARAMS, sample_data()) as run:
            pass
        assert recorded(run.id).params == {
            "estimator": "ridge",
            "parameters.alpha": "0.5",
            "features": "plain",
            "holdout": "0.2",
            "validation": "0.0",
            "seed": "7",
        }

    @pytest.mark.parametrize("md5", ["0123456789abcdef" * 2, None])
    def test_the_data_is_recorded_exactly(
        self, tracker: Tracker, recorded: ReadBack, md5: str | None
    ) -> None:
        data = sample_data(md5=md5)
        with tracker.run("orchard", PARAMS, data) as run:
            pass
        found = recorded(run.id)
        assert found.sha256 == data.sha256
        assert found.md5 == md5
        assert found.uri == data.uri

    @pytest.mark.parametrize(
        ("error", "status"),
        [
            (RuntimeError("the fit failed"), "failed"),
            (SystemExit(1), "failed"),
            (KeyboardInterrupt(), "killed"),
        ],
    )
    def test_an_error_comes_out_unchanged_and_is_the_status_of_the_run(
        self, tracker: Tracker, recorded: ReadBack, error: BaseException, status: str
    ) -> None:
        ids = []

        def fail() -> None:
            with tracker.run("orchard", PARAMS, sample_data()) as run:
                ids.append(run.id)
                run.log_metrics({"rmse": 3.5})
                raise error

        with pytest.raises(type(error)) as raised:
            fail()
        assert raised.value is error
        found = recorded(ids[0])
        assert found.status == status
        assert found.metrics == {"rmse": 3.5}

    def test_what_is_logged_again_is_replaced(self, tracker: Tracker, recorded: ReadBack) -> None:
        with tracker.run("orchard", PARAMS, sample_data()) as run:
            for step in ("1", "2"):
                run.log_metrics({"rmse": float(step)})
                run.log_tags({"decision": step})
                run.log_artifact("notes.txt", step.encode())
        found = recorded(run.id)
        assert found.metrics == {"rmse": 2.0}
        assert found.tags["decision"] == "2"
        assert found.artifacts == {"notes.txt": b"2"}

    def test_two_runs_at_the_same_time_are_separate(
        self, tracker: Tracker, recorded: ReadBack
    ) -> None:
        with (
            tracker.run("orchard", PARAMS, sample_data()) as first,
            tracker.run("vineyard", PARAMS, sample_data(1)) as second,
        ):
            first.log_metrics({"rmse": 1.0})
            second.log_metrics({"rmse": 2.0})
        assert first.id
        assert first.id != second.id
        one, two = (recorded(run.id) for run in (first, second))
        assert (one.name, one.metrics, one.sha256) == (
            "orchard",
            {"rmse": 1.0},
            sample_data().sha256,
        )
        assert (two.name, two.metrics, two.sha256) == (
            "vineyard",
            {"rmse": 2.0},
            sample_data(1).sha256,
        )
