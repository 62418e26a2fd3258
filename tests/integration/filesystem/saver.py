"""A process that saves models without end: `python -m … ROOT FIRST_SEED HOW_MANY`.

It prints a line for each version once that is registered and champion.
"""

import sys
from pathlib import Path

from adapters.filesystem.file_model_store import FileStore
from domain.errors import Conflict, NotFound
from domain.model.reference import ModelRef
from tests.support.samples import CREATED, NAME, sample_bundle


def main(root: Path, first: int, count: int) -> None:
    store = FileStore(root)
    for seed in range(first, first + count):
        version = store.save(NAME, sample_bundle(seed), CREATED, {"seed": str(seed)})
        try:
            champion: int | None = store.resolve(ModelRef(NAME)).number
        except NotFound:
            champion = None
        try:
            store.set_alias(NAME, "champion", version.number, champion)
        except Conflict as conflict:
            print(f"{version.number} conflict: {conflict}", flush=True)
        else:
            print(version.number, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
