"""The child that answers for one `.keras` file, and the ways to ONNX that it offers.

Which way serves which model, with figures: docs/decisions/0002-keras-to-onnx-ladder.md.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from shipway.os_errors import os_errors_as_ours
from shipway.sources.base import Conversion, Limits, Progress
from shipway.sources.child import WORKERS, Outcome, Scratch, Task, run
from shipway.sources.tensor_files import save_tensors
from shipway.types import Tensors

_WORKER: Final = WORKERS / "keras_worker.py"
_EXTRAS: Final = {"tensorflow": "keras", "torch": "keras,torch"}
"""Backend → the extras of Shipway that install what its exporters need."""


class KerasChild:
    """Starts children that know one `.keras` file, and keeps their temporary files until `close`."""

    def __init__(self, path: Path, *, python: Path | None, limits: Limits) -> None:
        self._path = path
        self._python = python
        self._limits = limits
        self._scratch: Scratch | None = None

    def task(self, name: str, backends: Sequence[str], **arguments: Any) -> Task:  # noqa: ANN401 - JSON
        """A task of the Keras worker on this file, on the first of `backends` that is installed."""
        return Task(name, {"model": str(self._link()), "backends": list(backends), **arguments})

    def run(
        self, tasks: Sequence[Task], folder: Path, progress: Progress, *, extra: str = "keras"
    ) -> Sequence[Outcome]:
        """Runs the tasks in one child; one outcome per task. Raises as `child.run` does."""
        return run(
            _WORKER,
            tasks,
            folder=folder,
            limits=self._limits,
            progress=progress,
            python=self._python,
            extra=extra,
            temporary=self._opened().path,
        ).outcomes

    def keep_folder(self, name: str) -> Path:
        """A new temporary folder that stays until `close`."""
        return self._opened().folder(name)

    @contextmanager
    def folder(self, name: str) -> Iterator[Path]:
        """A new temporary folder that is removed after the body."""
        path = self.keep_folder(name)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def close(self) -> None:
        """Removes all temporary files."""
        if self._scratch is not None:
            self._scratch.close()
            self._scratch = None

    def _opened(self) -> Scratch:
        if self._scratch is None:
            self._scratch = Scratch(self._limits.scratch)
        return self._scratch

    def _link(self) -> Path:
        """Keras loads only what ends in `.keras`, and may unpack weights into the folder where it lies."""
        link = self._opened().path / "model.keras"
        if not link.is_symlink():
            link.symlink_to(self._path.resolve())
        return link


@dataclass(frozen=True)
class KerasWay:
    """One exporter on one backend."""

    name: str
    exporter: str
    backend: str
    child: KerasChild
    ready: dict[str, tuple[Outcome, Path]]
    """Exports that ran ahead, in the reference's child: way → outcome and folder. Taken out by `convert`."""
    refuse: Callable[[], None]
    """Raises for a model that must not run."""

    def task(self, folder: Path, samples: Tensors | None) -> Task:
        """The export into `folder`; `samples` where the exporter needs an example."""
        out = str(folder / "model.onnx")
        example = None if samples is None else save_tensors(folder / "samples.npz", samples)
        return self.child.task("export", [self.backend], exporter=self.exporter, out=out, samples=example)

    def convert(self, into: Path, *, samples: Tensors, progress: Progress) -> Conversion:
        """Writes `model.onnx` into the empty folder `into`, with external data beside it for large weights.

        Raises `ExportError`, `WorkerError`, `SourceError`, `MissingDependencyError`, `DiskFullError`.
        """
        self.refuse()
        outcome, folder = self.ready.pop(self.name, (None, None))
        if outcome is None or folder is None:
            folder = self.child.keep_folder("export")
            (outcome,) = self.child.run(
                [self.task(folder, samples)], folder, progress, extra=_EXTRAS[self.backend]
            )
        try:
            result = outcome.unwrap()
            with os_errors_as_ours("write the ONNX file", into):
                for file in folder.glob("model.onnx*"):
                    shutil.move(file, into / file.name)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return Conversion(into / "model.onnx", versions=result["versions"])


def ladder(
    child: KerasChild,
    ready: dict[str, tuple[Outcome, Path]],
    *,
    torch_first: bool,
    refuse: Callable[[], None],
) -> list[KerasWay]:
    """All ways, the one that serves the model best first; the arguments are those of `KerasWay`."""
    tensorflow = [
        KerasWay("tensorflow/tf2onnx-function", "tf2onnx-function", "tensorflow", child, ready, refuse),
        KerasWay("tensorflow/keras-export", "keras-export", "tensorflow", child, ready, refuse),
    ]
    torch = [
        KerasWay("torch/dynamo", "torch-dynamo", "torch", child, ready, refuse),
        KerasWay("torch/dynamo-plain", "torch-dynamo-plain", "torch", child, ready, refuse),
    ]
    return [*torch, *tensorflow] if torch_first else [*tensorflow, *torch]
