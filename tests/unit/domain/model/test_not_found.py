import pytest

from domain.errors import Conflict, NotFound
from domain.model.not_found import alias_moved, unknown_alias, unknown_model, unknown_version
from domain.model.reference import ModelRef


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (unknown_model("huosing", ["b", "a"]), "no model 'huosing'; there is a, b"),
        (unknown_model("housing", []), "no model 'housing'; there are no models yet"),
        (
            unknown_version(ModelRef("housing", None, 99), range(1, 8)),
            "housing has no version 99; the latest are 3, 4, 5, 6, 7",
        ),
        (
            unknown_version(ModelRef("housing", None, 1), []),
            "housing has no version 1; it has no versions",
        ),
        (
            unknown_alias(ModelRef("housing", "chmapion"), {"previous": 2, "champion": 3}),
            "housing has no alias 'chmapion'; it has champion (version 3), previous (version 2)",
        ),
        (
            unknown_alias(ModelRef("housing"), {}),
            "housing has no alias 'champion'; it has no aliases yet",
        ),
    ],
)
def test_a_reference_that_leads_nowhere_is_told_with_what_there_is(
    error: NotFound, words: str
) -> None:
    assert isinstance(error, NotFound)
    assert str(error) == words


def test_an_alias_that_moved_is_told_with_where_it_points() -> None:
    moved, gone = alias_moved("housing", "champion", 4, 3), alias_moved("housing", "a", None, 3)
    assert isinstance(moved, Conflict)
    assert "housing@champion points to version 4, not to version 3 as expected" in str(moved)
    assert "housing@a points to no version, not to version 3" in str(gone)
