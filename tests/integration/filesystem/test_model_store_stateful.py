"""After any sequence of operations the file store and the memory store give the same results."""

import tempfile
from collections.abc import Callable
from operator import methodcaller
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from adapters.filesystem.file_model_store import FileStore
from application.ports import ModelStore
from domain.errors import ModelportError
from domain.model.reference import ModelRef
from tests.fakes.model import MemoryStore
from tests.support.samples import CREATED, sample_bundle

NAMES = ("orchard", "vineyard")
BUNDLES = {(name, seed): sample_bundle(seed, name) for name in NAMES for seed in range(4)}

names = st.sampled_from(NAMES)
seeds = st.integers(0, 3)
aliases = st.sampled_from(("champion", "previous", "staging"))
numbers = st.integers(1, 5)


def outcome(ask: Callable[[ModelStore], object], store: ModelStore) -> object:
    try:
        return ask(store)
    except ModelportError as error:
        return type(error), str(error)


class Stores(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.memory = MemoryStore()
        self.file = FileStore(Path(self.folder.name))

    def teardown(self) -> None:
        self.folder.cleanup()

    def agree(self, ask: Callable[[ModelStore], object]) -> None:
        assert outcome(ask, self.file) == outcome(ask, self.memory)

    @rule(name=names, seed=seeds)
    def save(self, name: str, seed: int) -> None:
        details = {"seed": str(seed)}
        self.agree(lambda store: store.save(name, BUNDLES[name, seed], CREATED, details))

    @rule(name=names, alias=aliases, to=numbers, expected=st.none() | numbers)
    def set_alias(self, name: str, alias: str, to: int, expected: int | None) -> None:
        self.agree(lambda store: store.set_alias(name, alias, to, expected))

    @rule(name=names, alias=aliases, to=numbers)
    def move_alias(self, name: str, alias: str, to: int) -> None:
        def move(store: ModelStore) -> None:
            actual = outcome(lambda s: s.resolve(ModelRef(name, alias)).number, store)
            store.set_alias(name, alias, to, actual if isinstance(actual, int) else None)

        self.agree(move)

    @rule(name=names, alias=aliases)
    def resolve_alias(self, name: str, alias: str) -> None:
        self.agree(lambda store: store.resolve(ModelRef(name, alias)))

    @rule(name=names, number=numbers)
    def load_version(self, name: str, number: int) -> None:
        self.agree(lambda store: store.load(store.resolve(ModelRef(name, None, number))))

    @invariant()
    def the_same_models_and_versions(self) -> None:
        assert self.file.names() == self.memory.names()
        for name in NAMES:
            self.agree(methodcaller("versions", name))


TestStores = Stores.TestCase
TestStores.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
