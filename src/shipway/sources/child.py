"""Runs a worker in a child process, so that a framework's crash, leak, hang or hostile file stays there.

The child gets a job file and a folder, writes its results into the folder, and says on standard output, a
JSON line at a time, how far it is (`workers/wire.py`). It runs without a network and under limits of time, memory
and disk, and neither it nor its descendants outlive the call. No framework may be imported here.
"""

from __future__ import annotations

import json
import os
import secrets
import selectors
import shutil
import signal
import site
import subprocess
import sys
import tempfile
import time
import weakref
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from shipway.errors import (
    DiskFullError,
    MissingDependencyError,
    ShipwayError,
    WorkerCrashedError,
    WorkerDiskError,
    WorkerError,
    WorkerMemoryError,
    error_class,
)
from shipway.os_errors import os_errors_as_ours
from shipway.sources.base import Limits, Progress
from shipway.sources.processes import kill_all
from shipway.sources.usage import LOOK_SECONDS, MORE_MEMORY, Usage
from shipway.sources.workers.removal import remove_tree

WORKERS: Final = Path(__file__).resolve().parent / "workers"

_LOG_LINES = 15
_LOG_WIDTH = 400
_LINE_BYTES = 1 << 20
"""A longer line on the wire is no message of ours."""
_MARK = "SHIPWAY_WORKER"
_NO_SPACE = "no space left on device"
_NO_MEMORY = "std::bad_alloc"
"""The last word of a C++ program that was refused memory."""


@dataclass(frozen=True)
class Task:
    """One thing that the worker is asked for; `arguments` are JSON."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What became of one task: its JSON result, or the error that ended it or an earlier one."""

    result: Mapping[str, Any] | None = None
    error: ShipwayError | None = None

    def unwrap(self) -> Mapping[str, Any]:
        """The result. Raises the task's error."""
        if self.error is not None:
            raise self.error
        assert self.result is not None
        return self.result


@dataclass(frozen=True)
class Run:
    """What became of a child: one outcome per task, and what it used."""

    outcomes: tuple[Outcome, ...]
    seconds: float
    peak_bytes: int
    """The largest resident memory of the child and its descendants that was seen."""
    confined: Mapping[str, str] = field(default_factory=dict)
    """How `sizes`, `network`, `privileges` and `files` were taken from the child, or `"open: "` and why they were
    not (`workers/confine.py`); empty for a child that did not come so far."""


class Scratch:
    """A temporary folder that is gone after `close`, at garbage collection, and at the interpreter's exit."""

    def __init__(self, parent: Path | None = None) -> None:
        with os_errors_as_ours("make a working folder", parent or Path(tempfile.gettempdir())):
            self.path = Path(tempfile.mkdtemp(prefix="shipway-", dir=parent)).resolve()
        self.close = weakref.finalize(self, remove_tree, self.path)

    def folder(self, name: str) -> Path:
        """A new folder in it whose name begins with `name`."""
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.path))


def run(
    worker: Path,
    tasks: Sequence[Task],
    *,
    folder: Path,
    limits: Limits,
    progress: Progress,
    python: Path | None = None,
    extra: str = "keras",
    environment: Mapping[str, str] | None = None,
    temporary: Path | None = None,
) -> Run:
    """Runs the tasks in one child, in order; the first failure ends it and is the outcome of all that follow.

    `folder` is the child's own working directory. `temporary` is a folder that holds it (None: `folder`
    itself): the child can write nowhere else, what lies in it counts against the limit on disk, and if this
    process dies meanwhile, the child's guard removes it.
    `python` is another interpreter to run it with; `extra` names the part of Shipway that would install what
    is missing in this one. Raises `MissingDependencyError` when the interpreter cannot be started and
    `DiskFullError`; whatever happens later stands in the outcomes.
    """
    interpreter = _find_interpreter(python)
    mark = secrets.token_hex(16)
    home = folder / "home"
    command = [str(interpreter), "-B", str(WORKERS), str(worker), str(folder / "job.json")]
    with os_errors_as_ours("look at the child's folder", folder):
        usage = Usage((temporary or folder).resolve(), limits)
    job = {
        "temporary": str(temporary or folder),
        "limits": usage.kernel_limits(),
        "home": str(home),
        "tasks": [{"task": t.name, **t.arguments} for t in tasks],
    }
    with os_errors_as_ours("write the child's job", folder):
        home.mkdir(exist_ok=True)
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env=_child_environment(home, mark, environment or {}),
            start_new_session=True,
        )
    except OSError as error:
        raise MissingDependencyError(
            f"The interpreter {interpreter} could not be started: {error.strerror or error}.",
            hint="Give the path of a Python with --python, for example path/to/venv/bin/python.",
        ) from error
    watch = _Watch(process, usage, progress)
    try:
        cause = watch.follow()
    finally:
        _end(process, f"{_MARK}={mark}")
    outcomes = _outcomes(watch, cause, tasks, python=python, extra=extra)
    return Run(outcomes, time.monotonic() - usage.started, usage.peak_bytes, watch.confined)


