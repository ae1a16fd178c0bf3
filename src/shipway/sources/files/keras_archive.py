"""Opens a `.keras` file, which is a zip archive, as the hostile thing that it may be.

No framework, and nothing is unpacked. Every size that the archive claims is checked before a byte of that
member is read.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from shipway.errors import SourceDamagedError
from shipway.sources.files.zip_archive import MAGIC, ArchiveKind, check_sums, open_archive, read_json

CONFIG: Final = "config.json"
METADATA: Final = "metadata.json"
WEIGHTS: Final = ("model.weights.h5", "model.weights.npz")

_KIND = ArchiveKind(
    name=".keras file",
    writer="Keras",
    save_again="Save the model again with model.save('model.keras'), or copy the file again.",
)
_JSON_BYTES = 64 << 20
"""The configuration of a model with ten thousand layers takes about 20 MB."""
_HEAD_BYTES = 64 << 10


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
        if not head.startswith(MAGIC):
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
    with open_archive(path, _KIND) as archive:
        check_sums(path, archive, _KIND)
        members = archive.infolist()
        weights = [member.file_size for member in members if member.filename in WEIGHTS]
        if not weights:
            raise SourceDamagedError(
                f"{path} holds no weights ({' or '.join(WEIGHTS)}).", hint=_KIND.save_again
            )
        return Archive(
            config=read_json(path, archive, CONFIG, _KIND, limit_bytes=_JSON_BYTES),
            metadata=read_json(path, archive, METADATA, _KIND, limit_bytes=_JSON_BYTES),
            weights_bytes=weights[0],
            members=tuple(member.filename for member in members),
        )
