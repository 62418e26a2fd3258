"""The snippets of the first pages run and print what is shown."""

from pathlib import Path

import pytest

from tests.integration.following import FOLLOWED, follow, name


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", FOLLOWED[0], ids=name)
def test_a_reader_can_follow_the_page(page: Path, tmp_path: Path, housing_csv: Path) -> None:
    assert follow(page, tmp_path / "modelport", housing_csv.as_uri()) > 0
