"""A model store in MLflow's model registry."""

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from adapters.formats.manifest_file import read_manifest
from adapters.mlflow.client import Mlflow, pages
from adapters.mlflow.pyfunc_package import describe, write_model
from adapters.mlflow.version_tags import BUNDLE, CREATED, DETAIL, FILES, is_ours, version_of
from domain.errors import (
    ArtefactRejected,
    Conflict,
    Misconfigured,
    ModelportError,
    NotFound,
    Unavailable,
)
from domain.model.bundle import Bundle
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

    MLflow cannot move an alias only if it points where it was expected to, nor make one version
    of a bundle that is saved twice at once. So writers take turns by a lock file: next to the
    database where that is SQLite, else in the home folder. Writers that share that file are safe
    from each other. Against a server, writers on different machines (or with different homes) are
    not: of two that move an alias within the same milliseconds the last wins and both succeed.
    A version is registered after its files and at once, wherever it is written from.

    Where a detail `run` names a run of the same MLflow, the version is linked to it.
    """

    def __init__(self, tracking_uri: str, home: Path) -> None:
        self._mlflow = Mlflow(tracking_uri, home)

    def names(self) -> list[str]:
        with self._mlflow.client() as client:
            models = pages(client.search_registered_models, max_results=_PAGE)
            return sorted(m.name for m in models if any(map(is_ours, m.latest_versions)))

    def versions(self, name: str) -> list[ModelVersion]:
        ModelRef(name)
        with self._mlflow.client() as client:
            found = self._versions(client, name)
        if not found:
            raise unknown_model(name, self.names())
        return found

    def resolve(self, ref: ModelRef) -> ModelVersion:
        try:
            with self._mlflow.client() as client:
                if ref.alias is None:
                    found = client.get_model_version(ref.name, str(ref.number))
                else:
                    found = client.get_model_version_by_alias(ref.name, ref.alias)
        except (NotFound, Misconfigured) as error:
            raise self._unknown(ref) from error
        # MLflow takes `latest` for an alias that every model has.
        if ref.alias is not None and ref.alias not in found.aliases:
            raise self._unknown(ref)
        return version_of(found, found.aliases)

    def save(
        self, name: str, bundle: Bundle, created_at: datetime, details: Mapping[str, str]
    ) -> ModelVersion:
        ModelRef(name)
        manifest = bundle.verified(bundle.id, read_manifest)
        tags = {
            BUNDLE: bundle.id,
            CREATED: created_at.astimezone(UTC).isoformat(),
            **{DETAIL + key: value for key, value in details.items()},
        }
        with self._mlflow.writing() as client:
            for version in self._versions(client, name):
                if version.bundle_id == bundle.id:
                    return version
            return self._register(client, name, bundle, manifest, tags)

    def load(self, version: ModelVersion) -> Bundle:
        from mlflow.artifacts import download_artifacts

        registered = self.resolve(ModelRef(version.name, None, version.number))
        with self._mlflow.client() as client, TemporaryDirectory() as folder:
            source = client.get_model_version_download_uri(version.name, str(version.number))
            files = f"{source.rstrip('/')}/{FILES}"
            try:
                with self._mlflow.translated():
                    path = download_artifacts(files, dst_path=folder, tracking_uri=self._mlflow.uri)
            except (NotFound, Unavailable) as error:
                raise self._why_not(files, registered, error) from error
            return Bundle({file.name: file.read_bytes() for file in Path(path).iterdir()})

    def annotate(self, version: ModelVersion, details: Mapping[str, str]) -> ModelVersion:
        ref = ModelRef(version.name, None, version.number)
        self.resolve(ref)
        with self._mlflow.client() as client:
            for key, value in details.items():
                number = str(version.number)
                client.set_model_version_tag(version.name, number, DETAIL + key, value)
        return self.resolve(ref)

    def set_alias(self, name: str, alias: str, to: int, expected: int | None) -> None:
        ModelRef(name, alias)
        with self._mlflow.writing() as client:
            self.resolve(ModelRef(name, None, to))
            actual = _aliases(client, name).get(alias)
            if actual != expected:
                raise alias_moved(name, alias, actual, expected)
            client.set_registered_model_alias(name, alias, str(to))

    def _versions(self, client: "MlflowClient", name: str) -> list[ModelVersion]:
        """Return the versions that modelport has saved, oldest first; none for an unknown model."""
        try:
            with self._mlflow.translated():
                aliases = _aliases(client, name)
        except NotFound:
            return []
        query = f"name = '{name}'"
        found = pages(client.search_model_versions, filter_string=query, max_results=_PAGE)
        ours = [
            version_of(item, [a for a, number in aliases.items() if number == int(item.version)])
            for item in found
            if is_ours(item)
        ]
        return sorted(ours, key=lambda version: version.number)

    def _unknown(self, ref: ModelRef) -> NotFound:
        with self._mlflow.client() as client:
            versions = self._versions(client, ref.name)
            if not versions:
                return unknown_model(ref.name, self.names())
            if ref.alias is None:
                return unknown_version(ref, [version.number for version in versions])
            return unknown_alias(ref, _aliases(client, ref.name))

    def _why_not(self, files: str, version: ModelVersion, error: ModelportError) -> ModelportError:
        """Tell files that are gone from a server that is; MLflow's errors are the same for both."""
        from mlflow.artifacts import list_artifacts

        with self._mlflow.translated():
            if list_artifacts(files, tracking_uri=self._mlflow.uri):
                return error
        return ArtefactRejected(f"{version.label}: the bundle is not whole: {files} is not there")

    def _run(self, client: "MlflowClient", run_id: str) -> "Run | None":
        """Return the run that made a model, or None where another tracker keeps it."""
        if not run_id:
            return None
        try:
            with self._mlflow.translated():
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
        """Put the files there, then the version; what is left of a failure is taken away again."""
        from mlflow.entities import LoggedModelOutput

        run = self._run(client, tags.get(DETAIL + _RUN, ""))
        run_id = run.info.run_id if run else None
        experiment = run.info.experiment_id if run else self._mlflow.experiment(name)
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
            self._require_model(client, name)
            # A database would look a model up by its id in the MLflow of the environment.
            created = client.create_model_version(
                name,
                f"models:/{model.model_id}" if self._mlflow.is_server else model.artifact_location,
                run_id,
                tags,
                description=describe(manifest),
                await_creation_for=0,
                model_id=model.model_id if self._mlflow.is_server else None,
            )
        except BaseException:
            with suppress(ModelportError), self._mlflow.translated():
                client.delete_logged_model(model.model_id)
            raise
        if not self._mlflow.is_server:
            self._link(client, model.model_id, created)
        return version_of(created, [])

    def _require_model(self, client: "MlflowClient", name: str) -> None:
        with suppress(Conflict), self._mlflow.translated():
            client.create_registered_model(name)

    def _link(self, client: "MlflowClient", model_id: str, version: "Registered") -> None:
        """Note the version at its files, as a server does; the version is there with or without."""
        place = json.dumps([{"name": version.name, "version": int(version.version)}])
        with suppress(ModelportError), self._mlflow.translated():
            client.set_logged_model_tags(model_id, {"mlflow.modelVersions": place})


def _aliases(client: "MlflowClient", name: str) -> dict[str, int]:
    aliases = client.get_registered_model(name).aliases
    return {alias: int(number) for alias, number in aliases.items()}
