import os
import re
import subprocess

import numpy as np
import pytest

from tests.benchmarks.__main__ import main, reproduction, size
from tests.benchmarks.environments import PEERS, requirements, versions
from tests.benchmarks.models import require_same
from tests.benchmarks.places import Unusable
from tests.benchmarks.processes import Memory, environment, parse_high_water, parse_rollup
from tests.benchmarks.stages import Clock

ROLLUP = """\
5581d0000-7ffe34e9f000 ---p 00000000 00:00 0                              [rollup]
Rss:              200000 kB
Pss:              150000 kB
Pss_Anon:         100000 kB
"""


def test_memory_is_read_in_megabytes() -> None:
    assert parse_rollup(ROLLUP) == Memory(pss=153.6, rss=204.8)
    assert parse_high_water("Name:\tx\nVmHWM:\t  200000 kB\nVmRSS:\t 1 kB\n") == 204.8
    assert parse_high_water("Name:\tkthreadd\n") == 0.0


def test_settings_of_others_do_not_reach_a_measured_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MODELPORT_MODEL", "housing/1")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    given = environment({"MODELPORT_HOME": "here"})
    assert given["MODELPORT_HOME"] == "here"
    assert not {"MODELPORT_MODEL", "MLFLOW_TRACKING_URI"} & set(given)
    assert given["PATH"] == os.environ["PATH"]


def test_answers_may_differ_by_rounding_only() -> None:
    right = np.array([200_000.0, 0.0])
    require_same(right, [200_000.1, 0.0], "a peer")
    with pytest.raises(Unusable, match="a peer answers 200001"):
        require_same(right, [200_001.0, 0.0], "a peer")
    with pytest.raises(Unusable, match="does not do the same work"):
        require_same(right, [float("nan"), 0.0], "a peer")
    with pytest.raises(Unusable, match=r"\(1,\) answers where \(2,\)"):
        require_same(right, [200_000.0], "a peer")


@pytest.mark.parametrize(("word", "rows"), [("100k", 100_000), ("1M", 1_000_000), ("7", 7)])
def test_sizes_have_units(word: str, rows: int) -> None:
    assert size(word) == rows


def test_the_command_to_repeat_names_no_place_of_this_machine() -> None:
    words = ["batch", "--data", "/here/h.csv", "--rows", "1M", "--output=/there"]
    assert reproduction(words) == "make bench ARGS='batch --rows 1M'"
    assert reproduction(["--data", "/here/h.csv"]) == "make bench"


def test_an_unknown_peer_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["online", "--only", "triton"])
    assert "modelport-main" in capsys.readouterr().err


def test_a_clock_adds_up_by_stage() -> None:
    clock = Clock()
    for _ in range(2):
        with clock("reading"):
            subprocess.run(["true"], check=True)
    assert [*clock.seconds] == ["reading"]
    assert clock.seconds["reading"] > 0


@pytest.mark.parametrize("peer", PEERS)
def test_peers_are_pinned_with_hashes_and_name_no_index(peer: str) -> None:
    text = re.sub(r"^ *#.*\n", "", requirements(peer).read_text(), flags=re.M)
    entries = re.split(r"\n(?=[a-zA-Z0-9])", text.strip())
    assert all(re.match(r"[\w.-]+(\[[\w,-]+\])?==", entry) for entry in entries)
    assert all("--hash=sha256:" in entry for entry in entries)
    assert not re.search(r"://|--(extra-)?index-url|--find-links|@ ", text)


@pytest.mark.parametrize("peer", PEERS)
def test_peers_use_our_scikit_learn(peer: str) -> None:
    lock = (requirements(peer).parents[2] / "requirements/dev.txt").read_text()
    pin = versions(peer, ("scikit-learn",))["scikit-learn"]
    assert f"\nscikit-learn=={pin} " in lock
