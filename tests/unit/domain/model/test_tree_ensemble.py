from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ArtefactRejected
from domain.model.safetensors import write_tensors
from domain.model.tree_ensemble import TreeEnsemble

# Two trees: one asks x0 <= 1 and, left of it, x1 <= 5; the other is a single leaf.
SMALL = TreeEnsemble(
    width=2,
    leaves=np.array([3, 1], dtype=np.int32),
    columns=np.array([0, 1], dtype=np.int32),
    thresholds=np.array([1.0, 5.0]),
    missing_left=np.array([True, False]),
    splits=np.array([2, 1], dtype=np.int32),
    values=np.array([10.0, 20.0, 30.0, 0.5]),
)
CONTENT = SMALL.to_bytes()
WORDS = "model.safetensors cannot be read: these are no trees"


def arrays(trees: TreeEnsemble) -> dict[str, Any]:
    return {field.name: getattr(trees, field.name) for field in fields(trees)}


def same(one: TreeEnsemble, other: TreeEnsemble) -> bool:
    pairs = zip(arrays(one).values(), arrays(other).values(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def test_trees_come_back_as_they_were() -> None:
    again = TreeEnsemble.from_bytes(CONTENT, "model.safetensors")
    assert same(again, SMALL)
    assert again.to_bytes() == CONTENT


def test_the_thresholds_of_a_column_stand_in_order_and_once() -> None:
    trees = replace(
        SMALL,
        width=4,
        leaves=np.array([7, 1], dtype=np.int32),
        columns=np.array([2, 0, 2, 2, 0, 2], dtype=np.int32),
        thresholds=np.array([np.inf, 4.0, 0.0, -0.0, -np.inf, np.inf]),
        missing_left=np.zeros(6, dtype=np.bool_),
        splits=np.array([3, 1, 2, 6, 5, 4], dtype=np.int32),
        values=np.zeros(8),
    )
    assert [part.tolist() for part in trees.cuts()] == [[-np.inf, 4.0], [], [0.0, np.inf], []]


def ints(*values: int) -> Any:
    return np.array(values, dtype=np.int32)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"width": 0}, "width"),
        ({"width": -1}, "width"),
        ({"width": 2**31 - 1}, "width"),
        ({"leaves": ints()}, "the ensemble is empty"),
        ({"leaves": ints(3, 0)}, "leaves are not 1 to 256"),
        ({"leaves": ints(257, 1)}, "leaves are not 1 to 256"),
        ({"leaves": ints(256, *[1] * 70_000)}, "more than 16777216 nodes"),
        ({"leaves": ints(2, 2)}, "border"),
        ({"leaves": ints(4, 1)}, "inner nodes lack"),
        ({"columns": ints(0)}, "inner nodes lack"),
        ({"thresholds": np.zeros(3)}, "inner nodes lack"),
        ({"missing_left": np.zeros(1, dtype=np.bool_)}, "inner nodes lack"),
        ({"splits": ints(1, 2, 3)}, "inner nodes lack"),
        ({"values": np.zeros(3)}, "leaves lack"),
        ({"columns": ints(0, 2)}, "a column is not one of 2"),
        ({"columns": ints(-1, 0)}, "a column is not one of 2"),
        ({"thresholds": np.array([1.0, np.nan])}, "a threshold is not a number"),
        ({"values": np.array([1.0, 2.0, np.inf, 0.0])}, "not finite"),
        ({"values": np.array([1.0, 2.0, np.nan, 0.0])}, "not finite"),
        ({"splits": ints(1, 1)}, "border"),
        ({"splits": ints(0, 1)}, "border"),
        ({"splits": ints(2, 3)}, "border"),
        ({"splits": ints(-1, 2)}, "border"),
    ],
)
def test_trees_that_are_not_well_formed_are_rejected(
    changes: Mapping[str, Any], problem: str
) -> None:
    with pytest.raises(ArtefactRejected, match=problem):
        replace(SMALL, **changes)
    whole = {**arrays(SMALL), **changes}
    whole["width"] = ints(whole["width"])
    whole["missing_left"] = whole["missing_left"].astype(np.uint8)
    with pytest.raises(ArtefactRejected, match=f"{WORDS}.*{problem}"):
        TreeEnsemble.from_bytes(write_tensors(whole), "model.safetensors")


def test_more_thresholds_than_a_byte_can_rank_are_rejected() -> None:
    for count in (255, 256):
        wide = {
            "leaves": ints(*[2] * count),
            "columns": np.zeros(count, dtype=np.int32),
            "thresholds": np.arange(count, dtype=np.float64),
            "missing_left": np.zeros(count, dtype=np.bool_),
            "splits": np.ones(count, dtype=np.int32),
            "values": np.zeros(2 * count),
        }
        if count == 255:
            assert len(replace(SMALL, **wide).cuts()[0]) == count
        else:
            with pytest.raises(ArtefactRejected, match="256 thresholds"):
                replace(SMALL, **wide)


@pytest.mark.parametrize(
    "changes",
    [
        {"width": ints(2, 2)},
        {"width": ints()},
        {"missing_left": np.array([2, 0], dtype=np.uint8)},
    ],
)
def test_a_width_or_flag_that_is_none_is_rejected(changes: Mapping[str, Any]) -> None:
    whole = {**arrays(SMALL), "width": ints(2), "missing_left": np.ones(2, dtype=np.uint8)}
    with pytest.raises(ArtefactRejected, match="width or missing_left"):
        TreeEnsemble.from_bytes(write_tensors({**whole, **changes}), "model.safetensors")


@given(st.integers(0, len(CONTENT) - 1), st.integers(0, 255))
def test_a_changed_byte_gives_other_trees_or_is_rejected(place: int, value: int) -> None:
    changed = CONTENT[:place] + bytes([value]) + CONTENT[place + 1 :]
    try:
        trees = TreeEnsemble.from_bytes(changed, "model.safetensors")
    except ArtefactRejected:
        return
    assert (len(trees.leaves), len(trees.columns), len(trees.values)) == (2, 2, 4)
