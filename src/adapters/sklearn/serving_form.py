"""The files that a fitted estimator is served from."""

from typing import Any

from adapters.sklearn.onnx_export import export
from adapters.sklearn.tree_export import trees_of
from domain.model.bundle import GRAPH, TREES


def serving_form(estimator: Any, width: int) -> dict[str, bytes]:
    """Return the files of a numeric model: its graph, and its trees where it has some.

    Raises:
        Misconfigured: a hyper-parameter made it a model of a form that is not exported.
    """
    files = {GRAPH: export(estimator, width)}
    trees = trees_of(estimator, width)
    if trees is not None:
        files[TREES] = trees.to_bytes()
    return files
