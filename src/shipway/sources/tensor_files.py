"""Arrays on their way to a child process and back: `.npz` files with numbered members, never pickled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shipway.os_errors import os_errors_as_ours
from shipway.types import Array, Tensors


def save_tensors(file: Path, tensors: Tensors) -> dict[str, Any]:
    """Writes arrays for the worker; gives `{"file", "names"}`.

    Members are numbered: a name may hold any character.
    """
    arrays = (array.astype(str) if array.dtype.kind == "O" else array for array in tensors.values())
    with os_errors_as_ours("write the model's inputs", file):
        np.savez(file, allow_pickle=False, **{str(n): array for n, array in enumerate(arrays)})
    return {"file": str(file), "names": list(tensors)}


def load_tensors(file: Path, names: Sequence[str]) -> dict[str, Array]:
    """Reads the arrays that the worker wrote, in the order of `names`."""
    with np.load(file, allow_pickle=False) as archive:
        return {name: archive[str(number)] for number, name in enumerate(names)}
