"""Samples of several processes, merged into one page."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families as families

from entrypoints.http.middleware.exposition import (
    METRICS,
    MetricsFolder,
    Sample,
    exposition,
    process_samples,
)
from entrypoints.http.middleware.request_context import RequestContext
from entrypoints.http.middleware.request_metrics import ModelCallMetrics, RequestMetrics
from entrypoints.http.route_table import route_of

ENDED_PROCESS = 2**22 + 1  # Linux gives out process ids up to 2**22
MODEL = (("model", 'a"b\\/1'),)
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def values(page: bytes) -> dict[tuple[str, str], float]:
    """Return values by name and first label."""
    return {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in families(page.decode())
        for sample in family.samples
    }


def samples() -> list[Sample]:
    """Return samples of every metric that counts requests or describes the process."""
    requests, calls = RequestMetrics(), ModelCallMetrics()
    context = RequestContext(route_of("/predict"), b"id")
    context.status, context.rows, context.model = 200, 2, 'a"b\\/1'
    for seconds in (0.00009, 0.0002, 0.3, 20.0):
        requests.record(context, seconds)
    requests.refuse("invalid_http")
    calls.record("a/1", 5, 100.0, [99.9999, 99.0])
    return [*requests.samples(), *calls.samples(), *process_samples()]


def test_samples_are_added_and_the_age_is_the_maximum() -> None:
    given = [Sample("modelport_rows_total", MODEL, rows) for rows in (2, 3)]
    given += [Sample("modelport_model_age_seconds", MODEL, age) for age in (7.5, 5)]
    given += [Sample("process_start_time_seconds", (), start) for start in (7, 9)]
    page, content_type = exposition(given)
    assert values(page) == {
        ("modelport_rows_total", 'a"b\\/1'): 5,
        ("modelport_model_age_seconds", 'a"b\\/1'): 7.5,
        ("process_start_time_seconds", ""): 9,
    }
    assert content_type.startswith("text/plain; version=0.0.4")


def test_times_are_counted_from_a_tenth_of_a_millisecond_on() -> None:
    buckets = {
        sample.labels[-1][1]: sample.value
        for sample in samples()
        if sample.name == "modelport_request_seconds_bucket"
    }
    assert (buckets["0.0001"], buckets["0.00025"], buckets["10.0"], buckets["+Inf"]) == (1, 2, 3, 4)
    queue = [sample.value for sample in samples() if sample.name == "modelport_queue_seconds_sum"]
    assert queue == [pytest.approx(1.0001)]


def test_a_scraper_that_asks_for_openmetrics_gets_it() -> None:
    page, content_type = exposition(samples(), OPENMETRICS)
    assert content_type.startswith("application/openmetrics-text")
    found = {family.name: family for family in open_families(page.decode())}  # type: ignore[no-untyped-call] # its own
    assert found["modelport_refusals"].samples[0].labels == {"reason": "invalid_http"}
    assert found["process_resident_memory_bytes"].samples[0].value > 1e6
    assert {*found} == {name.removesuffix("_total") for name in METRICS}


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_promtool_finds_no_fault() -> None:
    page, _ = exposition(samples())
    checked = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True)
    assert (checked.stdout + checked.stderr, checked.returncode) == (b"", 0)


def test_a_process_reads_the_samples_of_the_others_and_counters_of_ended_ones(
    tmp_path: Path,
) -> None:
    own, other = MetricsFolder(tmp_path), MetricsFolder(tmp_path)
    given = [
        Sample("modelport_ready", (), 1),
        Sample("modelport_rows_total", MODEL, 2),
        Sample("modelport_request_seconds_count", (("route", "/predict"),), 1),
    ]
    own.publish(given)
    assert [*own.others()] == []
    other.publish(given)
    assert [*own.others()] == given
    ended = json.dumps(given)
    (tmp_path / f"{ENDED_PROCESS}-x.json").write_text(ended)
    assert sorted(own.others()) == sorted([*given, *given[1:]])
