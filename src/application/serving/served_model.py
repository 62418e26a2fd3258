"""The model that a server predicts with: it follows a model reference.

event                                                state afterwards
---------------------------------------------------  -------------------------------------------
restore: the cache has the last good version         degraded, until the registry answers
refresh: the reference names the served version      ready
refresh: another version passes all checks           ready; the version is cached
refresh: a check fails, or the registry is down      degraded; without a model, as for restore

Without a model and without a good version in the cache, the server is not ready.
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
    """Outcome of a change, or a failed change, of the served model."""

    LOADED = "loaded"  # another version is served
    RESTORED = "restored"  # the last good version is served from the cache
    REJECTED = "rejected"  # a version failed a check
    FAILED = "failed"  # the registry could not be reached or gave no version


@dataclass(frozen=True, slots=True)
class ServingState:
    """The state at one moment.

    `problem` is the reason why no model, or perhaps an outdated one, is served; empty when ready.
    `cache_problem` is the reason why the cache does not hold the served version, or empty.
    `reloads` counts outcomes since the start of the process.
    """

    model: LoadedModel | None = None
    since: datetime | None = None
    problem: str = "the model is being loaded"
    cache_problem: str = ""
    reloads: Mapping[Reload, int] = field(default_factory=lambda: dict.fromkeys(Reload, 0))

    @property
    def degraded(self) -> bool:
        """Whether the reference may name another version than the served one."""
        return self.model is not None and bool(self.problem)


@dataclass(frozen=True, slots=True)
class _Rejected:
    version: ModelVersion
    reason: str
    retry_at: datetime


@dataclass
class ServedModel:
    """The model of one reference; thread-safe.

    A rejected version is loaded again after `retry_after`, or once the reference has named another
    version in between.
    """

    load: LoadModel
    ref: ModelRef
    cache: BundleCache
    clock: Callable[[], datetime]
    retry_after: timedelta = timedelta(minutes=1)
    _state: ServingState = field(default_factory=ServingState, init=False)
    _rejected: _Rejected | None = field(default=None, init=False)
    _changing: Lock = field(default_factory=Lock, init=False)

    @property
    def state(self) -> ServingState:
        """The current state; consistent, since every change replaces it as a whole."""
        return self._state

    @property
    def ready(self) -> bool:
        """Whether there is a model."""
        return self._state.model is not None

    def model(self) -> LoadedModel:
        """Return the model; a request calls this once.

        Raises:
            Unavailable: none is loaded yet; gives the reason.
        """
        state = self._state
        if state.model is None:
            raise Unavailable(f"not ready: {state.problem}")
        return state.model

    def restore(self) -> bool:
        """Serve the last good version from the cache; return whether there is a model."""
        with self._changing:
            self._restore("the registry has not answered yet")
        return self.ready

    def refresh(self) -> bool:
        """Serve the version that the reference names now; return whether there is a model."""
        with self._changing:
            try:
                self._follow(self.load.store.resolve(self.ref))
            except ArtefactRejected as error:
                self._fail(Reload.REJECTED, str(error))
            except ModelportError as error:
                self._fail(Reload.FAILED, str(error))
            except Exception as error:
                self._fail(Reload.FAILED, f"internal error, see the log: {type(error).__name__}")
                raise
        return self.ready

    def _follow(self, version: ModelVersion) -> None:
        model, rejected = self._state.model, self._rejected
        if model is not None and _same(model.version, version):
            self._rejected = None
            if model.version != version:  # its aliases have changed
                model = replace(model, version=version)
            self._state = replace(self._state, model=model, problem="")
        elif rejected and _same(rejected.version, version) and self.clock() < rejected.retry_at:
            self._state = replace(self._state, problem=rejected.reason)
        else:
            self._rejected = None
            self._change_to(version)

    def _change_to(self, version: ModelVersion) -> None:
        try:
            model, bundle = self._load(version)
        except ArtefactRejected as error:
            self._rejected = _Rejected(version, str(error), self.clock() + self.retry_after)
            raise
        self._serve(model, Reload.LOADED, problem="")
        try:
            self.cache.keep(self.ref, version, bundle)
            problem = ""
        except ModelportError as error:
            problem = str(error)
        self._state = replace(self._state, cache_problem=problem)

    def _load(self, version: ModelVersion) -> tuple[LoadedModel, Bundle]:
        try:
            bundle = self.cache.get(version.bundle_id)
            if bundle is not None:
                return self._checked(version, bundle), bundle
        except ModelportError:
            pass  # the cached bundle is unusable; the registry has the original
        bundle = self.load.store.load(version)
        return self._checked(version, bundle), bundle

    def _checked(self, version: ModelVersion, bundle: Bundle) -> LoadedModel:
        """Return a model that passed all checks and has predicted the schema's example row.

        Raises:
            ArtefactRejected: a check or the prediction failed.
        """
        try:
            model = self.load.opened(version, bundle)
            PredictOne(lambda: model, max_rows=1)([model.manifest.schema.example])
        except ArtefactRejected:
            raise
        except Exception as error:
            raise ArtefactRejected(
                f"{version.label}: it cannot predict: {type(error).__name__}: {error}"
            ) from error
        return model

    def _fail(self, outcome: Reload, problem: str) -> None:
        self._state = replace(self._state, problem=problem, reloads=self._counted(outcome))
        self._restore(problem)

    def _restore(self, problem: str) -> None:
        """Serve the last good version because of a problem, unless there is a model."""
        if self._state.model is not None:
            return
        try:
            version = self.cache.last_good(self.ref)
            bundle = None if version is None else self.cache.get(version.bundle_id)
            model = None if not (version and bundle) else self._checked(version, bundle)
        except ModelportError as error:
            problem = f"{problem}; the last good version cannot be served either: {error}"
            self._state = replace(self._state, problem=problem)
            return
        if model is not None:
            self._serve(model, Reload.RESTORED, problem)

    def _serve(self, model: LoadedModel, outcome: Reload, problem: str) -> None:
        """Serve a model from now on; requests in flight keep the previous one until they end."""
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
