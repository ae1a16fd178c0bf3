"""API keys: read from a file, told apart in constant time, and never shown again.

A file holds digests, or keys themselves where nobody else can read it. What a key reaches depends on a request's
head alone, so it is found once per distinct head (`http/heads.py`) and not per request.
"""

from __future__ import annotations

import hashlib
import hmac
import stat
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shipway.errors import UsageError
from shipway.os_errors import os_errors_as_ours
from shipway.server.access.scopes import Scope

SHORTEST_KEY = 16
"""Characters. A digest keeps no secret that can be guessed."""
SCOPES = {"infer": Scope.INFER, "admin": Scope.ADMIN}
_FIELDS = {"name", "key", "sha256", "scopes"}


@dataclass(frozen=True, slots=True)
class Key:
    """A client's key, as its digest."""

    name: str
    sha256: bytes
    reach: Scope


def reach_of(keys: Sequence[Key], sent: bytes) -> Scope:
    """How far a key reaches; `OPEN` for one that is not among them.

    Digests are compared, in constant time, and all of them: how long it takes tells nothing of any key.
    """
    digest = hashlib.sha256(sent).digest()
    reach = Scope.OPEN
    for key in keys:
        if hmac.compare_digest(digest, key.sha256):
            reach = key.reach
    return reach


def read_keys(path: Path) -> tuple[Key, ...]:
    """The keys of a TOML file: `[[keys]]` with `name`, `sha256` or `key`, and `scopes`.

    Raises `UsageError`, whose message never holds a key, and `PermissionDeniedError`.
    """
    try:
        with os_errors_as_ours("read the keys", path):
            text = path.read_text(encoding="utf-8")
            mode = path.stat().st_mode
        entries = tomllib.loads(text).get("keys")
    except OSError as error:
        raise UsageError(f"The keys file {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        # Without the parser's words and its exception: they may quote the line, and so a key.
        raise UsageError(f"The keys file {path} is not TOML.", hint=_FORM) from None
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise UsageError(f"The keys file {path} has no [[keys]].", hint=_FORM)
    keys = tuple(_read_entry(entry, f"{path}, entry {number}") for number, entry in enumerate(entries, 1))
    if any("key" in entry for entry in entries) and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UsageError(
            f"{path} holds keys themselves, and other users may read it (mode {stat.S_IMODE(mode):o}).",
            hint=f"chmod 600 {path}, or store digests: shipway serve --make-key NAME prints an entry.",
        )
    if len({key.name for key in keys}) < len(keys):
        raise UsageError(f"Two keys of {path} share a name.")
    return keys


_FORM = (
    'Each key is a table: [[keys]] with name, sha256 (hex) or key, and scopes, as in scopes = ["infer"]; '
    "shipway serve --make-key NAME prints one."
)


def _read_entry(entry: dict[str, Any], where: str) -> Key:
    unknown = sorted(set(entry) - _FIELDS)
    name, scopes = entry.get("name"), entry.get("scopes")
    if unknown:
        raise UsageError(f"{where} has an unknown field {unknown[0]!r}.", hint=_FORM)
    if not isinstance(name, str) or not name:
        raise UsageError(f"{where} has no name.", hint=_FORM)
    if not isinstance(scopes, list) or not scopes or any(scope not in SCOPES for scope in scopes):
        raise UsageError(f"{where} ({name}) needs scopes from {', '.join(SCOPES)}.", hint=_FORM)
    return Key(name, _read_digest(entry, f"{where} ({name})"), max(SCOPES[scope] for scope in scopes))


def _read_digest(entry: dict[str, Any], where: str) -> bytes:
    key, digest = entry.get("key"), entry.get("sha256")
    if (key is None) == (digest is None):
        raise UsageError(f"{where} needs one of sha256 and key.", hint=_FORM)
    if key is not None:
        if not isinstance(key, str) or len(key) < SHORTEST_KEY or not key.isascii() or not key.isprintable():
            raise UsageError(
                f"The key of {where} must be {SHORTEST_KEY} or more ASCII characters.", hint=_FORM
            )
        return hashlib.sha256(key.encode()).digest()
    try:
        found = bytes.fromhex(digest) if isinstance(digest, str) else b""
    except ValueError:
        found = b""
    if len(found) != hashlib.sha256().digest_size:
        raise UsageError(f"The sha256 of {where} must be 64 hexadecimal digits.", hint=_FORM)
    return found


def make_key(name: str) -> tuple[str, str]:
    """A new random key of 256 bits, and the entry for the keys file that knows it by its digest."""
    import json  # here: a serving process makes no keys
    import secrets

    key = f"swk_{secrets.token_urlsafe(32)}"
    digest = hashlib.sha256(key.encode()).hexdigest()
    quoted = json.dumps(name)  # a TOML basic string has JSON's form
    return key, f'[[keys]]\nname = {quoted}\nsha256 = "{digest}"\nscopes = ["infer"]\n'
