import pytest

from application.training.training_progress import TrainingProgress
from entrypoints.cli import output


def test_a_stage_is_described_with_the_remaining_time() -> None:
    stage = TrainingProgress("calibrating intervals, 1 of 5 folds done", 0.25)
    assert output.describe_stage(stage, 40.0) == (
        "calibrating intervals, 1 of 5 folds done, about 0:02:00 left"
    )
    assert output.describe_stage(TrainingProgress("fitting on 48 rows"), 40.0) == (
        "fitting on 48 rows"
    )
    assert output.describe_stage(TrainingProgress("registering", 0.95), 1.0) == "registering"


def test_without_a_terminal_stages_are_lines_on_stderr_from_the_first_second_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    times = iter([0.0, 0.5, 1.2, 1.4, 41.4, 41.8, 81.4])
    with output.stages("training ridge", lambda: next(times)) as show:
        stages = {"at once": 0.0, "reading": 0.0, "fitting": 0.0, "a": 0.5, "b": 0.5, "c": 0.5}
        for stage, share in stages.items():
            show(TrainingProgress(stage, share))
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines() == [
        "training ridge",
        "training ridge: reading",
        "training ridge: fitting",
        "training ridge: a, about 0:00:40 left",
        "training ridge: c, about 0:01:20 left",
    ]