def _find_interpreter(python: Path | None) -> Path:
    """The interpreter's path; not resolved, because a virtual environment is told by its link."""
    if python is None:
        return Path(sys.executable)
    given = python.expanduser()
    if given.is_file() and os.access(given, os.X_OK):
        return given.absolute()  # before the search path, which a name without a slash would mean
    found = shutil.which(given)
    if found is None:
        what = (
            "is a folder" if python.is_dir() else "is not executable" if python.exists() else "does not exist"
        )
        raise MissingDependencyError(
            f"The interpreter {python} {what}.",
            hint="Give the path of a Python with --python, for example path/to/venv/bin/python.",
        )
    return Path(found).absolute()


def _child_environment(home: Path, mark: str, own: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with every place to write led into `home`, and nothing that changes Python."""
    dropped = {"PYTHONHOME", "PYTHONSTARTUP", "PYTHONINSPECT", "PYTHONWARNINGS", "PYTHONSAFEPATH"}
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    caches = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "KERAS_HOME", "TORCH_HOME", "HF_HOME")
    folders = {
        name: str(home / name.lower()) for name in (*caches, "MPLCONFIGDIR", "TORCHINDUCTOR_CACHE_DIR")
    }
    settings = {
        "CUDA_VISIBLE_DEVICES": "-1",  # TF32 on a GPU is a thousand times coarser than the CPU's float32
        "JOBLIB_MULTIPROCESSING": "0",  # needs semaphores in /dev/shm, where a child may not write, and says so
        "ORT_DISABLE_TELEMETRY": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONFAULTHANDLER": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONUSERBASE": os.environ.get("PYTHONUSERBASE") or site.getuserbase(),
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "TMPDIR": str(home),
        _MARK: mark,
    }
    return {**kept, **folders, **settings, **own}


def _end(process: subprocess.Popen[bytes], mark: str) -> None:
    """Leaves no process: lets the guard go, kills whatever is left, and reaps the child."""
    assert process.stdin is not None
    with suppress(OSError):  # the guard is gone, or was never started
        os.write(process.stdin.fileno(), b".")
    kill_all(process.pid, mark)
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


class _Watch:
    """Follows one child to its end: its lines, its log, its use of the machine."""

    def __init__(self, process: subprocess.Popen[bytes], usage: Usage, progress: Progress) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self.results: dict[int, Mapping[str, Any]] = {}
        self.failure: Mapping[str, Any] | None = None
        self.log: deque[str] = deque(maxlen=_LOG_LINES)
        self.confined: Mapping[str, str] = {}
        self.process = process
        self._usage = usage
        self._progress = progress
        self._buffers = {process.stdout.fileno(): b"", process.stderr.fileno(): b""}
        self._wire = process.stdout.fileno()

    def follow(self) -> WorkerError | None:
        """Returns when the child has ended (None) or is over a limit (the error); kills nothing itself."""
        with selectors.DefaultSelector() as selector:
            for descriptor in self._buffers:
                os.set_blocking(descriptor, False)
                selector.register(descriptor, selectors.EVENT_READ)
            next_look = 0.0
            while self.process.poll() is None:
                for key, _ in selector.select(LOOK_SECONDS):
                    if not self._read(key.fd):
                        selector.unregister(key.fd)
                if time.monotonic() >= next_look:
                    over = self._usage.look(self.process.pid)
                    next_look = time.monotonic() + LOOK_SECONDS
                    if over is not None:
                        self._drain()
                        return type(over)(f"{over.message}{self.tail()}", hint=over.hint)
                if not selector.get_map():
                    time.sleep(0.01)  # both pipes are closed, and the process is still ending
        self._drain()
        return None

    def _drain(self) -> None:
        """Takes what lies in the pipes now; a descendant may hold them open for ever, or write without end."""
        for descriptor in list(self._buffers):
            for _ in range(64):
                if not self._read(descriptor):
                    break
            rest, self._buffers[descriptor] = self._buffers[descriptor], b""
            self._take(descriptor, rest)

    def _read(self, descriptor: int) -> bool:
        """Reads once without waiting; False when there is nothing more."""
        try:
            data = os.read(descriptor, 1 << 16)
        except BlockingIOError:
            return False
        *lines, rest = (self._buffers[descriptor] + data).split(b"\n")
        for line in lines:
            self._take(descriptor, line)
        self._buffers[descriptor] = rest if len(rest) <= _LINE_BYTES else b""
        return bool(data)

    def _take(self, descriptor: int, line: bytes) -> None:
        message = _parse(line) if descriptor == self._wire else None
        if message is None:
            text = line.decode("utf-8", "replace").strip()
            if text:
                self.log.append(text[:_LOG_WIDTH])
        elif "progress" in message:
            self._progress(str(message["progress"]))
        elif "confined" in message:
            self.confined = message["confined"]
        elif "result" in message:
            self.results[int(message["task"])] = message["result"]
        else:
            self.failure = message["error"]

    def tail(self) -> str:
        """The last lines that the child printed, ready to follow a sentence; empty when it was silent."""
        return (
            "\nThe last lines it printed:\n" + "\n".join(f"  {line}" for line in self.log) if self.log else ""
        )


def _parse(line: bytes) -> Mapping[str, Any] | None:
    """A message of the wire's form, or None."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict):
        return None
    if "progress" in message or isinstance(message.get("confined"), dict):
        return message
    if isinstance(message.get("task"), int) and (
        isinstance(message.get("result"), dict) or isinstance(message.get("error"), dict)
    ):
        return message
    return None


def _outcomes(
    watch: _Watch, cause: ShipwayError | None, tasks: Sequence[Task], *, python: Path | None, extra: str
) -> tuple[Outcome, ...]:
    done = [Outcome(result=watch.results[i]) for i in range(len(tasks)) if i in watch.results]
    if len(done) == len(tasks):
        return tuple(done)
    if cause is None and watch.failure is not None:
        cause = _translate(watch.failure, python=python, extra=extra, tail=watch.tail())
    failed = Outcome(error=cause or _explain_end(watch))
    return (*done, *[failed] * (len(tasks) - len(done)))


def _translate(failure: Mapping[str, Any], *, python: Path | None, extra: str, tail: str) -> ShipwayError:
    """The error of the code that the worker named."""
    message, hint = str(failure.get("message", "")), str(failure.get("hint", ""))
    kind = error_class(str(failure.get("code"))) or WorkerCrashedError
    if kind is MissingDependencyError:
        packages = failure.get("packages", ())
        is_absent = message.startswith("Not installed")  # else it is there in another version
        return MissingDependencyError(
            message, hint=_install_line(python, packages, extra if is_absent else None)
        )
    if kind is WorkerCrashedError:
        message = f"The child process failed: {message}{tail}"
    return kind(message, hint=hint or _HINTS.get(kind, ""))


_HINTS: Final[Mapping[type[ShipwayError], str]] = {
    DiskFullError: "Free some space, or set TMPDIR to a folder on a larger disk.",
    WorkerMemoryError: MORE_MEMORY,
    WorkerDiskError: "Allow larger files in Python: Limits(file_bytes=...).",
}


def _install_line(python: Path | None, packages: Sequence[str], extra: str | None) -> str:
    """The pip line that installs what a worker misses, for the interpreter that it ran in.

    The extra brings all that the format needs, and not just what was missed first; None: packages to update.
    """
    if python is not None:
        return f"{python} -m pip install {' '.join(packages)}"
    if extra is None:
        return f"pip install --upgrade {' '.join(packages)}"
    return f"pip install 'shipway[{extra}]'" if extra else "pip install --force-reinstall shipway"


def _explain_end(watch: _Watch) -> ShipwayError:
    """A child that ended without a word: by a signal, or by an exit of its own."""
    status = watch.process.returncode
    if any(_NO_SPACE in line.lower() for line in watch.log):
        return DiskFullError(
            f"The child process found no space left to write to.{watch.tail()}",
            hint=_HINTS[DiskFullError],
        )
    if -status == signal.SIGXFSZ:
        return WorkerDiskError(
            f"The child process wrote a larger file than it may.{watch.tail()}", hint=_HINTS[WorkerDiskError]
        )
    if status < 0 and any(_NO_MEMORY in line for line in watch.log):
        return WorkerMemoryError(
            f"The child process found no memory left.{watch.tail()}", hint=_HINTS[WorkerMemoryError]
        )
    if status < 0:
        name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
        hint = "The kernel does this when memory runs out." if -status == signal.SIGKILL else ""
        return WorkerCrashedError(f"The child process was ended by {name}.{watch.tail()}", hint=hint)
    return WorkerCrashedError(f"The child process ended with status {status} and no result.{watch.tail()}")
