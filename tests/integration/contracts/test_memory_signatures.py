import pytest

from application.ports import Signer, Verifier
from tests.fakes.security import MemoryKeys
from tests.integration.contracts.signatures import SignatureContract


class TestMemorySignatures(SignatureContract):
    @pytest.fixture
    def signer(self) -> Signer:
        return MemoryKeys(b"ours")

    @pytest.fixture
    def verifier(self) -> Verifier:
        return MemoryKeys(b"ours")

    @pytest.fixture
    def stranger(self) -> Signer:
        return MemoryKeys(b"theirs")
