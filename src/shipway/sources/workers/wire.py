"""The child's end of the wire: a job file in, JSON lines out. Standard library only.

One line is one of
    {"progress": "few words"}
    {"confined": {"network": "namespace", ...}}
    {"task": 0, "result": {...}}
    {"task": 0, "error": {"code", "message", "hint", "packages"}}
Only this file writes to the pipe that the parent reads: what a framework prints on standard output is led
to standard error, so it can neither break nor forge a line.
"""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .confine import OPEN, confine
from .removal import remove_tree

Task = Callable[[Mapping[str, Any]], Mapping[str, Any]]

_wire = sys.stdout
"""Standard output until `serve` has put the framework's prints elsewhere."""

NO_SPACE = "no space left on device"
FILE_TOO_LARGE = "file too large"
"""How the C library words EFBIG, which a write past the limit on one file gets."""
NO_MEMORY = ("std::bad_alloc", "cannot allocate memory", "can't allocate memory", "failed to allocate memory")
"""How the C++ library, the C library, torch and ONNX Runtime say that memory ran out."""
_COLOR = re.compile(r"\x1b\[[0-9;]*m")
"""Keras writes its messages in bold, for a terminal."""
CLEAN_END = b"."
"""What the parent writes before it closes the pipe; its absence means that the parent died."""


class TaskError(Exception):
    """A failure that the parent turns into the `ShipwayError` of that code."""

    def __init__(self, code: str, message: str, *, hint: str = "", packages: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.packages = tuple(packages)
        """For `environment.missing`: what pip would have to install."""


def progress(text: str) -> None:
    """Says in a few words what happens now."""
    _send({"progress": text})


@contextmanager
def blame(code: str, doing: str, *, hint: str = "") -> Iterator[None]:
    """Reports any failure of the framework inside as `code`; a full disk, memory and our own errors stay."""
    try:
        yield
    except TaskError:
        raise
    except Exception as error:
        special = _translate(error)
        if special is not None:
            raise special from error
        traceback.print_exc()
        raise TaskError(code, f"{doing}: {summarize(error)}", hint=hint) from error


def summarize(error: BaseException, limit: int = 600) -> str:
    """An exception in one short paragraph: its type and the first lines of its text."""
    text = _COLOR.sub("", str(error))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    text = f"{type(error).__name__}: {' '.join(lines[:4])}" if lines else type(error).__name__
    return text if len(text) <= limit else text[: limit - 1] + "…"


def serve(job_file: Path, load_tasks: Callable[[], Mapping[str, Task]]) -> None:
    """Runs the job's tasks in order and reports each; stops at the first that fails. Ends the process."""
    global _wire
    _wire = _take_standard_output()
    code = 0
    index = 0
    try:
        job = json.loads(job_file.read_text(encoding="utf-8"))
        _leave_no_orphan(Path(job["temporary"]))
        os.environ["HOME"] = job["home"]  # after start-up, so that the user's own site-packages are found
        _confine(job)
        tasks = load_tasks()
        for index, task in enumerate(job["tasks"]):
            _send({"task": index, "result": tasks[task["task"]](task)})
    except TaskError as error:
        _send_error(index, error)
        code = 1
    except Exception as error:  # noqa: BLE001 - the child's outermost door
        traceback.print_exc()
        _send_error(index, _translate(error) or TaskError("worker.crashed", summarize(error)))
        code = 1
    _wire.flush()
    sys.stderr.flush()
    # Frameworks' exit handlers and threads can hang or crash; every result is on disk by now.
    os._exit(code)


def _confine(job: Mapping[str, Any]) -> None:
    """After the guard, which must outlive this process and so may not lie under its limits."""
    confined = confine(Path(job["temporary"]), job["limits"])
    _send({"confined": confined})
    if confined["network"].startswith(OPEN):
        progress("the child could not be cut off from the network")


def _translate(error: BaseException) -> TaskError | None:
    """The failures that mean the same wherever they happen: no space, no memory, too large a file."""
    seen: BaseException | None = error
    while seen is not None:
        number = seen.errno if isinstance(seen, OSError) else None
        text = str(seen).lower()
        if (
            isinstance(seen, MemoryError)
            or number == errno.ENOMEM
            or any(words in text for words in NO_MEMORY)
        ):
            return TaskError("worker.memory", f"the child ran out of memory: {summarize(seen)}")
        if number == errno.EFBIG or FILE_TOO_LARGE in text:
            return TaskError("worker.disk", f"the child wrote too large a file: {summarize(seen)}")
        if number in (errno.ENOSPC, errno.EDQUOT) or NO_SPACE in text:
            return TaskError("environment.disk-full", f"the child could not write: {summarize(seen)}")
        seen = seen.__cause__ or seen.__context__
    return None


def _send_error(index: int, error: TaskError) -> None:
    body = {"code": error.code, "message": error.message, "hint": error.hint}
    _send({"task": index, "error": {**body, "packages": list(error.packages)}})


def _send(line: Mapping[str, Any]) -> None:
    _wire.write(json.dumps(line) + "\n")
    _wire.flush()


def _take_standard_output() -> Any:  # noqa: ANN401 - a text stream; its class is private to `io`
    """Keeps the pipe for the wire and leads file descriptor 1 to standard error."""
    sys.stdout.flush()
    wire = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return wire


def _leave_no_orphan(folder: Path) -> None:
    """Starts a guard that ends this process group and removes its files when the parent dies.

    A process of its own, because a thread could not act while a framework holds the interpreter's lock. It
    learns of the parent's death by the end of standard input, which the parent holds open.
    """
    worker = os.getpid()
    if os.fork() == 0:
        os.setpgid(0, 0)
        quiet = os.open(os.devnull, os.O_RDWR)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        os.close(_wire.fileno())
        for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(sign, signal.SIG_IGN)
        if os.read(0, 1) != CLEAN_END:
            with suppress(ProcessLookupError):
                os.killpg(worker, signal.SIGKILL)
            remove_tree(folder)
        os._exit(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
