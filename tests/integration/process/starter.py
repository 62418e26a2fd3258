"""A program that has a store in another process: `python -m … FOLDER end|wait`."""

import sys
from functools import partial
from pathlib import Path

from adapters.process.process_model_store import ProcessStore
from tests.integration.process.stores import OddStore


def main(folder: str, how: str) -> None:
    """Print the id of the store's process, and end, or wait to be ended."""
    store = ProcessStore(partial(OddStore, Path(folder)))
    print(store.names()[0], flush=True)
    if how == "wait":
        store.versions("hang")


if __name__ == "__main__":
    main(*sys.argv[1:])
