"""The operating system's errors, translated once: a full disk, a refused path, a port that is taken.

Every room that writes goes through `os_errors_as_ours`, so a user reads the same words wherever it happened.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shipway.errors import DiskFullError, PermissionDeniedError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}


def is_disk_full(error: OSError) -> bool:
    """True for no space, no quota, or over the file-size limit."""
    return error.errno in _FULL


def is_refused(error: OSError) -> bool:
    """True where the operating system does not let this user read or write."""
    return error.errno in _REFUSED


@contextmanager
def os_errors_as_ours(doing: str, path: Path) -> Iterator[None]:
    """Raises `DiskFullError` or `PermissionDeniedError` for what the body met; others pass through.

    `doing` completes "could not …": `"write the bundle"`.
    """
    try:
        yield
    except OSError as error:
        where = Path(str(error.filename)) if error.filename else path
        if is_disk_full(error):
            raise DiskFullError(
                f"Could not {doing}: no space left on the device that holds {path}.",
                hint="Free some space, or choose a place on another disk. Nothing half-written was left.",
            ) from error
        if is_refused(error):
            raise PermissionDeniedError(
                f"Could not {doing}: {error.strerror} ({where}).",
                hint="Choose a place that this user may write to, or change the permissions.",
            ) from error
        raise
