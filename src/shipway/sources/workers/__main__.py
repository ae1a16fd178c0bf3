"""The child's first file: `python WORKERS_FOLDER WORKER_FILE JOB_FILE`.

Makes these files importable as the package `shipway_worker` without Shipway being installed. This folder
itself must not stay on `sys.path`: a worker's file name would shadow a package of the framework.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

PACKAGE = "shipway_worker"


def _load(name: str, file: Path) -> ModuleType:
    """Imports `file` as the module `name`; a package when it is an `__init__.py`."""
    folders = [str(file.parent)] if file.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=folders)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def main() -> None:
    """Runs the worker's tasks; everything that it has to say goes over the wire."""
    worker, job = Path(sys.argv[1]), Path(sys.argv[2])
    here = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if not entry or Path(entry).resolve() != here]
    _load(PACKAGE, here / "__init__.py")
    wire = importlib.import_module(f"{PACKAGE}.wire")
    wire.serve(job, lambda: _load(f"{PACKAGE}.{worker.stem}", worker).TASKS)


main()
