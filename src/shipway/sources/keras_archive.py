"""Opens a `.keras` file, which is a zip archive, as the hostile thing that it may be.

No framework, and nothing is unpacked. Every size that the archive claims is checked before a byte of that
member is read.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from shipway.errors import SourceDamagedError
from shipway.os_errors import os_errors_as_ours

CONFIG: Final = "config.json"
METADATA: Final = "metadata.json"
WEIGHTS: Final = ("model.weights.h5", "model.weights.npz")

_JSON_BYTES = 64 << 20
"""The configuration of a model with ten thousand layers takes about 20 MB."""
_MEMBERS = 10_000
_BOMB_BYTES = 256 << 20
_BOMB_RATIO = 20
"""Keras stores members uncompressed, and deflate gains a tenth on real weights; up to 1032 to 1 on zeros."""
_HEAD_BYTES = 64 << 10
_SAVE_AGAIN = "Save the model again with model.save('model.keras'), or copy the file again."


@dataclass(frozen=True)
class Archive:
    """What stands in the archive, without its weights."""

    config: Mapping[str, Any]
    metadata: Mapping[str, Any]
    weights_bytes: int
    members: tuple[str, ...]


def looks_like_keras(path: Path) -> bool:
    """True for a zip archive with a Keras configuration, also for one that was cut off. Never raises."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        if not head.startswith(b"PK\x03\x04"):
            return False
        with zipfile.ZipFile(path) as archive:
            members = set(archive.namelist())
    except zipfile.BadZipFile:
        return CONFIG.encode() in head or path.suffix == ".keras"
    except (OSError, ValueError, NotImplementedError):
        return False
    return CONFIG in members and (METADATA in members or any(name in members for name in WEIGHTS))


def read_archive(path: Path) -> Archive:
    """Reads the configuration and the metadata. Raises `SourceDamagedError`, `PermissionDeniedError`."""
    try:
        with os_errors_as_ours("read the model", path), zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _check_members(path, members)
            _check_sums(path, archive)
            weights = [member.file_size for member in members if member.filename in WEIGHTS]
            if not weights:
                raise SourceDamagedError(
                    f"{path} holds no weights ({' or '.join(WEIGHTS)}).", hint=_SAVE_AGAIN
                )
            return Archive(
                config=_read_json(path, archive, CONFIG),
                metadata=_read_json(path, archive, METADATA),
                weights_bytes=weights[0],
                members=tuple(member.filename for member in members),
            )
    except zipfile.BadZipFile as error:
        raise SourceDamagedError(
            f"{path} ({path.stat().st_size} bytes) is a .keras file that is cut off or overwritten: "
            f"it begins as a zip archive, and its end has no table of contents ({error}).",
            hint=_SAVE_AGAIN,
        ) from error
    except (zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise SourceDamagedError(
            f"{path} cannot be read as a zip archive: {error}.", hint=_SAVE_AGAIN
        ) from error


def _check_members(path: Path, members: list[zipfile.ZipInfo]) -> None:
    if len(members) > _MEMBERS:
        raise SourceDamagedError(f"{path} holds {len(members)} files; a Keras model has at most {_MEMBERS}.")
    for member in members:
        place = PurePosixPath(member.filename.replace("\\", "/"))
        if place.is_absolute() or ".." in place.parts or ":" in place.parts[:1]:
            raise SourceDamagedError(
                f"{path} holds a file whose path leaves the archive: {member.filename!r}.",
                hint="Keras does not write such a file; do not trust it.",
            )
        if member.file_size > _BOMB_BYTES and member.file_size > _BOMB_RATIO * member.compress_size:
            raise SourceDamagedError(
                f"{path}: {member.filename} claims {member.file_size} bytes and has {member.compress_size}.",
                hint="Keras stores its files uncompressed; do not trust this one.",
            )


def _check_sums(path: Path, archive: zipfile.ZipFile) -> None:
    """Before a framework is started for it; a second for 765 MB."""
    damaged = archive.testzip()
    if damaged is not None:
        raise SourceDamagedError(
            f"{path}: {damaged} was changed since it was saved: its checksum is another.", hint=_SAVE_AGAIN
        )


def _read_json(path: Path, archive: zipfile.ZipFile, name: str) -> Mapping[str, Any]:
    try:
        member = archive.getinfo(name)
    except KeyError as error:
        raise SourceDamagedError(f"{path} holds no {name}.", hint=_SAVE_AGAIN) from error
    if member.file_size > _JSON_BYTES:
        raise SourceDamagedError(
            f"{path}: {name} claims {member.file_size} bytes; at most {_JSON_BYTES} are read.",
            hint="Keras does not write such a file; do not trust it.",
        )
    with archive.open(member) as file:
        text = file.read(_JSON_BYTES + 1)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SourceDamagedError(f"{path}: {name} is not JSON: {error}.", hint=_SAVE_AGAIN) from error
    if not isinstance(value, dict):
        raise SourceDamagedError(f"{path}: {name} holds no JSON object.", hint=_SAVE_AGAIN)
    return value
