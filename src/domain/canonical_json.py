"""JSON with one way to write each value."""

import json


def json_bytes(value: object) -> bytes:
    """Return readable JSON, ending in a newline, always the same bytes for the same value."""
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
