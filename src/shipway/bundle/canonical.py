"""One spelling for every JSON document in a bundle, so that equal content has equal bytes and one digest.

Keys sorted by code point, no white space, UTF-8 unescaped, numbers as Python's shortest round-trip repr,
no NaN or infinity. `docs/format/bundle-1.md` is the specification.
"""

from __future__ import annotations

import hashlib
import json

from shipway.bundle.evidence import Json


def encode(value: Json) -> bytes:
    """The canonical bytes of a JSON value. Raises `ValueError` for NaN and infinity."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def decode(data: bytes) -> Json:
    """Reads JSON; refuses duplicate keys, NaN and infinity. Raises `ValueError`."""
    return json.loads(data, object_pairs_hook=_unique_keys, parse_constant=_no_constant)


def sha256_hex(data: bytes) -> str:
    """The digest as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def _unique_keys(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _no_constant(name: str) -> Json:
    raise ValueError(f"{name} is not JSON")
