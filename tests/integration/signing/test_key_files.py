"""Key files, written by this program and by others, valid and invalid."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.ed25519.signing_keys import FileSigner, FileVerifier, create_key
from domain.errors import Conflict, Misconfigured, Unavailable
from tests.support.leaving_out import leave_out

MESSAGE = b"a bundle"


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A folder with two pairs of keys."""
    for name in ("one", "two"):
        create_key(tmp_path / name, tmp_path / "trusted" / f"{name}.pem")
    return tmp_path


def test_only_the_owner_may_read_the_private_key(keys: Path) -> None:
    assert (keys / "one").stat().st_mode & 0o777 == 0o600
    (keys / "one").chmod(0o640)
    with pytest.raises(Misconfigured, match=r"one: other users may read it; chmod 600"):
        FileSigner(keys / "one")


def test_a_key_is_never_overwritten(keys: Path) -> None:
    before = (keys / "one").read_bytes()
    with pytest.raises(Conflict, match="one already exists"):
        create_key(keys / "one", keys / "new.pem")
    with pytest.raises(Conflict, match=r"one\.pem already exists"):
        create_key(keys / "new", keys / "trusted" / "one.pem")
    assert (keys / "one").read_bytes() == before
    assert not (keys / "new").exists()
    assert not (keys / "new.pem").exists()


def test_a_path_that_cannot_be_written_is_named(keys: Path) -> None:
    with pytest.raises(Unavailable, match="one/key"):
        create_key(keys / "one" / "key", keys / "public")


def test_a_folder_and_a_file_of_several_keys_trust_all_of_them(keys: Path) -> None:
    joined = keys / "both"
    joined.write_bytes(b"".join(f.read_bytes() for f in (keys / "trusted").iterdir()))
    (keys / "trusted" / "README").write_text("not a key")
    signers = [FileSigner(keys / name) for name in ("one", "two")]
    for path in (keys / "trusted", joined):
        verifier = FileVerifier(path)
        assert verifier.keys == {signer.key for signer in signers}
        assert all(verifier.verifies(s.key, MESSAGE, s.sign(MESSAGE)) for s in signers)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda path: None, "No such file"),
        (lambda path: path.mkdir(), "there are none"),
        (lambda path: path.write_text(""), "it holds no public key"),
        (lambda path: path.write_text("ssh-ed25519 AAAA me"), "it holds no public key"),
        (
            lambda path: path.write_text(
                "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"
            ),
            "an invalid key; allowed: Ed25519 public keys",
        ),
    ],
    ids=["missing", "empty folder", "empty", "of ssh", "garbled"],
)
def test_an_invalid_file_of_trusted_keys_is_named(
    tmp_path: Path, make: Callable[[Path], object], expected: str
) -> None:
    make(tmp_path / "trusted")
    with pytest.raises(Misconfigured, match=rf"trusted keys .*trusted.*{expected}"):
        FileVerifier(tmp_path / "trusted")


def test_public_and_private_keys_are_not_interchangeable(keys: Path) -> None:
    with pytest.raises(Misconfigured, match="not an Ed25519 private key"):
        FileSigner(keys / "trusted" / "one.pem")
    with pytest.raises(Misconfigured, match="it holds no public key"):
        FileVerifier(keys / "one")
    with pytest.raises(Misconfigured, match=r"signing key .*absent: No such file"):
        FileSigner(keys / "absent")


def test_keys_of_openssl_are_accepted(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        leave_out("needs openssl: apt-get install openssl")
    private, public = tmp_path / "key.pem", tmp_path / "public.pem"
    make: list[str | Path] = ["openssl", "genpkey", "-algorithm", "ed25519", "-out", private]
    subprocess.run(make, check=True, capture_output=True)
    private.chmod(0o600)
    show: list[str | Path] = ["openssl", "pkey", "-in", private, "-pubout", "-out", public]
    subprocess.run(show, check=True, capture_output=True)
    signer = FileSigner(private)
    assert FileVerifier(public).verifies(signer.key, MESSAGE, signer.sign(MESSAGE))


def test_keys_of_another_algorithm_are_rejected(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
    )

    made = generate_private_key(SECP256R1())
    private, public = tmp_path / "private", tmp_path / "public"
    private.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    private.chmod(0o600)
    public.write_bytes(
        made.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    with pytest.raises(Misconfigured, match="not an Ed25519 private key"):
        FileSigner(private)
    with pytest.raises(Misconfigured, match="an invalid key"):
        FileVerifier(public)
