"""The documentation page in a real browser that can reach nothing but this machine."""

import os
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import pytest

from tests.integration.program import Server
from tests.support.leaving_out import leave_out

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser() -> str:
    """Return the path of Chromium; where it cannot be had a test is left out, never in CI."""
    found = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if found is None:
        leave_out("needs Chromium: apt-get install chromium")
    return found


def page(browser: str, url: str, folder: Path, *options: str) -> str:
    """Return the page as the browser has it once its scripts have run."""
    done = subprocess.run(
        [
            browser,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            # Whoever asks for another host is told that there is none.
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            f"--user-data-dir={folder / 'profile'}",
            "--window-size=1280,2400",
            "--virtual-time-budget=20000",
            *options,
            "--dump-dom",
            url,
        ],
        capture_output=True,
        timeout=120,
        env={**os.environ, "HOME": str(folder)},
    )
    assert done.returncode == 0, done.stderr.decode()
    return unescape(done.stdout.decode())


def test_the_documentation_shows_the_prediction_with_its_units(
    browser: str, server: Server, tmp_path: Path
) -> None:
    shown = page(browser, f"{server.url}/docs#/prediction/predict", tmp_path)
    assert 'class="opblock opblock-post' in shown
    assert ">/predict<" in shown.replace("\u200b", "").replace("<wbr>", "")
    assert "Return one prediction per row" in shown
    for name, unit in (
        ("latitude", "degrees north"),
        ("median_income", "10,000 USD a year"),
        ("households", "households"),
    ):
        (row,) = re.findall(rf"<tr>\s*<td>{name}</td>.*?</tr>", shown, re.DOTALL)
        assert f"({unit})" in row
    assert "one of '<1H OCEAN', 'INLAND'" in shown
