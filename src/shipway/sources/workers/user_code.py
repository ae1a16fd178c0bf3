"""Runs the user's own code in the child, and says where it fails by the file and line that the user wrote.

Standard library only; what the code makes is its caller's to judge.
"""

from __future__ import annotations

import errno
import importlib.util
import inspect
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.error import URLError

from .wire import TaskError, summarize

_NOT_ITS_FAULT = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOMEM)
"""Told by `wire.serve` as what they are, whoever met them."""


def import_file(file: Path) -> ModuleType:
    """The file under its own name, its folder first on the path, as if Python ran it. Raises what it raises."""
    sys.path.insert(0, str(file.parent))
    name = file.stem if file.stem not in sys.modules else f"shipway_user_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file.name} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def own_names(module: ModuleType) -> list[str]:
    """Functions and classes that the file itself defines, in its order; none that begin with `_`."""
    return [
        name
        for name, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", "") == module.__name__ and name[0] != "_"
    ]


def required_arguments(function: Callable[..., Any]) -> list[str]:
    """Those without a default; empty where C code does not tell."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    return [
        p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]


@contextmanager
def blame_user(code: str, file: Path) -> Iterator[None]:
    """Any failure of the user's code as `code`, with the last line of it in that file's folder."""
    try:
        yield
    except (TaskError, MemoryError):
        raise
    except (Exception, SystemExit) as error:  # the seam to the user's code: it may raise anything
        if isinstance(error, OSError) and error.errno in _NOT_ITS_FAULT:
            raise
        traceback.print_exc()
        raise TaskError(
            code, f"{_place(file, error)}: {summarize(error)}", hint=_advise(file, error)
        ) from error


def _place(file: Path, error: BaseException) -> str:
    """`file, line N` of the innermost line that is the user's own."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return f"{error.filename}, line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).parent == file.parent]
    return f"{own[-1].filename}, line {own[-1].lineno}" if own else str(file)


def _advise(file: Path, error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError):
        return (
            f"Install it in the Python that runs the file (python -m pip install {error.name}), or name one that "
            "has it: --python path/to/python."
        )
    if any(isinstance(cause, (URLError, socket.gaierror, ConnectionError)) for cause in _causes(error)):
        return (
            "It runs without a network and with an empty home folder: download first, and name files in full."
        )
    frames = traceback.extract_tb(error.__traceback__)
    if any("multiprocessing" in frame.filename for frame in frames):
        return "It can share no memory between processes: load in one, DataLoader(..., num_workers=0)."
    if isinstance(error, PermissionError):
        return "It may read all that you may, and write only into the folder that it starts in."
    if isinstance(error, FileNotFoundError):
        return "It starts in an empty folder: name files by Path(__file__).parent."
    return f"Run it by itself to see the whole error: python {file.name}"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what led to it."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__
