"""The child's tasks on one model, whatever its framework: its signature, its own answers, its exports.

`loaders/` has one file per framework, `edges/` one per conversion; the task names them. A model is loaded once
for all tasks of the process.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from .loading import distribution, require, versions_of
from .wire import TaskError, blame, progress


def signature(task: Mapping[str, Any]) -> dict[str, Any]:
    """Names, dtypes and shapes of the inputs and outputs."""
    model = _model(task)
    return {"signature": _sibling("loaded").signature_of(model), "versions": model.versions()}


def reference(task: Mapping[str, Any]) -> dict[str, Any]:
    """The model's own answers to the task's `cases` (`{name: {"file", "names"}}`), written into the folder `out`.

    `thorough` asks for what its noise is measured by, too.
    """
    model = _model(task)
    ask = _sibling("answers").refer if task["thorough"] else _sibling("answers").answer
    files = ask(model, task["cases"], Path(task["out"]))
    return {
        "signature": _sibling("loaded").signature_of(model),
        "files": files,
        "versions": model.versions(),
    }


def taps(task: Mapping[str, Any]) -> dict[str, Any]:
    """What every layer was given and gave on the task's `inputs`; none where the framework tells nothing inside.

    Gives `{"layers": [{"name", "kind", "file", "inputs", "outputs", "parameters"}]}`: the file's members are
    `i0` … and `o0` … in number, and `p0` … in the order of the parameters' names.
    """
    model = _model(task)
    if not hasattr(model, "record"):
        return {"layers": []}
    return {"layers": _sibling("answers").record(model, task["inputs"], Path(task["out"]))}


def export(task: Mapping[str, Any]) -> dict[str, Any]:
    """The file or folder `out`, made by the edge named `edge` of the file `edge_file`."""
    require({"numpy": "numpy"})
    edge = _find_edge(Path(task["edge_file"]), task["edge"])
    require(edge.requires)
    opened = _sibling("edge").Opened(Path(task["model"]), lambda: _model(task))
    progress(f"converting by {edge.name}")
    with blame("export.no-way", f"{edge.name} failed"):
        edge.write(opened, Path(task["out"]), task)
    versions = opened.model.versions() if opened.is_loaded else {}
    return {"versions": {**versions, **versions_of([distribution(r) for r in edge.requires.values()])}}


def _model(task: Mapping[str, Any]) -> Any:  # noqa: ANN401 - `loaded.Loaded`, see `_sibling`
    require(task["requires"])
    return _load(task["loader"], task["model"], json.dumps(task["settings"], sort_keys=True))


@cache
def _load(loader: str, path: str, settings: str) -> Any:  # noqa: ANN401 - as above
    return _sibling(f"loaders.{loader}").load(Path(path), json.loads(settings))


def _find_edge(file: Path, name: str) -> Any:  # noqa: ANN401 - `edge.Edge`
    module = _edge_module(file)
    for edge in module.EDGES:
        if edge.name == name:
            return edge
    raise TaskError("worker.crashed", f"{file.name} has no edge {name!r}")


def _edge_module(file: Path) -> ModuleType:
    """The edge's file as a part of this package, wherever it lies: a plug-in's lies elsewhere."""
    name = f"{__package__}.edges.{file.stem}"
    if name in sys.modules:
        return sys.modules[name]
    importlib.import_module(f"{__package__}.edges")
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise TaskError("worker.crashed", f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _sibling(name: str) -> Any:  # noqa: ANN401 - a module
    """A file of this folder, imported late: it imports numpy, whose absence is to be reported, not met."""
    return importlib.import_module(f".{name}", __package__)


TASKS = {"signature": signature, "reference": reference, "taps": taps, "export": export}
