"""The child that outlines an HDF5 file: h5py is C code, and the file may be hostile. No framework starts."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .frameworks.hdf5_outline import outline


def read_outline(task: Mapping[str, Any]) -> dict[str, Any]:
    """Writes the outline to the file `out` (a configuration may be longer than a line of the wire)."""
    Path(task["out"]).write_text(json.dumps(outline(task["model"])), encoding="utf-8")
    return {"has_keras_2": importlib.util.find_spec("tf_keras") is not None}


TASKS = {"outline": read_outline}
