"""Signatures of bundles, kept among the details of a version.

A signature is over the bundle id: the SHA-256 of the manifest, which has the SHA-256 of every file.
So it covers every byte of the bundle, and changes none. A version may have signatures of several
keys: then a new key can replace an old one while both are trusted.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Mapping
from hashlib import sha256

_DETAIL = "signature."
_KEY_ID = re.compile(r"[0-9a-f]{16}")
_PURPOSE = b"modelport bundle 1\n"


def key_id(public_key: bytes) -> str:
    """Return the id of a key: the first 16 digits of its SHA-256."""
    return sha256(public_key).hexdigest()[:16]


def message(bundle_id: str) -> bytes:
    """Return the signed message; signatures for another purpose do not verify."""
    return _PURPOSE + bundle_id.encode()


def detail(key: str, signature: bytes) -> dict[str, str]:
    """Return a signature as a detail of a version."""
    return {_DETAIL + key: b64encode(signature).decode()}


def signatures(details: Mapping[str, str]) -> dict[str, bytes]:
    """Return the signatures of a version by key id; a malformed one is empty."""
    found = {n.removeprefix(_DETAIL): t for n, t in details.items() if n.startswith(_DETAIL)}
    return {key: _decoded(text) for key, text in found.items() if _KEY_ID.fullmatch(key)}


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (Error, ValueError):
        return b""
