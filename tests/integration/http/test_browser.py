"""The documentation page in a real browser that can reach nothing but this machine."""

import json
import os
import re
import subprocess
from html import unescape
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.integration.http.browsing import OPTIONS, chromium, tab
from tests.integration.http.conftest import ready
from tests.integration.http.proxy import behind_nginx
from tests.integration.program import Place, Server, serving

pytestmark = pytest.mark.slow


def page(url: str, folder: Path, *options: str) -> str:
    """Return the page as the browser has it once its scripts have run."""
    done = subprocess.run(
        [
            chromium(),
            *OPTIONS,
            f"--user-data-dir={folder / 'profile'}",
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
    server: Server, tmp_path: Path
) -> None:
    shown = page(f"{server.url}/docs#/prediction/predict", tmp_path)
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


@pytest.mark.parametrize("configured", ["by the proxy", "by the setting"])
def test_the_page_works_behind_a_proxy_that_removes_a_prefix(
    served: Place, tmp_path: Path, configured: str
) -> None:
    prefix = "/models/housing"
    settings, headers = {"MODELPORT_ROOT_PATH": prefix}, {}
    if configured == "by the proxy":
        settings, headers = (
            {},
            {
                "X_Forwarded_Prefix": prefix,
                "X_Forwarded_Host": "$http_host",
                "X_Forwarded_Proto": "$scheme",
            },
        )
    with (
        serving(served.having(**settings)) as server,
        behind_nginx(tmp_path, ready(server).url, prefix, **headers) as public,
        tab(tmp_path) as open_tab,
    ):
        open_tab.go(f"{public}/#/prediction/predict")
        open_tab.wait_for("document.querySelector('button.execute') !== null")
        assert open_tab.value("location.href") == f"{public}/docs#/prediction/predict"
        open_tab.value("document.querySelector('button.execute').click()")
        answer = open_tab.wait_for(
            "document.querySelector('.live-responses-table .response')?.innerText"
        )
        assert answer.startswith("200")
        assert '"predictions"' in answer
        asked = open_tab.value("document.querySelector('.request-url pre').innerText")
        assert asked == f"{public}/predict"
        with urlopen(f"{public}/openapi.json", timeout=30) as document:
            servers = [each["url"] for each in json.load(document)["servers"]]
        assert servers == ([prefix, public] if headers else [prefix])
