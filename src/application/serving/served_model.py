"""The model that a server answers with: it follows a reference, and outlives the store.

At each refresh the store is asked which version the reference means now. Another one than is being
served is fetched (from the cache if it is there), has to pass every check and to answer a real
request, and only then takes over. Whatever goes wrong, the last version that was good goes on
answering, also over a restart: it is kept in the cache. A server that starts takes it from there
at once, before the store has said anything. In all these cases the server is degraded, says why,
and heals by itself at the first refresh at which nothing is wrong.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from threading import Lock

from application.model.load_model import LoadedModel, LoadModel
from application.ports import BundleCache
from application.scoring.predict_one import PredictOne
from domain.errors import ArtefactRejected, ModelportError, Unavailable
from domain.model.bundle import Bundle
from domain.model.reference import ModelRef, ModelVersion


class Reload(StrEnum):
    """What came of a refresh that had something to do."""

    LOADED = "loaded"  # another version took over
    RECALLED = "recalled"  # the last good version was taken from the cache
    REJECTED = "rejected"  # a version failed a check
    FAILED = "failed"  # the store could not say or give which version to serve


@dataclass(frozen=True, slots=True)
class ServingState:
    """One moment: the model that answers, since when, and what is wrong.

    `problem` is empty when all is well, `unkept` when the cache holds what is being served.
    `reloads` counts since the start.
    """

    model: LoadedModel | None = None
    since: datetime | None = None
    problem: str = "the model is being loaded"
    unkept: str = ""
    reloads: Mapping[Reload, int] = field(default_factory=lambda: dict.fromkeys(Reload, 0))

    @property
    def degraded(self) -> bool:
        """Whether another version may answer than the reference means by now."""
        return self.model is not None and bool(self.problem)


_UNASKED = "the registry has not answered yet"


@dataclass(frozen=True, slots=True)
class _Rejected:
    version: ModelVersion
    why: str
    until: datetime


@dataclass
class ServedModel:
    """Holds the model of one reference. Safe to use from several threads.

    A server is ready once a model has passed every check; until then `problem` says why not. A
    version that was rejected is tried again after `patience`, or when the reference has meant
    another one meanwhile.
    """

    load: LoadModel
    ref: ModelRef
    cache: BundleCache
    clock: Callable[[], datetime]
    patience: timedelta = timedelta(minutes=1)
    _state: ServingState = field(default_factory=ServingState, init=False)
    _rejected: _Rejected | None = field(default=None, init=False)
    _refreshing: Lock = field(default_factory=Lock, init=False)

    @property
    def state(self) -> ServingState:
        """All of one moment; the single properties may be of different ones."""
        return self._state

    @property
    def ready(self) -> bool:
        """Whether there is a model to answer with."""
        return self._state.model is not None

    @property
    def problem(self) -> str:
        """Why there is no model, or not the one that the reference means; empty if all is well."""
        return self._state.problem

    def model(self) -> LoadedModel:
        """Return the model to answer with: to be taken once for each request.

        Raises:
            Unavailable: there is none yet; says why.
        """
        state = self._state
        if state.model is None:
            raise Unavailable(f"not ready: {state.problem}")
        return state.model

    def recall(self) -> bool:
        """Let the last good version answer until the store has said which one it is to be."""
        with self._refreshing:
            self._recall(_UNASKED)
        return self.ready

    def refresh(self) -> bool:
        """Catch up with the reference, and tell whether there is a model to answer with."""
        with self._refreshing:
            try:
                self._follow(self.load.store.resolve(self.ref))
            except ArtefactRejected as error:
                self._fall_back(Reload.REJECTED, str(error))
            except ModelportError as error:
                self._fall_back(Reload.FAILED, str(error))
            except Exception as error:
                fault = f"a fault of the program, see the log: {type(error).__name__}"
                self._fall_back(Reload.FAILED, fault)
                raise
        return self.ready

    def _follow(self, version: ModelVersion) -> None:
        model, rejected = self._state.model, self._rejected
        if model is not None and _same(model.version, version):
            self._rejected = None
            if model.version != version:  # its aliases may have changed
                model = replace(model, version=version)
            self._state = replace(self._state, model=model, problem="")
        elif rejected is not None and self._is_waiting(rejected, version):
            self._state = replace(self._state, problem=rejected.why)
        else:
            self._change_to(version)

    def _is_waiting(self, rejected: _Rejected, version: ModelVersion) -> bool:
        return _same(rejected.version, version) and self.clock() < rejected.until

    def _change_to(self, version: ModelVersion) -> None:
        self._rejected = None
        try:
            model, bundle = self._obtain(version)
        except ArtefactRejected as error:
            self._rejected = _Rejected(version, str(error), self.clock() + self.patience)
            raise
        self._take(model, Reload.LOADED, "")
        self._keep(version, bundle)

    def _obtain(self, version: ModelVersion) -> tuple[LoadedModel, Bundle]:
        try:
            bundle = self.cache.get(version.bundle_id)
            if bundle is not None:
                return self._checked(version, bundle), bundle
        except ModelportError:
            pass  # what the cache cannot give the store has
        bundle = self.load.store.load(version)
        return self._checked(version, bundle), bundle

    def _checked(self, version: ModelVersion, bundle: Bundle) -> LoadedModel:
        """Return a model that passed every check and has answered a request as callers send it.

        Raises:
            ArtefactRejected: it did not, in whatever way.
        """
        try:
            model = self.load.opened(version, bundle)
            PredictOne(lambda: model, max_rows=1)([model.manifest.schema.example])
        except ArtefactRejected:
            raise
        except Exception as error:
            raise ArtefactRejected(
                f"{version.label}: it cannot be asked: {type(error).__name__}: {error}"
            ) from error
        return model

    def _keep(self, version: ModelVersion, bundle: Bundle) -> None:
        try:
            self.cache.keep(self.ref, version, bundle)
            unkept = ""
        except ModelportError as error:
            unkept = str(error)
        self._state = replace(self._state, unkept=unkept)

    def _fall_back(self, outcome: Reload, why: str) -> None:
        self._state = replace(self._state, problem=why, reloads=self._counted(outcome))
        self._recall(why)

    def _recall(self, why: str) -> None:
        """Take the last good version from the cache, unless there is a model."""
        if self._state.model is not None:
            return
        try:
            model = self._recalled()
        except ModelportError as error:
            problem = f"{why}; the last good version cannot be served either: {error}"
            self._state = replace(self._state, problem=problem)
            return
        if model is not None:
            self._take(model, Reload.RECALLED, why)

    def _recalled(self) -> LoadedModel | None:
        version = self.cache.recall(self.ref)
        bundle = None if version is None else self.cache.get(version.bundle_id)
        if version is None or bundle is None:
            return None
        return self._checked(version, bundle)

    def _take(self, model: LoadedModel, outcome: Reload, problem: str) -> None:
        """Let a model answer from now on; the one before is dropped with its last request."""
        self._state = replace(
            self._state,
            model=model,
            since=self.clock(),
            problem=problem,
            reloads=self._counted(outcome),
        )

    def _counted(self, outcome: Reload) -> Mapping[Reload, int]:
        reloads = self._state.reloads
        return {**reloads, outcome: reloads[outcome] + 1}


def _same(one: ModelVersion, other: ModelVersion) -> bool:
    return (one.label, one.bundle_id) == (other.label, other.bundle_id)
