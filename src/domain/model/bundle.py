"""A model version as files."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Self

from domain.errors import ArtefactRejected
from domain.model.manifest import Manifest, ReadManifest

# The serving form of a model: an ONNX graph and, for the ensembles that a
# `domain.model.tree_ensemble` can represent, the same trees as plain arrays.
GRAPH = "model.onnx"
TREES = "model.safetensors"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A model version as files: `manifest.json` and the files that it names. None is executable."""

    MANIFEST = "manifest.json"

    files: Mapping[str, bytes]

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", dict(self.files))

    @classmethod
    def seal(cls, manifest: Manifest, files: Mapping[str, bytes]) -> Self:
        """Return a bundle of the files and the manifest, completed by the SHA-256 of each file."""
        digests = {name: sha256(content).hexdigest() for name, content in files.items()}
        return cls({cls.MANIFEST: replace(manifest, files=digests).to_bytes(), **files})

    @property
    def id(self) -> str:
        """The SHA-256 of the manifest, which has the SHA-256 of every other file."""
        return sha256(self.files.get(self.MANIFEST, b"")).hexdigest()

    def verified(self, expected_id: str, read_manifest: ReadManifest) -> Manifest:
        """Check every checksum, then read the manifest: no byte is parsed before it is verified.

        Raises:
            ArtefactRejected: a file is missing, was changed or is not in the manifest.
        """
        if self.MANIFEST not in self.files:
            raise ArtefactRejected("the bundle has no manifest.json")
        manifest = verified_manifest(self.files[self.MANIFEST], expected_id, read_manifest)
        found = {*self.files} - {self.MANIFEST}
        if found != {*manifest.files}:
            odd = ", ".join(sorted(found ^ {*manifest.files}))
            raise ArtefactRejected(f"the bundle is missing files or has too many: {odd}")
        for name, digest in manifest.files.items():
            if sha256(self.files[name]).hexdigest() != digest:
                raise ArtefactRejected(f"{name} was changed: its SHA-256 is not the manifest's")
        return manifest


def verified_manifest(content: bytes, expected_id: str, read_manifest: ReadManifest) -> Manifest:
    """Check the checksum of a manifest, then read it.

    Raises:
        ArtefactRejected: it is not the manifest of the bundle, or of an unknown format.
    """
    found = sha256(content).hexdigest()
    if found != expected_id:
        raise ArtefactRejected(
            f"manifest.json is not the one that was registered: "
            f"its SHA-256 is {found[:12]}…, expected {expected_id[:12]}…"
        )
    return read_manifest(content)
