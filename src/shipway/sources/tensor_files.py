"""Arrays on their way to a child process and back: `.npz` files with numbered members, never pickled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shipway.errors import DataMismatchError
from shipway.os_errors import os_errors_as_ours
from shipway.types import Array, Tensors


def save_tensors(file: Path, tensors: Tensors) -> dict[str, Any]:
    """Writes arrays for the worker; gives `{"file", "names"}`.

    Members are numbered: a name may hold any character. Raises `DataMismatchError` for strings that are no
    UTF-8, `DiskFullError`, `PermissionDeniedError`.
    """
    arrays = [_as_text(name, array) if array.dtype.kind in "OS" else array for name, array in tensors.items()]
    with os_errors_as_ours("write the model's inputs", file):
        np.savez(file, allow_pickle=False, **{str(n): array for n, array in enumerate(arrays)})
    return {"file": str(file), "names": list(tensors)}


def _as_text(name: str, array: Array) -> Array:
    """Strings as numpy's own text, which needs no pickle."""
    texts = []
    for index, item in enumerate(array.ravel().tolist()):
        try:
            texts.append(item.decode() if isinstance(item, bytes) else str(item))
        except UnicodeDecodeError as error:
            raise DataMismatchError(
                f"Input {name!r}: expected text, element {index} is not UTF-8 ({item[:40]!r}).",
                hint="Save the strings as text, or decode them with the encoding that they are in.",
            ) from error
    return np.array(texts, dtype=str).reshape(array.shape)


def load_tensors(file: Path, names: Sequence[str]) -> dict[str, Array]:
    """Reads the arrays that the worker wrote, in the order of `names`."""
    with np.load(file, allow_pickle=False) as archive:
        return {name: archive[str(number)] for number, name in enumerate(names)}
