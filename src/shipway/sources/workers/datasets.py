"""The child's task on data that a user's function gives: runs it, and writes what it gives as plain arrays.

No model is loaded here, and no framework but the function's own.
"""

from __future__ import annotations

import importlib
import random
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from .loading import require
from .user_code import blame_user, import_file, own_names, required_arguments
from .wire import TaskError, progress

_CODE = "data.format"
_SEED = 0
"""Of a function that draws or shuffles: two readings give the same rows."""
_PATIENCE_ROWS = 10_000
"""Between two words on how far it is."""


def write(task: Mapping[str, Any]) -> dict[str, Any]:
    """Runs `function` of the file `file` and writes its batches into the folder `out`.

    Gives what `batches.Store.index` gives. Raises `data.format` (no such function, it fails, or gives
    something else), `data.mismatch` (batches that differ) and `data.empty`.
    """
    require({"numpy": "numpy"})
    batches = importlib.import_module(".batches", __package__)  # needs numpy
    file, name = Path(task["file"]), str(task["function"])
    where = f"{file.name}:{name}"
    progress(f"running {where}")
    store = batches.Store(Path(task["out"]), where)
    told = 0
    for number, batch in enumerate(_batches(file, name, batches)):
        with blame_user(_CODE, file):  # a lazy batch computes when it is read
            columns = batches.columns_of(batch, f"{where}, batch {number}")
        store.append(columns, number)
        if store.rows - told >= _PATIENCE_ROWS:
            told = store.rows
            progress(f"{where} gave {told} rows")
    return dict(store.close())


def _batches(file: Path, name: str, batches: Any) -> Iterator[Any]:  # noqa: ANN401 - `batches.py`, see `write`
    """What the function gives, one after another; what is a batch by itself is the only one."""
    given = _call(file, name)
    if batches.is_one_batch(given):
        yield given
        return
    with blame_user(_CODE, file):
        iterator = _iterator(given)
    if iterator is None:
        raise TaskError(
            _CODE,
            f"{file.name}:{name} returned {_article(given)}, which cannot be iterated; expected batches.",
            hint=batches.FORMS,
        )
    while True:
        with blame_user(_CODE, file):
            try:
                batch = next(iterator)
            except StopIteration:
                return
        yield batch


def _call(file: Path, name: str) -> Any:  # noqa: ANN401 - whatever the user's code returns
    random.seed(_SEED)
    with suppress(ImportError):
        importlib.import_module("numpy.random").seed(_SEED)
    with blame_user(_CODE, file):
        module = import_file(file)
    function = getattr(module, name, None)
    if function is None:
        names = own_names(module)
        has = f"{file.name} has: {', '.join(names[:8])}." if names else f"{file.name} defines no function."
        raise TaskError(_CODE, f"{file} has no {name!r}.", hint=has)
    if not callable(function):
        return function  # a DataLoader that the module made
    needed = required_arguments(function)
    if needed:
        raise TaskError(
            _CODE,
            f"{file}: {name} needs the arguments {', '.join(needed)}; it is called with none.",
            hint=f"Write a function without arguments in that file, def batches(): return {name}(...), "
            f"and give {file.name}:batches.",
        )
    _seed_frameworks()
    with blame_user(_CODE, file):
        return function()


def _seed_frameworks() -> None:
    """Those that the user's file has imported; none is imported for it."""
    torch, tensorflow = sys.modules.get("torch"), sys.modules.get("tensorflow")
    if torch is not None:
        torch.manual_seed(_SEED)
    if tensorflow is not None:
        tensorflow.random.set_seed(_SEED)


def _iterator(given: Any) -> Iterator[Any] | None:  # noqa: ANN401 - as above
    """A Keras `PyDataset` has a length and items and would never end by itself."""
    if hasattr(given, "__getitem__") and hasattr(given, "__len__") and not hasattr(given, "__iter__"):
        return (given[number] for number in range(len(given)))
    return iter(given) if isinstance(given, Iterable) or hasattr(given, "__getitem__") else None


def _article(given: Any) -> str:  # noqa: ANN401 - as above
    return "None" if given is None else f"a {type(given).__name__}"


TASKS = {"write": write}
