import re
from pathlib import Path

import pytest

from adapters.formats.schema_toml import read_schema
from domain.data.feature import Feature, Kind
from domain.data.schema import Ratio, Schema, Target
from domain.errors import Misconfigured

GOOD = """\
name = "orchard"
target = { name = "yield", unit = "kg" }

[[features]]
name = "height"
kind = "number"
unit = "m"
range = [0.5, inf]

[[features]]
name = "age"
kind = "integer"
nullable = true
description = "Jahre — years"

[[derived]]
name = "growth"
ratio = ["height", "age"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "orchard.toml"


def test_a_schema_file_becomes_a_schema(file: Path) -> None:
    file.write_text(GOOD, "utf-8")
    assert read_schema(file) == Schema(
        name="orchard",
        target=Target("yield", "kg"),
        features=(
            Feature("height", Kind.NUMBER, "m", low=0.5),
            Feature("age", Kind.INTEGER, nullable=True, description="Jahre — years"),
        ),
        ratios=(Ratio("growth", "height", "age"),),
    )


def test_line_ends_of_windows_make_no_difference(file: Path) -> None:
    file.write_text(GOOD, "utf-8")
    schema = read_schema(file)
    file.write_bytes(GOOD.replace("\n", "\r\n").encode())
    assert read_schema(file) == schema


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\xef\xbb\xbf" + GOOD.encode(), "line 1 starts with a byte order mark"),
        (GOOD.replace("—", "\x96").encode("latin-1"), "line 14 is not UTF-8: byte 0x96"),
        (GOOD.encode("utf-16"), "line 1 is not UTF-8"),
        (b'name = "orchard"\nname\n', r"not TOML: .*line 2"),
        (b'name = "orchard"\nname = "twice"\n', r"not TOML: .*line 2"),
        (b"name = " + b"9" * 5000, "not TOML"),
        (b"name = " + b"[" * 100_000, "not TOML"),
        (b"", "name: is missing"),
        (GOOD.replace('"number"', '"float"').encode(), "'float' is not one of"),
        (GOOD.replace("unit", "units").encode(), "unknown key 'units'"),
        (GOOD.replace("[0.5, inf]", "[2, 1]").encode(), "`range` is not from a lower to a higher"),
        (
            GOOD.replace("inf", "1" + "0" * 400).encode(),
            r"height\.range\.2: is beyond the largest number",
        ),
        (GOOD.replace('"age"]', '"girth"]').encode(), "girth must be a feature"),
    ],
)
def test_a_file_that_is_no_schema_is_refused_by_its_path(
    file: Path, content: bytes, problem: str
) -> None:
    file.write_bytes(content)
    with pytest.raises(Misconfigured, match=problem) as refused:
        read_schema(file)
    assert str(refused.value).count(str(file)) == 1


def test_a_file_that_is_not_there_is_named(file: Path) -> None:
    with pytest.raises(Misconfigured, match=re.escape(f"{file}: No such file")):
        read_schema(file)


def test_a_folder_is_no_schema_file(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=re.escape(f"{tmp_path}: Is a directory")):
        read_schema(tmp_path)
