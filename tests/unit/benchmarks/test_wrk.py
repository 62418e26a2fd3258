import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks.places import Unusable
from tests.benchmarks.wrk import Load, Requests, changed_numbers, parse, quoted

OUTPUT = """\
Running 5s test @ http://127.0.0.1:8000
  1 threads and 32 connections
  Latency Distribution
     50%  640.00us
Requests/sec:  40751.00

FIGURES {"requests": 203755, "seconds": 5.000000, "p50": 640.0, "p99": 1210.5, "failed": 0}
"""


def test_figures_are_read_from_what_the_script_prints() -> None:
    load = parse(OUTPUT)
    assert load == Load(requests=203755, seconds=5.0, p50=640.0, p99=1210.5)
    assert load.rate == 40751.0


def test_one_failed_request_makes_a_measurement_worthless() -> None:
    with pytest.raises(Unusable, match="1 of 203755 requests failed or were wrong"):
        parse(OUTPUT.replace('"failed": 0', '"failed": 1'))


def test_no_requests_are_no_measurement() -> None:
    with pytest.raises(Unusable, match="0 of 0 requests"):
        parse(OUTPUT.replace("203755", "0"))


def test_output_without_figures_is_shown() -> None:
    with pytest.raises(Unusable, match="no figures:\nunable to connect"):
        parse("unable to connect to 127.0.0.1:8000")


@given(st.binary())
def test_a_lua_literal_stands_for_the_same_bytes(text: bytes) -> None:
    literal = quoted(text)
    assert literal[:1] == literal[-1:] == b'"'
    assert b'"' not in literal[1:-1]
    assert re.sub(rb"\\(\d{3})", lambda m: bytes([int(m[1])]), literal[1:-1]) == text


def test_requests_are_written_as_a_lua_table() -> None:
    requests = Requests("/predict", {"Content-Type": "text/csv"}, [b"a\n1", b"b"], [b"2", b"2"])
    assert requests.to_lua().decode() == (
        "return {\n"
        'path = "/predict",\n'
        'headers = {["Content-Type"] = "text/csv"},\n'
        'bodies = {"a\\0101",\n"b"},\n'
        'answers = {"2"},\n'
        "}\n"
    )


def test_marked_texts_change_in_every_request() -> None:
    plain, marked = [b'{"x": -122.23}'], [b'{"x": -122.230000987654}']
    requests = Requests.fresh("/predict", {}, plain, marked)
    assert requests.offsets == [[]]
    assert b'mark = "0000987654",\noffsets = {{}},' in requests.to_lua()


def test_the_lowest_bytes_of_marked_numbers_change_in_every_request() -> None:
    values = np.array([-122.23, 37.88, -121.5, 34.0])
    marked = values + np.array([9.87654e-7, 0, 9.87654e-7, 0])
    assert changed_numbers(b"{}" + values.tobytes(), b"{}" + marked.tobytes()) == [2, 18]
    requests = Requests.fresh("/infer", {}, [values.tobytes()], [marked.tobytes()])
    assert requests.offsets == [[0, 16]]
    assert b"offsets = {{0,16}}," in requests.to_lua()


def test_bodies_without_a_longitude_are_not_measured() -> None:
    with pytest.raises(Unusable, match="no longitude"):
        changed_numbers(b"same", b"same")
