"""Fitted estimators as skops files: no pickle, and the same bytes for the same estimator.

skops numbers objects by their memory addresses and writes the time into entries, and the nodes of
trees have undefined padding bytes; `dump` replaces all three. The types that a file may construct
are a constant of this module.
"""

import io
import json
import zipfile
from copy import copy
from typing import Any

import numpy as np
import skops.io

from domain.errors import ArtefactRejected

_SCHEMA = "schema.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)

# The types that loading may construct, in addition to those that skops trusts by default.
TRUSTED_TYPES = (
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
)


def dump(estimator: Any) -> bytes:
    """Return a skops file of a fitted estimator."""
    return canonical(skops.io.dumps(_without_fitting_state(estimator)))


def load(content: bytes) -> Any:
    """Return the estimator of a skops file whose checksum was verified before.

    Raises:
        ArtefactRejected: it cannot be read or holds a type that is not trusted.
    """
    try:
        return skops.io.loads(content, trusted=list(TRUSTED_TYPES))
    except Exception as error:
        raise ArtefactRejected(f"the skops file cannot be loaded: {error}") from error


def _without_fitting_state(estimator: Any) -> Any:
    """Boosting keeps its scorer and predictions from fitting, which are not part of the model."""
    if not hasattr(estimator, "_scorer"):
        return estimator
    bare = copy(estimator)
    bare._scorer = None
    vars(bare).pop("_raw_predict", None)
    return bare


def canonical(content: bytes) -> bytes:
    """Return a skops file with objects numbered as they appear, in fixed order, without times."""
    with zipfile.ZipFile(io.BytesIO(content)) as source:
        schema = json.loads(source.read(_SCHEMA))
        names: dict[str, str] = {}
        _renumber(schema, {}, names)
        members = {new: _without_padding(new, source.read(old)) for old, new in names.items()}
    members[_SCHEMA] = json.dumps(schema, separators=(",", ":")).encode()
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(members):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, members[name])
    return target.getvalue()


def _without_padding(name: str, content: bytes) -> bytes:
    if not name.endswith(".npy"):
        return content
    array = np.load(io.BytesIO(content), allow_pickle=False)
    if array.dtype.names is None:
        return content
    clean = np.zeros(array.shape, array.dtype)
    for field in array.dtype.names:
        clean[field] = array[field]
    target = io.BytesIO()
    np.save(target, clean, allow_pickle=False)
    return target.getvalue()


def _renumber(node: Any, ids: dict[Any, int], names: dict[str, str]) -> None:
    if isinstance(node, list):
        for item in node:
            _renumber(item, ids, names)
    elif isinstance(node, dict):
        if isinstance(node.get("__id__"), int):
            node["__id__"] = ids.setdefault(_identity(node), len(ids) + 1)
        if isinstance(node.get("file"), str) and "__loader__" in node:
            suffix = node["file"].rpartition(".")[2]
            node["file"] = names.setdefault(node["file"], f"{len(names) + 1:06d}.{suffix}")
        for value in node.values():
            _renumber(value, ids, names)


def _identity(node: dict[str, Any]) -> Any:
    """Equal scalars are one object; other objects are identified by number."""
    if node.get("__loader__") == "JsonNode" and node.get("is_json"):
        return node["content"]
    return node["__id__"]
