"""Samples of several processes, merged into one text."""

import json
from pathlib import Path

from entrypoints.http.middleware.prometheus_text import MetricsFolder, Sample, render

ENDED_PROCESS = 2**22 + 1  # Linux gives out process ids up to 2**22
MODEL = (("model", 'a"b\\/1'),)


def values(text: str) -> dict[str, float]:
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


def test_samples_are_added_and_the_age_is_the_maximum() -> None:
    samples = [Sample("modelport_rows_total", MODEL, rows) for rows in (2, 3)]
    samples += [Sample("modelport_model_age_seconds", MODEL, age) for age in (7.5, 5)]
    assert values(render(samples)) == {
        r'modelport_rows_total{model="a\"b\\/1"}': 5,
        r'modelport_model_age_seconds{model="a\"b\\/1"}': 7.5,
    }


def test_a_process_reads_the_samples_of_the_others_and_counters_of_ended_ones(
    tmp_path: Path,
) -> None:
    own, other = MetricsFolder(tmp_path), MetricsFolder(tmp_path)
    samples = [
        Sample("modelport_ready", (), 1),
        Sample("modelport_rows_total", MODEL, 2),
        Sample("modelport_request_seconds_count", (("route", "/predict"),), 1),
    ]
    own.publish(samples)
    assert [*own.others()] == []
    other.publish(samples)
    assert [*own.others()] == samples
    ended = json.dumps(samples)
    (tmp_path / f"{ENDED_PROCESS}-x.json").write_text(ended)
    assert sorted(own.others()) == sorted([*samples, *samples[1:]])
