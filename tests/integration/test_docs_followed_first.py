"""The snippets of the first pages run and print what is shown."""

from pathlib import Path

import pytest

from tests.integration.following import FOLLOWED, StartingPoints, case_name, cases, follow


@pytest.fixture(scope="module")
def starting_points(tmp_path_factory: pytest.TempPathFactory, housing_csv: Path) -> StartingPoints:
    return StartingPoints(tmp_path_factory.mktemp("reader"), housing_csv.as_uri())


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("page", "variant"), cases(FOLLOWED[0]), ids=case_name)
def test_a_reader_can_follow_the_page(
    page: Path, variant: str | None, starting_points: StartingPoints
) -> None:
    folder = starting_points.folder(variant)
    assert follow(page, folder, starting_points.data_url, variant) > 0
