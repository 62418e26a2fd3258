"""A CSV file with the quirks of many programs."""

from pathlib import Path

import pytest

from adapters.arrow.reading.csv_source import CsvSource
from domain.data.feature import Kind
from domain.errors import UnreadableData
from tests.integration.contracts.data_source import read_all

JUNK = 1_000
ROWS = 60


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("rows_per_chunk", [7, 1_000])
def test_needed_columns_among_a_thousand_of_junk(
    tmp_path: Path, end: str, bom: bytes, rows_per_chunk: int
) -> None:
    junk = [f'"line {end} break, and ""quote"""', "", "1e999", "NaN", "x" * 50] * (JUNK // 5)
    header = [f"junk {place}" for place in range(JUNK)]
    header[JUNK // 2] = "needed"
    lines = [",".join(header)]
    for row in range(ROWS):
        junk[JUNK // 2] = f'"{row}.5"' if row % 2 else f"{row}.5"
        lines.append(",".join(junk))
    path = tmp_path / "junk.csv"
    path.write_bytes(bom + end.join(lines).encode() + end.encode())
    source = CsvSource(path)
    assert source.version.rows == ROWS
    found = read_all(source, {"needed": Kind.NUMBER, "junk 0": None}, rows_per_chunk)
    assert found["needed"] == [row + 0.5 for row in range(ROWS)]
    assert found["junk 0"] == [f'line {end} break, and "quote"'] * ROWS


def test_a_huge_cell_beside_the_needed_one(tmp_path: Path) -> None:
    path = tmp_path / "huge.csv"
    huge = "a,b\n" * 3_000_000
    path.write_text(f'text,needed\nshort,1\n"{huge}",2\nshort,3\n')
    found = read_all(CsvSource(path), {"needed": Kind.INTEGER}, 2)
    assert found == {"needed": [1, 2, 3]}


def test_latin_1_is_refused_with_its_line_number(tmp_path: Path) -> None:
    path = tmp_path / "latin.csv"
    path.write_bytes('a,b\r\n"two\r\nlines",1\r\nZürich,2\r\n'.encode("latin-1"))
    with pytest.raises(UnreadableData, match=r"line 4: not UTF-8: byte 0xFC"):
        _ = CsvSource(path).version
