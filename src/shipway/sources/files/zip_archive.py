"""Opens zip archives as the hostile things that they may be: one set of checks for every format that is one.

Nothing is unpacked here, and every size that an archive claims is checked before a byte of it is read.
"""

from __future__ import annotations

import errno
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from shipway.errors import SourceDamagedError
from shipway.os_errors import os_errors_as_ours

MAGIC: Final = b"PK\x03\x04"

_BOMB_BYTES = 256 << 20
_BOMB_RATIO = 20
"""Model files are stored uncompressed, and deflate gains a tenth on weights; up to 1032 to 1 on zeros."""
_ERRORS = (zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OverflowError, MemoryError)


@dataclass(frozen=True)
class ArchiveKind:
    """Words and limits for one format. `name` completes "the file is a …", `save_again` is the hint."""

    name: str
    writer: str
    save_again: str
    members: int = 10_000
    stores: bool = True
    """False for writers that compress, whose text shrinks a hundred times without any malice."""


def member_names(path: Path) -> tuple[str, ...]:
    """The names in the table of contents; empty for what is no zip archive or is cut off. Never raises."""
    try:
        with path.open("rb") as file:
            if file.read(4) != MAGIC:
                return ()
        with zipfile.ZipFile(path) as archive:
            return tuple(archive.namelist())
    except (OSError, zipfile.BadZipFile, *_ERRORS):
        return ()


@contextmanager
def open_archive(path: Path, kind: ArchiveKind) -> Iterator[zipfile.ZipFile]:
    """The archive, after checks of every member's path, count and claimed size.

    Raises `SourceDamagedError` (also for what the body meets in the archive), `PermissionDeniedError`.
    """
    try:
        with os_errors_as_ours("read the model", path), zipfile.ZipFile(path) as archive:
            _check_members(path, archive.infolist(), kind)
            yield archive
    except zipfile.BadZipFile as error:
        raise SourceDamagedError(
            f"{path} ({path.stat().st_size} bytes) is a {kind.name} that is cut off or overwritten: "
            f"it begins as a zip archive, and its end has no table of contents ({error}).",
            hint=kind.save_again,
        ) from error
    except (*_ERRORS, OSError) as error:
        # An offset before the file's begin is an OSError (EINVAL) of zipfile's; the body's own pass.
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        raise SourceDamagedError(
            f"{path} cannot be read as a zip archive: {error}.", hint=kind.save_again
        ) from error


def check_sums(path: Path, archive: zipfile.ZipFile, kind: ArchiveKind) -> None:
    """Reads every member against its checksum, before a framework is started; a second for 765 MB."""
    damaged = archive.testzip()
    if damaged is not None:
        raise SourceDamagedError(
            f"{path}: {damaged} was changed since it was saved: its checksum is another.",
            hint=kind.save_again,
        )


def read_member(
    path: Path, archive: zipfile.ZipFile, name: str, kind: ArchiveKind, *, limit_bytes: int
) -> bytes:
    """The bytes of one member, when it claims at most `limit_bytes`. Raises `SourceDamagedError`."""
    try:
        member = archive.getinfo(name)
    except KeyError as error:
        raise SourceDamagedError(f"{path} holds no {name}.", hint=kind.save_again) from error
    if member.file_size > limit_bytes:
        raise SourceDamagedError(
            f"{path}: {name} claims {member.file_size} bytes; at most {limit_bytes} are read.",
            hint=f"{kind.writer} does not write such a file; do not trust it.",
        )
    with archive.open(member) as file:
        return file.read(limit_bytes + 1)


def read_json(
    path: Path, archive: zipfile.ZipFile, name: str, kind: ArchiveKind, *, limit_bytes: int
) -> Mapping[str, Any]:
    """The JSON object in one member. Raises `SourceDamagedError`."""
    text = read_member(path, archive, name, kind, limit_bytes=limit_bytes)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SourceDamagedError(f"{path}: {name} is not JSON: {error}.", hint=kind.save_again) from error
    if not isinstance(value, dict):
        raise SourceDamagedError(f"{path}: {name} holds no JSON object.", hint=kind.save_again)
    return value


def _check_members(path: Path, members: list[zipfile.ZipInfo], kind: ArchiveKind) -> None:
    if len(members) > kind.members:
        raise SourceDamagedError(
            f"{path} holds {len(members)} files; a {kind.name} has at most {kind.members}.",
            hint=f"{kind.writer} does not write such a file; do not trust it.",
        )
    for member in members:
        if leaves_folder(member.filename):
            raise SourceDamagedError(
                f"{path} holds a file whose path leaves the archive: {member.filename!r}.",
                hint=f"{kind.writer} does not write such a file; do not trust it.",
            )
        ratio = _BOMB_RATIO if kind.stores else 10 * _BOMB_RATIO
        if member.file_size > _BOMB_BYTES and member.file_size > ratio * member.compress_size:
            raise SourceDamagedError(
                f"{path}: {member.filename} claims {member.file_size} bytes and has {member.compress_size}.",
                hint=f"{kind.writer} does not compress so; do not trust this file.",
            )
    _check_twins(path, members, kind)


def _check_twins(path: Path, members: list[zipfile.ZipInfo], kind: ArchiveKind) -> None:
    """Readers differ in which of two equal names they take, and torch's takes names of any case."""
    if len({member.filename.casefold() for member in members}) < len(members):
        raise SourceDamagedError(
            f"{path} holds two files of the same name.",
            hint=f"{kind.writer} does not write such a file; do not trust it.",
        )
    packed = sum(member.compress_size for member in members)
    if packed > path.stat().st_size:
        raise SourceDamagedError(
            f"{path} ({path.stat().st_size} bytes) claims to hold {packed} bytes of files, one on the other.",
            hint=f"{kind.writer} does not write such a file; do not trust it.",
        )


def leaves_folder(name: str) -> bool:
    """True for an absolute path, one with `..` in it, or one with a drive letter."""
    place = PurePosixPath(name.replace("\\", "/"))
    return place.is_absolute() or ".." in place.parts or ":" in "".join(place.parts[:1])
