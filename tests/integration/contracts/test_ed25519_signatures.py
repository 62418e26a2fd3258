from pathlib import Path

import pytest

from adapters.ed25519.signing_keys import FileSigner, FileVerifier, create_key
from application.ports import Signer, Verifier
from tests.integration.contracts.signatures import SignatureContract


class TestEd25519Signatures(SignatureContract):
    @pytest.fixture
    def signer(self, tmp_path: Path) -> Signer:
        create_key(tmp_path / "ours", tmp_path / "ours.pem")
        return FileSigner(tmp_path / "ours")

    @pytest.fixture
    def verifier(self, signer: Signer, tmp_path: Path) -> Verifier:
        return FileVerifier(tmp_path / "ours.pem")

    @pytest.fixture
    def stranger(self, tmp_path: Path) -> Signer:
        create_key(tmp_path / "theirs", tmp_path / "theirs.pub")
        return FileSigner(tmp_path / "theirs")
