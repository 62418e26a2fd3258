"""Small notebooks for tests."""

import json
from pathlib import Path


def write_notebook(path: Path, *cells: tuple[str, str]) -> None:
    """Write a notebook of cells, each as (kind, source): "markdown" or "code"."""
    book = {
        "cells": [
            {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, "source": source}
            | ({"outputs": [], "execution_count": None} if kind == "code" else {})
            for number, (kind, source) in enumerate(cells)
        ],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(book))
