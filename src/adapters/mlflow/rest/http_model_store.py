"""A model store in the registry of an MLflow server, without the mlflow package."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from threading import Lock
from typing import Any

from adapters.formats.manifest_file import read_manifest
from adapters.mlflow.rest.rest_client import MlflowServer, Refusal
from domain.errors import ArtefactRejected, Misconfigured, NotFound, TooLarge
from domain.model.bundle import Bundle
from domain.model.not_found import alias_moved, unknown_alias, unknown_model, unknown_version
from domain.model.reference import ModelRef, ModelVersion

# How `adapters.mlflow` lays a version out in the registry.
_BUNDLE = "modelport.bundle"
_CREATED = "modelport.created_at"
_DETAIL = "modelport.detail."
_FILES = "data/bundle"


class HttpStore:
    """A `ModelStore` for serving: reads what `adapters.mlflow` has saved, and moves aliases.

    It speaks the server's REST API and needs none of MLflow's libraries. It does not save: that
    takes MLflow's own client. MLflow cannot move an alias only if it points where it was expected
    to; threads that share a store take turns, but of two programs that move one within the same
    milliseconds the last wins and both succeed.

    A bundle of more than `most_bytes` is refused. See `MlflowServer` for the other arguments.
    """

    def __init__(
        self,
        tracking_uri: str,
        token: str | None = None,
        *,
        connect_seconds: float = 2.0,
        answer_seconds: float = 4.0,
        file_seconds: float = 60.0,
        most_bytes: int = 1 << 30,
    ) -> None:
        self._server = MlflowServer(
            tracking_uri, token, connect_seconds, answer_seconds, file_seconds
        )
        self._most_bytes = most_bytes
        self._moving = Lock()

    def names(self) -> list[str]:
        found: list[str] = []
        for page in self._server.pages("registered-models/search"):
            with self._server.understood():
                models = page.get("registered_models", [])
                found += [m["name"] for m in models if any(map(_is_ours, _latest(m)))]
        return sorted(found)

    def versions(self, name: str) -> list[ModelVersion]:
        ModelRef(name)
        found = self._versions(name, self._aliases(name))
        if not found:
            raise unknown_model(name, self.names())
        return found

    def resolve(self, ref: ModelRef) -> ModelVersion:
        if ref.alias is None:
            answer = self._server.get("model-versions/get", name=ref.name, version=str(ref.number))
        else:
            answer = self._server.get("registered-models/alias", name=ref.name, alias=ref.alias)
        if isinstance(answer, Refusal):
            raise self._unknown(ref)
        with self._server.understood():
            found = answer["model_version"]
            aliases = found.get("aliases", [])
            # MLflow takes `latest` for an alias that every model has.
            if ref.alias is None or ref.alias in aliases:
                return _version(found, aliases)
        raise self._unknown(ref)

    def save(
        self,
        name: str,
        bundle: Bundle,  # noqa: ARG002 - what the port hands over
        created_at: datetime,  # noqa: ARG002
        details: Mapping[str, str],  # noqa: ARG002
    ) -> ModelVersion:
        """Refuse: only MLflow's own client writes a model as MLflow wants it."""
        raise Misconfigured(
            f"{name}: the http model store registers nothing; "
            f"register with MODELPORT_MODEL_STORE=mlflow and the same MLFLOW_TRACKING_URI"
        )

    def load(self, version: ModelVersion) -> Bundle:
        registered = self.resolve(ModelRef(version.name, None, version.number))
        bundle = Bundle({Bundle.MANIFEST: self._file(registered, Bundle.MANIFEST, 0)})
        if bundle.id != registered.bundle_id:
            return bundle  # which says so when it is verified; what it lists is of no use
        files = dict(bundle.files)
        size = len(files[Bundle.MANIFEST])
        for name in read_manifest(files[Bundle.MANIFEST]).files:
            files[name] = self._file(registered, name, size)
            size += len(files[name])
        return Bundle(files)

    def annotate(self, version: ModelVersion, details: Mapping[str, str]) -> ModelVersion:
        ref = ModelRef(version.name, None, version.number)
        self.resolve(ref)
        for key, value in details.items():
            self._command(
                "model-versions/set-tag",
                f"{version.label} be given the tag {_DETAIL + key}",
                name=version.name,
                version=str(version.number),
                key=_DETAIL + key,
                value=value,
            )
        return self.resolve(ref)

    def set_alias(self, name: str, alias: str, to: int, expected: int | None) -> None:
        ModelRef(name, alias)
        with self._moving:
            self.resolve(ModelRef(name, None, to))
            actual = self._aliases(name).get(alias)
            if actual != expected:
                raise alias_moved(name, alias, actual, expected)
            self._command(
                "registered-models/alias",
                f"{name}@{alias} be moved",
                name=name,
                alias=alias,
                version=str(to),
            )

    def _command(self, path: str, what: str, **body: str) -> None:
        answer = self._server.post(path, **body)
        if isinstance(answer, Refusal):
            raise Misconfigured(
                f"{self._server.where}: the MLflow server does not let {what} ({answer.code})"
            )

    def _file(self, version: ModelVersion, name: str, so_far: int) -> bytes:
        path = f"{_FILES}/{name}"
        try:
            content = self._server.file(
                version.name, version.number, path, self._most_bytes - so_far
            )
        except TooLarge as error:
            raise ArtefactRejected(
                f"{version.label}: the bundle is larger than {self._most_bytes} bytes"
            ) from error
        if content is None:
            raise ArtefactRejected(f"{version.label}: the bundle is not whole: {path} is not there")
        return content

    def _unknown(self, ref: ModelRef) -> NotFound:
        aliases = self._aliases(ref.name)
        versions = self._versions(ref.name, aliases)
        if not versions:
            return unknown_model(ref.name, self.names())
        if ref.alias is None:
            return unknown_version(ref, [version.number for version in versions])
        return unknown_alias(ref, aliases)

    def _aliases(self, name: str) -> dict[str, int]:
        """Return where the aliases of a model point; none for an unknown model."""
        answer = self._server.get("registered-models/get", name=name)
        if isinstance(answer, Refusal):
            return {}
        with self._server.understood():
            aliases = answer["registered_model"].get("aliases", [])
            return {item["alias"]: int(item["version"]) for item in aliases}

    def _versions(self, name: str, aliases: Mapping[str, int]) -> list[ModelVersion]:
        """Return the versions that modelport has saved, oldest first; none for an unknown model."""
        found: list[ModelVersion] = []
        for page in self._server.pages("model-versions/search", filter=f"name = '{name}'"):
            with self._server.understood():
                for item in filter(_is_ours, page.get("model_versions", [])):
                    number = int(item["version"])
                    found.append(_version(item, [a for a, to in aliases.items() if to == number]))
        return sorted(found, key=lambda version: version.number)


def _latest(model: Mapping[str, Any]) -> Any:
    return model.get("latest_versions", [])


def _is_ours(item: Mapping[str, Any]) -> bool:
    return _BUNDLE in _tags(item)


def _tags(item: Mapping[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in item.get("tags", [])}


def _version(item: Mapping[str, Any], aliases: Sequence[str]) -> ModelVersion:
    tags, label = _tags(item), f"{item['name']}/{item['version']}"
    if _BUNDLE not in tags:
        raise ArtefactRejected(f"{label} was not saved by modelport: it has no tag {_BUNDLE!r}")
    try:
        created_at = datetime.fromisoformat(tags.get(_CREATED, ""))
    except ValueError as error:
        raise ArtefactRejected(f"{label}: the tag {_CREATED!r} is not a time") from error
    details = {k.removeprefix(_DETAIL): v for k, v in tags.items() if k.startswith(_DETAIL)}
    return ModelVersion(
        item["name"], int(item["version"]), tags[_BUNDLE], created_at, frozenset(aliases), details
    )
