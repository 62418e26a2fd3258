"""What all tests share: the reference data, a small table, and how Hypothesis searches."""

import hashlib
import os
import re
import shutil
from collections import defaultdict
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit
from urllib.request import url2pathname, urlopen

import pytest
from hypothesis import is_hypothesis_test, settings

from domain.data.schema import Schema
from domain.data.table import Table
from tests.support.leaving_out import IN_CI, leave_out
from tests.support.samples import SCHEMA, sample_table

pytest_plugins = ["tests.support.started_processes"]

ROOT = Path(__file__).parents[1]
UNIT = ROOT / "tests" / "unit"
REFERENCE = ROOT / "data" / "raw" / "housing.csv"

settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if IN_CI else "dev")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave property tests unmeasured; let workers of pytest-xdist begin with what takes longest.

    Tracing hundreds of examples takes as long as they do. So the bound on coverage holds for what
    the other tests run; properties come on top.
    """
    for item in items:
        if is_hypothesis_test(getattr(item, "obj", None)):
            item.add_marker("no_cover")
    if "PYTEST_XDIST_WORKER" in os.environ:
        _longest_first(items)


def _longest_first(items: list[pytest.Item]) -> None:
    """Sort by the time that a file may take, as its marks tell: no long one is left for the end."""
    seconds: defaultdict[Path, float] = defaultdict(float)
    for item in items:
        limit = item.get_closest_marker("timeout")
        allowed = limit.args[0] if limit else 1 if item.get_closest_marker("slow") else 0
        seconds[item.path] = max(seconds[item.path], allowed)
    items.sort(key=lambda item: (-seconds[item.path], item.path.is_relative_to(UNIT)))


@pytest.fixture(scope="session")
def housing_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of the reference data, proven to be the file that the DVC pointer names.

    It is taken from `MODELPORT_DATA_URL`, or else from `data/raw`, where `modelport data fetch`
    puts it. Where it cannot be had a test is left out, but never in CI.
    """
    url = os.environ.get("MODELPORT_DATA_URL") or REFERENCE.as_uri()
    path = _fetched(url, tmp_path_factory.mktemp("data") / "housing.csv")
    pointer = REFERENCE.with_name("housing.csv.dvc").read_text()
    (expected,) = re.findall("md5: ([0-9a-f]{32})", pointer)
    found = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    assert found == expected, f"{url} is not the reference data: its MD5 is {found}"
    return path


def _fetched(url: str, target: Path) -> Path:
    parts = urlsplit(url)
    if parts.scheme == "file":
        path = Path(url2pathname(parts.path))
        return path if path.is_file() else _lacking(f"{path} is not there")
    try:
        with urlopen(url, timeout=60) as answer, target.open("wb") as file:
            shutil.copyfileobj(answer, file)
    except OSError as error:
        _lacking(f"{url}: {error}")
    return target


def _lacking(why: str) -> NoReturn:
    leave_out(f"needs the reference data, see MODELPORT_DATA_URL: {why}")


@pytest.fixture
def small_schema() -> Schema:
    """Return a schema with a feature of every kind, a nullable one and a ratio."""
    return SCHEMA


@pytest.fixture
def small_table() -> Table:
    """Return sixty rows that fit `small_schema`, with the target."""
    return sample_table()
