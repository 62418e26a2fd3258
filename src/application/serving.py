"""The model that a server answers with, and whether it may answer at all."""

from dataclasses import dataclass, field
from threading import Lock

from application.loading import LoadedModel, LoadModel
from domain.errors import ModelportError, Unavailable
from domain.model import ModelRef


@dataclass
class Serving:
    """Holds the loaded model of one reference.

    A server is ready once a model has passed every check; until then `problem` says why not.
    """

    load: LoadModel
    ref: ModelRef
    problem: str = field(default="the model is being loaded", init=False)
    _model: LoadedModel | None = field(default=None, init=False)
    _loading: Lock = field(default_factory=Lock, init=False)

    @property
    def ready(self) -> bool:
        """Whether there is a model to answer with."""
        return self._model is not None

    def model(self) -> LoadedModel:
        """Return the model to answer with.

        Raises:
            Unavailable: there is none yet; says why.
        """
        if self._model is None:
            raise Unavailable(f"not ready: {self.problem}")
        return self._model

    def refresh(self) -> bool:
        """Try to load the model if there is none yet, and tell whether there is one now."""
        with self._loading:
            if self._model is None:
                try:
                    self._model = self.load(self.ref)
                except ModelportError as error:
                    self.problem = str(error)
        return self.ready
