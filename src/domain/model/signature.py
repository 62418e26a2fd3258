"""Who vouches for a version: signatures over the identity of its bundle, kept with the version.

The identity is the SHA-256 of the manifest, which names the SHA-256 of every file: so a signature
covers every byte, and making one changes none. A version may have signatures of several keys, each
a detail of its own, so that one key can follow another without a gap.
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
    """Return the name of a key: the first 16 digits of its SHA-256."""
    return sha256(public_key).hexdigest()[:16]


def message(bundle_id: str) -> bytes:
    """Return what is signed; a signature made for another purpose does not fit it."""
    return _PURPOSE + bundle_id.encode()


def detail(key: str, signature: bytes) -> dict[str, str]:
    """Return a signature as it is kept among the details of a version."""
    return {_DETAIL + key: b64encode(signature).decode()}


def signatures(details: Mapping[str, str]) -> dict[str, bytes]:
    """Return the signatures of a version by the id of their key; empty where one is garbled."""
    found = {n.removeprefix(_DETAIL): t for n, t in details.items() if n.startswith(_DETAIL)}
    return {key: _decoded(text) for key, text in found.items() if _KEY_ID.fullmatch(key)}


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (Error, ValueError):
        return b""
