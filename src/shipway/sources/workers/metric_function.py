"""The child's task on a metric that the user wrote: calls it on all rows, then on rows drawn anew.

Loads no model; imports numpy and whatever the user's file imports.
"""

from __future__ import annotations

import importlib
import math
import numbers
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .loading import require
from .user_code import blame_user, import_file, own_names
from .wire import TaskError, progress

_CODE = "usage.invalid"
_FORMS = "It takes (labels, outputs) and returns a number, or a dict of numbers by name."
_SEED = 20_260


def measure(task: Mapping[str, Any]) -> dict[str, Any]:
    """Calls `function` of the file `file` with the arrays of the `.npz` file `arrays`: `labels`, `output/NAME`.

    A single output is given as its array, several as a dict. Gives `{"values": {name: number or None},
    "replicates": {name: [numbers]}}`; the rows are drawn `replicates` times, or as often as `seconds` allow.
    Raises `usage.invalid` (no such function, it fails, or returns something else).
    """
    require({"numpy": "numpy"})
    numpy = importlib.import_module("numpy")
    file, name = Path(task["file"]), str(task["function"])
    with numpy.load(task["arrays"], allow_pickle=False) as stored:
        arrays = {key: stored[key] for key in stored.files}
    labels = arrays.pop("labels")
    outputs = {key.partition("/")[2]: array for key, array in arrays.items()}
    function = _function(file, name)

    def call(rows: Any) -> dict[str, float | None]:  # noqa: ANN401 - a slice or indices
        chosen = {key: array[rows] for key, array in outputs.items()}
        with blame_user(_CODE, file):
            answer = function(labels[rows], next(iter(chosen.values())) if len(chosen) == 1 else chosen)
        return _numbers(answer, file, name)

    progress(f"computing {file.name}:{name}")
    values = call(slice(None))
    drawn: dict[str, list[float]] = {key: [] for key in values}
    generator = numpy.random.default_rng(_SEED)
    until = time.monotonic() + float(task["seconds"])
    for _ in range(int(task["replicates"])):
        if time.monotonic() > until:
            break
        found = call(generator.integers(len(labels), size=len(labels)))
        for key, value in found.items():
            if value is not None and key in drawn:
                drawn[key].append(value)
    return {"values": values, "replicates": drawn}


def _function(file: Path, name: str) -> Callable[..., Any]:
    with blame_user(_CODE, file):
        module = import_file(file)
    function = getattr(module, name, None)
    if not callable(function):
        found = ", ".join(own_names(module)[:8]) or "none"
        raise TaskError(_CODE, f"{file} has no function {name!r}.", hint=f"Its functions: {found}. {_FORMS}")
    return function  # type: ignore[no-any-return]


def _numbers(answer: Any, file: Path, name: str) -> dict[str, float | None]:  # noqa: ANN401 - the user's
    """By name; None for what is not finite: undefined."""
    found = answer if isinstance(answer, Mapping) else {name: answer}
    if hasattr(answer, "item") and not isinstance(answer, Mapping) and getattr(answer, "size", 1) == 1:
        found = {name: answer.item()}
    numbers_by_name: dict[str, float | None] = {}
    for key, value in found.items():
        plain = value.item() if hasattr(value, "item") and getattr(value, "size", 1) == 1 else value
        if isinstance(plain, bool) or not isinstance(plain, numbers.Real):
            raise TaskError(
                _CODE,
                f"{file.name}:{name} returned {type(value).__name__} for {key!r}, no number.",
                hint=_FORMS,
            )
        numbers_by_name[str(key)] = float(plain) if math.isfinite(plain) else None
    return numbers_by_name


TASKS = {"measure": measure}
