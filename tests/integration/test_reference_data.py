"""The schema and the data card say what is true of the reference data."""

from hashlib import md5, sha256
from pathlib import Path

from adapters.arrow.reading.csv_source import CsvSource
from adapters.formats.schema_toml import read_schema
from application.data.labelled_rows import check_labelled

DATA = Path(__file__).parents[2] / "data"


def test_every_row_fits_the_schema(housing_csv: Path) -> None:
    check = check_labelled(CsvSource(housing_csv), read_schema(DATA / "housing.toml"))
    assert (check.rows, check.rejected) == (20_640, 0)


def test_the_data_card_names_the_file_by_its_checksums(housing_csv: Path) -> None:
    card, content = (DATA / "README.md").read_text(encoding="utf-8"), housing_csv.read_bytes()
    assert sha256(content).hexdigest() in card
    assert md5(content, usedforsecurity=False).hexdigest() in card


def test_the_data_card_describes_every_column() -> None:
    card, schema = (
        (DATA / "README.md").read_text(encoding="utf-8"),
        read_schema(DATA / "housing.toml"),
    )
    for feature in schema.features:
        assert f"`{feature.name}`" in card
        for category in feature.categories:
            assert f"`{category}`" in card
    assert f"`{schema.target.name}`" in card
