"""ONNX files: described here, since the graph can be read without running it; asked in a child process.

The reference is ONNX Runtime with every graph optimization off, so the verdict is on what a bundle's session
does beyond the plain reading of the file: optimization, mapped weights, batching.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar, Final

from shipway.bundle.files import sha256_of
from shipway.graph.read import read_graph, read_signature, summarize
from shipway.graph.wire import outline
from shipway.needs import Need, Needs
from shipway.os_errors import os_errors_as_ours
from shipway.sources.base import Conversion, Description, Limits, Progress, Reference
from shipway.sources.child import WORKERS, Scratch, Task, run
from shipway.sources.tensor_files import load_tensors, save_tensors
from shipway.types import Array, Signature, Tensors

_WORKER: Final = WORKERS / "onnx_worker.py"


class OnnxFormat:
    """The Open Neural Network Exchange format, with weights inside or beside the file."""

    name: ClassVar[str] = "onnx"
    extensions: ClassVar[tuple[str, ...]] = (".onnx",)
    needs: ClassVar[Needs] = Needs(
        purpose="reads .onnx files",
        packages=(Need("onnx", ">=1.18,<2"), Need("onnxruntime", ">=1.22,<2")),
    )

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """True for a protobuf whose outermost fields are those of an ONNX model, also when it was cut off."""
        return outline(path).is_onnx

    @classmethod
    def open(cls, path: Path, *, python: Path | None, limits: Limits) -> OnnxSource:
        """Raises `SourceDamagedError`."""
        return OnnxSource(path, python=python, limits=limits)


class OnnxSource:
    """One ONNX file."""

    def __init__(self, path: Path, *, python: Path | None, limits: Limits) -> None:
        self.path = path
        self._python = python
        self._limits = limits
        self._graph = read_graph(path)
        self._signature = read_signature(self._graph)

    def describe(self) -> Description:
        """From the graph alone. Raises `SourceDamagedError`, `SourceUnsupportedError`."""
        facts = summarize(self._graph, self.path)
        outside: list[str] = facts["external_data"]
        with os_errors_as_ours("read the model", self.path):
            return Description(
                format=OnnxFormat.name,
                path=self.path,
                size_bytes=self.path.stat().st_size,
                sha256=sha256_of(self.path),
                signature=self._signature,
                inputs=self._signature.inputs,
                details={
                    **facts,
                    "external_data": {name: sha256_of(self.path.parent / name) for name in outside},
                },
            )

    def learn_signature(self, progress: Progress) -> Signature:
        """The graph tells it already."""
        del progress
        return self._signature

    def reference(self, cases: Mapping[str, Tensors], progress: Progress) -> Reference:
        """Asks ONNX Runtime, unoptimized. Raises `SourceUnsupportedError`, `WorkerError`, `DiskFullError`."""
        scratch = Scratch(self._limits.scratch)
        try:
            folder = scratch.path
            files = {
                name: save_tensors(folder / f"case-{number}.npz", cases[name])
                for number, name in enumerate(cases)
            }
            task = Task("reference", {"model": str(self.path.resolve()), "cases": files, "out": str(folder)})
            done = run(
                _WORKER,
                [task],
                folder=folder,
                limits=self._limits,
                progress=progress,
                # Named, so that the hint for a missing package is the line for that very interpreter: the base
                # install has all that this worker needs, so no extra of Shipway would bring it.
                python=self._python or Path(sys.executable),
            )
            (outcome,) = done.outcomes
            answer = outcome.unwrap()
            names = [spec.name for spec in self._signature.outputs]
            read: dict[str, dict[str, dict[str, Array]]] = {
                kind: {case: load_tensors(Path(file), names) for case, file in found.items()}
                for kind, found in answer["files"].items()
            }
            return Reference(signature=self._signature, versions=answer["versions"], **read)
        finally:
            scratch.close()

    def ways(self) -> Sequence[OnnxWay]:
        """One: it is ONNX already."""
        return [OnnxWay(self.path)]

    def close(self) -> None:
        """Nothing is kept open."""


@dataclass(frozen=True)
class OnnxWay:
    """The file itself, unchanged."""

    path: Path
    name: str = "onnx/as-it-is"

    def convert(self, into: Path, *, samples: Tensors, progress: Progress) -> Conversion:
        """Nothing is written into `into`; the bundle is made from the file where it lies."""
        del into, samples, progress
        return Conversion(model=self.path, versions={"onnx": version("onnx")})
