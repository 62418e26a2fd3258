"""A model store in the registry of an MLflow server, without the mlflow package."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from adapters.files.locks import locked
from adapters.formats.manifest_file import read_manifest
from adapters.mlflow.rest.rest_client import MlflowServer, Refusal
from adapters.mlflow.version_tags import BUNDLE, DETAIL, FILES, missing_file, version_of
from application.ports import ModelStore
from domain.errors import ArtefactRejected, Misconfigured, ModelportError, TooLarge
from domain.model.bundle import Bundle, verified_manifest
from domain.model.manifest import Manifest
from domain.model.not_found import alias_moved, unknown_alias, unknown_model, unknown_version
from domain.model.reference import ModelRef, ModelVersion


class HttpStore:
    """A `ModelStore` that reads versions and sets aliases over the REST API of an MLflow server.

    Only MLflow's client can save a version; `saver` does it, if it is given.

    MLflow cannot compare and set an alias in one step. Processes that share `lock_file`, and
    threads that share a store, take turns. If two others set the same alias within milliseconds,
    both succeed and the last one wins.

    A bundle of more than `most_bytes` is refused. See `MlflowServer` for `token` and
    `answer_seconds`.
    """

    def __init__(
        self,
        tracking_uri: str,
        token: str | None = None,
        *,
        lock_file: Path | None = None,
        saver: ModelStore | None = None,
        answer_seconds: float = 4.0,
        most_bytes: int = 1 << 30,
    ) -> None:
        self._server = MlflowServer(tracking_uri, token, answer_seconds)
        self._most_bytes = most_bytes
        self._saver = saver
        threads = Lock()
        self._writing: Callable[[], AbstractContextManager[object]] = (
            (lambda: threads) if lock_file is None else partial(locked, lock_file)
        )

    def names(self) -> list[str]:
        found: list[str] = []
        for page in self._server.pages("registered-models/search"):
            with self._server.understood():
                found += [
                    model["name"]
                    for model in page.get("registered_models", [])
                    if any(map(_is_ours, model.get("latest_versions", [])))
                ]
        return sorted(found)

    def versions(self, name: str) -> list[ModelVersion]:
        ModelRef(name)
        found = self._versions(name, self._aliases(name) or {})
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
            # For MLflow every model has an alias `latest`.
            if ref.alias is None or ref.alias in aliases:
                return _version(found, aliases)
        raise self._unknown(ref)

    def save(
        self, name: str, bundle: Bundle, created_at: datetime, details: Mapping[str, str]
    ) -> ModelVersion:
        """Register a bundle by `saver`.

        Raises:
            Misconfigured: there is no `saver`.
        """
        if self._saver is None:
            raise Misconfigured(
                f"{name}: the http model store registers nothing; "
                f"register with MODELPORT_MODEL_STORE=mlflow and the same MLFLOW_TRACKING_URI"
            )
        return self._saver.save(name, bundle, created_at, details)

    def manifest(self, version: ModelVersion) -> Manifest:
        return verified_manifest(self._manifest(version), version.bundle_id, read_manifest)

    def load(self, version: ModelVersion) -> Bundle:
        content = self._manifest(version)
        files, size = {Bundle.MANIFEST: content}, len(content)
        for name in verified_manifest(content, version.bundle_id, read_manifest).files:
            files[name] = self._file(version, name, size)
            size += len(files[name])
        return Bundle(files)

    def annotate(self, version: ModelVersion, details: Mapping[str, str]) -> ModelVersion:
        ref = ModelRef(version.name, None, version.number)
        for key, value in details.items():
            self._command(
                "model-versions/set-tag",
                ref,
                f"the tag {DETAIL + key} of {version.label}",
                name=version.name,
                version=str(version.number),
                key=DETAIL + key,
                value=value,
            )
        return self.resolve(ref)

    def set_alias(self, name: str, alias: str, to: int, expected: int | None) -> None:
        ModelRef(name, alias)
        ref = ModelRef(name, None, to)
        with self._writing():
            aliases = self._aliases(name)
            if aliases is None:
                raise self._unknown(ref)
            if aliases.get(alias) != expected:
                raise alias_moved(name, alias, aliases.get(alias), expected)
            self._command(
                "registered-models/alias",
                ref,
                f"the alias {name}@{alias}",
                name=name,
                alias=alias,
                version=str(to),
            )

    def _command(self, path: str, ref: ModelRef, what: str, **body: str) -> None:
        answer = self._server.post(path, **body)
        if not isinstance(answer, Refusal):
            return
        if answer.is_not_found:
            raise self._unknown(ref)
        raise Misconfigured(
            f"{self._server.where}: the MLflow server refuses to set {what} ({answer.code})"
        )

    def _manifest(self, version: ModelVersion) -> bytes:
        try:
            return self._file(version, Bundle.MANIFEST, 0)
        except ArtefactRejected:
            self.resolve(ModelRef(version.name, None, version.number))  # raises NotFound
            raise

    def _file(self, version: ModelVersion, name: str, bytes_before: int) -> bytes:
        path = f"{FILES}/{name}"
        try:
            content = self._server.file(
                version.name, version.number, path, self._most_bytes - bytes_before
            )
        except TooLarge as error:
            raise ArtefactRejected(
                f"{version.label}: the bundle is larger than {self._most_bytes} bytes"
            ) from error
        if content is None:
            raise missing_file(version, path)
        return content

    def _unknown(self, ref: ModelRef) -> ModelportError:
        """Return the error for a reference that the server does not know, with what exists."""
        aliases = self._aliases(ref.name)
        versions = [] if aliases is None else self._versions(ref.name, aliases)
        if aliases is None or not versions:
            return unknown_model(ref.name, self.names())
        if ref.alias is None:
            return unknown_version(ref, [version.number for version in versions])
        return unknown_alias(ref, aliases)

    def _aliases(self, name: str) -> dict[str, int] | None:
        """Return the version numbers of a model's aliases; None for an unknown model."""
        answer = self._server.get("registered-models/get", name=name)
        if isinstance(answer, Refusal):
            return None
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


def _is_ours(item: Mapping[str, Any]) -> bool:
    return BUNDLE in _tags(item)


def _tags(item: Mapping[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in item.get("tags", [])}


def _version(item: Mapping[str, Any], aliases: Sequence[str]) -> ModelVersion:
    return version_of(item["name"], int(item["version"]), _tags(item), aliases)
