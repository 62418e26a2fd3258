"""A small table, and model bundles made from it, for the contract suites of all adapters."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from application.model.load_model import GOLDEN
from domain.canonical_json import json_bytes
from domain.data.dataset import DatasetVersion
from domain.data.feature import Feature, Kind
from domain.data.profile import profile
from domain.data.schema import Ratio, Schema, Target
from domain.data.split import Split
from domain.data.table import Coded, Table
from domain.evaluation.metrics import measure
from domain.model import golden_rows as golden
from domain.model.bundle import Bundle
from domain.model.golden_rows import GoldenRows
from domain.model.manifest import CodeVersion, Manifest
from domain.training.specification import Estimator, TrainingSpec
from tests.fakes.data import digest
from tests.fakes.model import MemoryRuntime
from tests.fakes.training import MemoryLearner

NAME = "orchard"

SCHEMA = Schema(
    name=NAME,
    description="Trees of an orchard",
    target=Target("yield", "kg", "what was picked in a year"),
    features=(
        Feature("height", Kind.NUMBER, "m", low=0.5, high=12.0, example=4.5),
        Feature("age", Kind.INTEGER, "years", low=1.0, nullable=True, example=9),
        Feature("sort", Kind.CATEGORY, categories=("apple", "pear", "plüm"), example="pear"),
        Feature("watered", Kind.BOOLEAN, example=True),
    ),
    ratios=(Ratio("growth", "height", "age"),),
)

# In milliseconds, the precision of every store.
CREATED = datetime(2026, 3, 4, 5, 6, 7, 891_000, tzinfo=UTC)


def sample_table(rows: int = 60, seed: int = 0) -> Table:
    """Return rows that fit `SCHEMA`, with the target; some ages are missing."""
    random = np.random.default_rng(seed)
    height = random.uniform(0.5, 12.0, rows)
    age = random.integers(1, 40, rows).astype(np.float64)
    sort = random.integers(0, 3, rows).astype(np.int32)
    watered = random.integers(0, 2, rows).astype(bool)
    picked = 8 * height + 0.5 * age + 3 * sort + 10 * watered + random.normal(0, 2, rows)
    age[::9] = np.nan
    return Table.of(
        {
            "height": height,
            "age": age,
            "sort": Coded(sort, SCHEMA.features[2].categories),
            "watered": watered,
            "yield": picked,
        }
    )


def sample_data(seed: int = 0, *, md5: str | None = "0123456789abcdef" * 2) -> DatasetVersion:
    """Return the version of `sample_table`, with an MD5 as a file tracked by DVC has."""
    table = sample_table(seed=seed)
    return DatasetVersion(f"file:///data/orchard-{seed}.csv", digest(table), len(table), md5)


def sample_bundle(seed: int = 0, name: str = NAME) -> Bundle:
    """Return a bundle that `MemoryRuntime` loads; each seed gives another bundle.

    One of its files contains every byte value.
    """
    table, spec = sample_table(seed=seed), TrainingSpec(Estimator.LINEAR, {}, Split(seed=seed))
    matrix, target = SCHEMA.encode_table(table).matrix, SCHEMA.encode_target(table)[0]
    trained = MemoryLearner().fit(spec, SCHEMA, matrix, target)
    predictor = MemoryRuntime().load(SCHEMA, trained.files)
    answers, kept = predictor.predict(matrix), golden.choose(SCHEMA, matrix)
    manifest = Manifest(
        name=name,
        schema=SCHEMA,
        training=replace(spec, parameters=trained.parameters),
        metrics=measure(target, answers),
        data=sample_data(seed).identity,
        parity=0.0,
        code=CodeVersion(revision="0123abc", changed=False),
        libraries=trained.libraries,
    )
    files = {
        **trained.files,
        "estimator.skops": bytes(range(256)) + b"\r\n\r\n",
        GOLDEN: GoldenRows(kept, predictor.predict(kept)).to_bytes(),
        "profile.json": json_bytes(profile(SCHEMA, matrix, answers)),
    }
    return Bundle.seal(manifest, files)
