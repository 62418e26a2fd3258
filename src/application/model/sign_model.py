"""Sign a registered model, and check the signatures of a version."""

from dataclasses import dataclass

from application.ports import ModelStore, Signer, Verifier
from domain.errors import ArtefactRejected
from domain.model import signature
from domain.model.manifest import ReadManifest
from domain.model.reference import ModelRef, ModelVersion


@dataclass(frozen=True)
class SignModel:
    """Signs a registered version after it has verified the bundle."""

    store: ModelStore
    signer: Signer
    read_manifest: ReadManifest

    def __call__(self, ref: ModelRef) -> ModelVersion:
        """Return the version with its signature; it is kept in the store.

        Raises:
            NotFound: there is no such version.
            ArtefactRejected: the bundle is incomplete; nothing is signed.
        """
        version = self.store.resolve(ref)
        self.store.load(version).verified(version.bundle_id, self.read_manifest)
        return sign(self.store, self.signer, version)


def sign(store: ModelStore, signer: Signer | None, version: ModelVersion) -> ModelVersion:
    """Return a version with a signature by the signer; unchanged without a signer."""
    if signer is None or signer.key in signature.signatures(version.details):
        return version
    made = signer.sign(signature.message(version.bundle_id))
    return store.annotate(version, signature.detail(signer.key, made))


def require_signed(version: ModelVersion, verifier: Verifier | None) -> None:
    """Check that a trusted key has signed a version, with a `verifier`.

    Raises:
        ArtefactRejected: no trusted key has signed it; names the keys that have.
    """
    if verifier is None:
        return
    made = signature.signatures(version.details)
    trusted = [key for key in made if key in verifier.keys]
    signed = signature.message(version.bundle_id)
    if any(verifier.verifies(key, signed, made[key]) for key in trusted):
        return
    allowed = f"allowed: signed by {' or '.join(sorted(verifier.keys))}"
    if trusted:
        why = f"the signature by {', '.join(trusted)} is not one of this bundle"
    elif made:
        why = f"it is signed by {', '.join(sorted(made))} only"
    else:
        why = "it is not signed"
    raise ArtefactRejected(f"{version.label}: {why}; {allowed}")
