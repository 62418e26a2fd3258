"""A model store in MLflow's model registry, with MLflow's client."""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from adapters.formats.manifest_file import read_manifest
from adapters.mlflow.mlflow_connection import MlflowConnection, pages
from adapters.mlflow.moved_home import relocated
from adapters.mlflow.pyfunc_package import describe, write_model
from adapters.mlflow.version_tags import BUNDLE, DETAIL, FILES, missing_file, tags_of, version_of
from domain.errors import Conflict, Misconfigured, ModelportError, NotFound, Unavailable
from domain.model.bundle import Bundle, verified_manifest
from domain.model.manifest import Manifest
from domain.model.not_found import alias_moved, unknown_alias, unknown_model, unknown_version
from domain.model.reference import ModelRef, ModelVersion

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion as Registered

_RUN = "run"
_PAGE = 200


class MlflowStore:
    """A `ModelStore` whose versions are ordinary MLflow models: see `pyfunc_package`.

    MLflow cannot compare and set an alias in one step, nor make one version of a bundle that two
    processes save at once. So writers hold a lock file: next to an SQLite database, else in the
    home folder. Writers with different lock files (other machines, other home folders) are not
    protected: if two set the same alias within milliseconds, both succeed and the last one wins.
    A version is registered after its files are complete.

    If the detail `run` names a run of the same MLflow, the version is linked to it.
    """

    def __init__(self, tracking_uri: str, home: Path) -> None:
        self._connection = MlflowConnection(tracking_uri, home)

    def names(self) -> list[str]:
        with self._connection.client() as client:
            models = pages(client.search_registered_models, max_results=_PAGE)
            return sorted(m.name for m in models if any(map(_is_ours, m.latest_versions)))

    def versions(self, name: str) -> list[ModelVersion]:
        ModelRef(name)
        with self._connection.client() as client:
            found = self._versions(client, name)
        if not found:
            raise unknown_model(name, self.names())
        return found

    def resolve(self, ref: ModelRef) -> ModelVersion:
        try:
            with self._connection.client() as client:
                if ref.alias is None:
                    found = client.get_model_version(ref.name, str(ref.number))
                else:
                    found = client.get_model_version_by_alias(ref.name, ref.alias)
        except (NotFound, Misconfigured) as error:
            raise self._unknown(ref) from error
        # For MLflow every model has an alias `latest`.
        if ref.alias is not None and ref.alias not in found.aliases:
            raise self._unknown(ref)
        return _version(found, found.aliases)

    def save(
        self, name: str, bundle: Bundle, created_at: datetime, details: Mapping[str, str]
    ) -> ModelVersion:
        ModelRef(name)
        manifest = bundle.verified(bundle.id, read_manifest)
        tags = tags_of(bundle.id, created_at, details)
        with self._connection.writing() as client:
            for version in self._versions(client, name):
                if version.bundle_id == bundle.id:
                    return version
            return self._register(client, name, bundle, manifest, tags)

    def manifest(self, version: ModelVersion) -> Manifest:
        with TemporaryDirectory() as folder:
            content = self._download(version, f"{FILES}/{Bundle.MANIFEST}", folder).read_bytes()
        return verified_manifest(content, version.bundle_id, read_manifest)

    def load(self, version: ModelVersion) -> Bundle:
        with TemporaryDirectory() as folder:
            files = self._download(version, FILES, folder)
            return Bundle({file.name: file.read_bytes() for file in files.iterdir()})

    def annotate(self, version: ModelVersion, details: Mapping[str, str]) -> ModelVersion:
        ref, number = _ref(version), str(version.number)
        try:
            with self._connection.client() as client:
                for key, value in details.items():
                    client.set_model_version_tag(version.name, number, DETAIL + key, value)
        except NotFound as error:
            raise self._unknown(ref) from error
        return self.resolve(ref)

    def set_alias(self, name: str, alias: str, to: int, expected: int | None) -> None:
        ModelRef(name, alias)
        try:
            with self._connection.writing() as client:
                actual = _aliases(client, name).get(alias)
                if actual != expected:
                    raise alias_moved(name, alias, actual, expected)
                client.set_registered_model_alias(name, alias, str(to))
        except NotFound as error:
            raise self._unknown(ModelRef(name, None, to)) from error

    def _versions(self, client: "MlflowClient", name: str) -> list[ModelVersion]:
        """Return the versions that modelport has saved, oldest first; none for an unknown model."""
        try:
            with self._connection.translated():
                aliases = _aliases(client, name)
        except NotFound:
            return []
        query = f"name = '{name}'"
        found = pages(client.search_model_versions, filter_string=query, max_results=_PAGE)
        ours = [
            _version(item, [a for a, number in aliases.items() if number == int(item.version)])
            for item in found
            if _is_ours(item)
        ]
        return sorted(ours, key=lambda version: version.number)

    def _unknown(self, ref: ModelRef) -> NotFound:
        """Return the error for a reference that MLflow does not know, with what exists."""
        with self._connection.client() as client:
            versions = self._versions(client, ref.name)
            if not versions:
                return unknown_model(ref.name, self.names())
            if ref.alias is None:
                return unknown_version(ref, [version.number for version in versions])
            return unknown_alias(ref, _aliases(client, ref.name))

    def _download(self, version: ModelVersion, path: str, folder: str) -> Path:
        """Download a file or folder of a version; return where it is."""
        from mlflow.artifacts import download_artifacts, list_artifacts

        uri = self._connection.uri
        with self._connection.client() as client:
            try:
                with self._connection.translated():
                    source = client.get_model_version_download_uri(
                        version.name, str(version.number)
                    )
            except (NotFound, Misconfigured) as error:
                raise self._unknown(_ref(version)) from error
            address = f"{relocated(source, self._connection.home).rstrip('/')}/{path}"
            try:
                with self._connection.translated():
                    found = download_artifacts(address, dst_path=folder, tracking_uri=uri)
            except (NotFound, Unavailable) as error:
                # MLflow's errors are the same for missing files and for a server that is down.
                with self._connection.translated():
                    if list_artifacts(address, tracking_uri=uri):
                        raise
                raise missing_file(version, address) from error
            return Path(found)

    def _run(self, client: "MlflowClient", run_id: str) -> "Run | None":
        """Return the run that made a model; None if another tracker has it."""
        if not run_id:
            return None
        try:
            with self._connection.translated():
                return client.get_run(run_id)
        except (NotFound, Misconfigured):
            return None

    def _register(
        self,
        client: "MlflowClient",
        name: str,
        bundle: Bundle,
        manifest: Manifest,
        tags: dict[str, str],
    ) -> ModelVersion:
        """Save the files, then the version; remove the files if that fails."""
        from mlflow.entities import LoggedModelOutput

        run = self._run(client, tags.get(DETAIL + _RUN, ""))
        run_id = run.info.run_id if run else None
        experiment = run.info.experiment_id if run else self._connection.experiment(name)
        model = client.create_logged_model(
            experiment, name.replace(".", "_"), run_id, model_type="modelport"
        )
        try:
            with TemporaryDirectory() as folder:
                files = write_model(Path(folder), bundle, manifest, model.model_id, run_id)
                client.log_model_artifacts(model.model_id, str(files))
            client.finalize_logged_model(model.model_id, "READY")
            if run_id:
                client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
            with suppress(Conflict), self._connection.translated():
                client.create_registered_model(name)
            # With a database MLflow resolves a model id by the environment, not by this client.
            created = client.create_model_version(
                name,
                f"models:/{model.model_id}"
                if self._connection.is_server
                else model.artifact_location,
                run_id,
                tags,
                description=describe(manifest),
                await_creation_for=0,
                model_id=model.model_id if self._connection.is_server else None,
            )
        except BaseException:
            with suppress(ModelportError), self._connection.translated():
                client.delete_logged_model(model.model_id)
            raise
        if not self._connection.is_server:
            self._link(client, model.model_id, created)
        return _version(created, [])

    def _link(self, client: "MlflowClient", model_id: str, version: "Registered") -> None:
        """Record the version with its files, as a server does; optional, so errors are ignored."""
        versions = json.dumps([{"name": version.name, "version": int(version.version)}])
        with suppress(ModelportError), self._connection.translated():
            client.set_logged_model_tags(model_id, {"mlflow.modelVersions": versions})


def _aliases(client: "MlflowClient", name: str) -> dict[str, int]:
    aliases = client.get_registered_model(name).aliases
    return {alias: int(number) for alias, number in aliases.items()}


def _is_ours(found: "Registered") -> bool:
    return BUNDLE in found.tags


def _version(found: "Registered", aliases: Iterable[str]) -> ModelVersion:
    return version_of(found.name, int(found.version), found.tags, aliases)


def _ref(version: ModelVersion) -> ModelRef:
    return ModelRef(version.name, None, version.number)
