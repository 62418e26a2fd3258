"""What every pair of signer and verifier must do.

A subclass provides the fixtures `signer`, `verifier`, which trusts it, and `stranger`, a signer
that the verifier does not know.
"""

import pytest

from application.ports import Signer, Verifier

MESSAGE = b"a bundle"


class SignatureContract:
    def test_a_signature_is_verified_with_a_trusted_key(
        self, signer: Signer, verifier: Verifier
    ) -> None:
        assert verifier.keys == {signer.key}
        assert verifier.verifies(signer.key, MESSAGE, signer.sign(MESSAGE))

    def test_a_signature_fits_one_message_only(self, signer: Signer, verifier: Verifier) -> None:
        signature = signer.sign(MESSAGE)
        for other in (b"", MESSAGE + b"s", MESSAGE[:-1], b"another bundle"):
            assert not verifier.verifies(signer.key, other, signature)

    def test_a_signature_that_was_changed_in_any_byte_is_refused(
        self, signer: Signer, verifier: Verifier
    ) -> None:
        signature = signer.sign(MESSAGE)
        for position in range(len(signature)):
            changed = bytearray(signature)
            changed[position] ^= 1
            assert not verifier.verifies(signer.key, MESSAGE, bytes(changed))

    @pytest.mark.parametrize("garbage", [b"", b"\x00", b"\x00" * 64, b"x" * 1000])
    def test_garbage_is_refused(self, signer: Signer, verifier: Verifier, garbage: bytes) -> None:
        assert not verifier.verifies(signer.key, MESSAGE, garbage)

    def test_a_stranger_is_refused_under_either_name(
        self, signer: Signer, verifier: Verifier, stranger: Signer
    ) -> None:
        assert stranger.key != signer.key
        for name in (stranger.key, signer.key, "", "0" * 16):
            assert not verifier.verifies(name, MESSAGE, stranger.sign(MESSAGE))
