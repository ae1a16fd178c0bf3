"""Removes a folder that a hostile program filled: nested deeper than Python recurses, or locked.

Standard library only; the parent uses it too.
"""

from __future__ import annotations

import itertools
import os
import shutil
from contextlib import suppress
from pathlib import Path


def remove_tree(folder: Path) -> None:
    """Removes `folder` and all in it, following no link; what cannot be removed is left without an error."""
    with suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)
    if folder.is_dir() and not folder.is_symlink():
        with suppress(OSError):
            _remove_flattened(folder)


def _remove_flattened(folder: Path) -> None:
    """Moves every folder directly under `folder` before it looks inside, so that no path grows."""
    names = (folder / f".{number}" for number in itertools.count())
    free = (name for name in names if not os.path.lexists(name))
    folder.chmod(0o700)
    waiting = [folder]
    while waiting:
        current = waiting.pop()
        for path in list(current.iterdir()):
            if path.is_symlink() or not path.is_dir():
                path.unlink()
                continue
            path.chmod(0o700)
            waiting.append(path if current == folder else path.rename(next(free)))
        if current != folder:
            current.rmdir()
    folder.rmdir()
