"""Tells an HDF5 file, as Keras 2 wrote its models, and whether it is whole. Reading it is the child's work.

The library that reads HDF5 is C and has to believe the file; here are only the first bytes, the superblock of
https://docs.hdfgroup.org/hdf5/develop/_f_m_t3.html.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shipway.errors import SourceDamagedError
from shipway.os_errors import os_errors_as_ours

SIGNATURE: Final = b"\x89HDF\r\n\x1a\n"

_USER_BLOCKS = (0, 512, 1024, 2048)
"""A user block of a power of two may stand before the file; Keras writes none."""
_HEAD_BYTES = 96
_END_OF_FILE = {0: 40, 1: 44, 2: 28, 3: 28}
"""Superblock's version → where the address of the file's end stands, when addresses have 8 bytes."""
_SIZE_OF_ADDRESS = {0: 13, 1: 13, 2: 9, 3: 9}
_SAVE_AGAIN = "Save the model again, or copy the file again."


@dataclass(frozen=True)
class Hdf5File:
    """What the first bytes tell."""

    size_bytes: int
    superblock: int
    """The version of the file's own head."""


def looks_like_hdf5(path: Path) -> bool:
    """True for a file with HDF5's mark, also for one that was cut off. Never raises."""
    try:
        with path.open("rb") as file:
            return _start(file.read(_USER_BLOCKS[-1] + len(SIGNATURE))) is not None
    except (OSError, ValueError):
        return False


def read_head(path: Path) -> Hdf5File:
    """Reads the superblock. Raises `SourceDamagedError` (also: cut off), `PermissionDeniedError`."""
    with os_errors_as_ours("read the model", path):
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(_USER_BLOCKS[-1] + _HEAD_BYTES)
    start = _start(head)
    if start is None:
        raise SourceDamagedError(f"{path} has no HDF5 mark at its beginning.", hint=_SAVE_AGAIN)
    superblock = head[start : start + _HEAD_BYTES]
    version = superblock[8] if len(superblock) > 8 else -1
    if len(superblock) < _HEAD_BYTES or version not in _END_OF_FILE:
        raise SourceDamagedError(
            f"{path} ({size} bytes) is cut off, or its HDF5 head is of version {version}; 0 to 3 are known.",
            hint=_SAVE_AGAIN,
        )
    if superblock[_SIZE_OF_ADDRESS[version]] == 8:
        (end,) = struct.unpack_from("<Q", superblock, _END_OF_FILE[version])
        if end > size:
            raise SourceDamagedError(
                f"{path} is cut off: it was written with {end} bytes and has {size}.",
                hint=_SAVE_AGAIN,
            )
    return Hdf5File(size_bytes=size, superblock=version)


def _start(head: bytes) -> int | None:
    return next((start for start in _USER_BLOCKS if head.startswith(SIGNATURE, start)), None)
