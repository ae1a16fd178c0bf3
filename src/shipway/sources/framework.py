"""A source whose model lives in a child process: one way to ask and to convert, whatever the framework.

A format adds to it what it can tell without its framework (`describe`), and what it refuses before any child
starts.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np

from shipway.bundle.files import sha256_of
from shipway.errors import SourceUnsupportedError
from shipway.os_errors import os_errors_as_ours
from shipway.sources.base import (
    Answers,
    Conversion,
    Description,
    LayerAnswer,
    Limits,
    Progress,
    Reference,
)
from shipway.sources.child import WORKERS, Outcome, Scratch, Task, run
from shipway.sources.routes import Way, find_ways
from shipway.sources.tensor_files import load_tensors, save_tensors
from shipway.sources.workers.edge import Edge
from shipway.sources.workers.loaded import is_request
from shipway.types import DType, Signature, Tensors, TensorSpec

_WORKER: Final = WORKERS / "worker.py"


class FrameworkSource:
    """One model file. Give its temporary files back with `close`; it may be used again afterwards."""

    format: ClassVar[str]
    loader: ClassVar[str]
    """The file in `workers/loaders/` that loads it."""
    extra: ClassVar[str] = ""
    """The extra of Shipway that brings what the loader needs."""
    requires: ClassVar[Mapping[str, str]] = {}
    """Modules that the loader imports → what pip calls them; `"tensorflow|torch"`: one of these."""
    link_name: ClassVar[str] = ""
    """The file's name in the child, for frameworks that go by it or write beside it; empty: its own path."""

    def __init__(
        self, path: Path, *, python: Path | None, limits: Limits, settings: Mapping[str, Any]
    ) -> None:
        self.path = path
        self._python = python
        self._limits = limits
        self._settings = dict(settings)
        """For the loader; JSON."""
        self._scratch: Scratch | None = None
        self._ready: dict[str, tuple[Outcome, Path]] = {}
        """Exports that ran ahead, in the reference's child: edge → outcome and folder."""
        self._signature: Signature | None = None
        self._confined: Mapping[str, str] = {}

    def describe(self) -> Description:
        """What the file tells without its framework."""
        raise NotImplementedError

    def description(
        self,
        details: Mapping[str, Any],
        *,
        inputs: tuple[TensorSpec, ...] | None = None,
        asks_inputs: tuple[str, ...] | None = None,
        value_ranges: Mapping[str, tuple[float, float]] | None = None,
    ) -> Description:
        """What every format says alike, with what this one tells of its own."""
        sha256, size_bytes = self.digest()
        return Description(
            format=self.format,
            path=self.path,
            size_bytes=size_bytes,
            sha256=sha256,
            signature=self._signature,
            inputs=inputs,
            asks_inputs=asks_inputs,
            details=details,
            value_ranges=value_ranges or {},
        )

    def digest(self) -> tuple[str, int]:
        """sha256 and bytes of what the model is made from."""
        return digest_and_size(self.path)

    def refuse(self) -> None:
        """Raises `SourceUnsupportedError` for a model that must not or cannot run, before any process starts."""

    def assume_inputs(self, inputs: tuple[TensorSpec, ...]) -> None:
        """Passes them to the loader."""
        self._settings["inputs"] = [specification(spec) for spec in inputs]

    def learn_signature(self, progress: Progress) -> Signature:
        """Asks the framework (seconds), once. Raises `WorkerError`, `SourceError`, `MissingDependencyError`."""
        if self._signature is None:
            self.refuse()
            with self._folder("signature") as folder:
                (outcome,) = self._run([self._task("signature")], folder, progress, extra=self.extra)
                self._signature = read_signature(outcome.unwrap()["signature"])
        return self._signature

    def reference(
        self, cases: Mapping[str, Tensors], progress: Progress, *, ahead: Edge | None = None
    ) -> Reference:
        """Raises `WorkerError`, `SourceError`, `DataMismatchError`, `MissingDependencyError`, `DiskFullError`."""
        answer = self._ask(cases, progress, thorough=True, ahead=ahead)
        return Reference(
            answer["signature"],
            answer["outputs"],
            answer["precise"],
            answer["repeated"],
            versions=answer["versions"],
            confined=self._confined,
        )

    def answer(self, cases: Mapping[str, Tensors], progress: Progress) -> Answers:
        """Raises what `reference` raises."""
        answer = self._ask(cases, progress, thorough=False, ahead=None)
        return Answers(answer["signature"], answer["outputs"], answer["versions"])

    def tap(self, inputs: Tensors, progress: Progress) -> Sequence[LayerAnswer]:
        """Raises what `reference` raises."""
        self.refuse()
        with self._folder("taps") as folder:
            task = self._task("taps", inputs=save_tensors(folder / "inputs.npz", inputs), out=str(folder))
            (outcome,) = self._run([task], folder, progress, extra=self.extra)
            return [_layer(told) for told in outcome.unwrap()["layers"]]

    def ways(self, to: str) -> Sequence[Way]:
        """By the facts of `describe`. Raises `UsageError` where there is no way."""
        return find_ways(self.format, to, self.describe().details)

    def convert(self, edge: Edge, into: Path, *, samples: Tensors, progress: Progress) -> Conversion:
        """Raises `ExportError`, `WorkerError`, `SourceError`, `MissingDependencyError`, `DiskFullError`."""
        self.refuse()
        outcome, folder = self._ready.pop(edge.name, (None, None))
        if outcome is None or folder is None:
            folder = self._keep_folder("export")
            extra = edge.extra or self.extra
            (outcome,) = self._run([self._export(edge, folder, samples)], folder, progress, extra=extra)
        try:
            result = outcome.unwrap()
            with os_errors_as_ours("write the converted model", into):
                for item in (folder / "out").iterdir():
                    shutil.move(item, into / item.name)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return Conversion(into / edge.result, versions=result["versions"])

    def close(self) -> None:
        """Removes every temporary file; may be called twice."""
        self._ready.clear()
        if self._scratch is not None:
            self._scratch.close()
            self._scratch = None

    def _ask(
        self, cases: Mapping[str, Tensors], progress: Progress, *, thorough: bool, ahead: Edge | None
    ) -> dict[str, Any]:
        self.refuse()
        early = ahead if ahead is not None and self._runs_beside(ahead) else None
        exports = {} if early is None else {early.name: self._keep_folder("export")}
        with self._folder("reference") as folder:
            files = {
                case: save_tensors(folder / f"case-{n}.npz", cases[case]) for n, case in enumerate(cases)
            }
            tasks = [self._task("reference", cases=files, out=str(folder), thorough=thorough)]
            if early is not None:
                tasks.append(self._export(early, exports[early.name], _examples(cases)))
            outcomes = self._run(tasks, folder, progress, extra=self.extra)
            answer = outcomes[0].unwrap()
            for name, out in exports.items():
                self._ready[name] = (outcomes[1], out)
            self._signature = self._signature or read_signature(answer["signature"])
            names = [spec.name for spec in self._signature.outputs]
            read = {
                kind: {case: load_tensors(Path(file), names) for case, file in found.items()}
                for kind, found in answer["files"].items()
            }
        return {"signature": self._signature, "versions": answer["versions"], **read}

    def _runs_beside(self, edge: Edge) -> bool:
        """Whether the edge's loader settings are those that the reference's child has anyway."""
        return all(
            list(self._settings.get(key, ()))[: len(value)] == list(value)
            for key, value in edge.settings.items()
        )

    def _export(self, edge: Edge, folder: Path, samples: Tensors) -> Task:
        out = folder / "out"
        out.mkdir()
        return self._task(
            "export",
            edge=edge.name,
            edge_file=edge.file,
            out=str(out / edge.result),
            samples=save_tensors(folder / "samples.npz", samples) if edge.from_examples else None,
            settings={**self._settings, **edge.settings},
        )

    def _task(self, name: str, **arguments: Any) -> Task:  # noqa: ANN401 - JSON
        common = {
            "loader": self.loader,
            "model": str(self._place()),
            "settings": self._settings,
            "requires": {**self.requires, "numpy": "numpy"},
        }
        return Task(name, {**common, **arguments})

    def _run(
        self, tasks: Sequence[Task], folder: Path, progress: Progress, *, extra: str
    ) -> Sequence[Outcome]:
        done = run(
            _WORKER,
            tasks,
            folder=folder,
            limits=self._limits,
            progress=progress,
            python=self._python,
            extra=extra,
            temporary=self._opened().path,
        )
        self._confined = done.confined
        return done.outcomes

    def _place(self) -> Path:
        if not self.link_name:
            return self.path.resolve()
        link = self._opened().path / self.link_name
        if not link.is_symlink():
            link.symlink_to(self.path.resolve())
        return link

    def _opened(self) -> Scratch:
        if self._scratch is None:
            self._scratch = Scratch(self._limits.scratch)
        return self._scratch

    def _keep_folder(self, name: str) -> Path:
        """A new temporary folder that stays until `close`."""
        return self._opened().folder(name)

    @contextmanager
    def _folder(self, name: str) -> Iterator[Path]:
        """A new temporary folder that is removed after the body."""
        path = self._keep_folder(name)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)


def _examples(cases: Mapping[str, Tensors]) -> Tensors:
    """For exporters that trace: two rows of the first case, or its one request whole."""
    case, inputs = next(iter(cases.items()))
    return inputs if is_request(case) else {name: array[:2] for name, array in inputs.items()}


def _layer(told: Mapping[str, Any]) -> LayerAnswer:
    """From the file that `workers/answers.py` wrote."""
    with np.load(told["file"], allow_pickle=False) as archive:
        return LayerAnswer(
            name=told["name"],
            kind=told["kind"],
            inputs=tuple(archive[f"i{number}"] for number in range(told["inputs"])),
            outputs=tuple(archive[f"o{number}"] for number in range(told["outputs"])),
            parameters={name: archive[f"p{number}"] for number, name in enumerate(told["parameters"])},
        )


def digest_and_size(path: Path) -> tuple[str, int]:
    """sha256 and bytes of a file. Raises `PermissionDeniedError` and its like."""
    with os_errors_as_ours("read the model", path):
        return sha256_of(path), path.stat().st_size


def specification(spec: TensorSpec) -> dict[str, Any]:
    """As `workers/loaded.py` has it."""
    dtype = "string" if spec.dtype is DType.BYTES else spec.dtype.numpy.name
    return {"name": spec.name, "dtype": dtype, "shape": list(spec.shape)}


def read_signature(found: Mapping[str, Any]) -> Signature:
    """The worker's JSON as a signature. Raises `SourceUnsupportedError` for a dtype that is not served."""

    def specs(side: str) -> tuple[TensorSpec, ...]:
        return tuple(TensorSpec(s["name"], _dtype(s), tuple(s["shape"])) for s in found[side])

    return Signature(inputs=specs("inputs"), outputs=specs("outputs"))


def _dtype(spec: Mapping[str, Any]) -> DType:
    if spec["dtype"] == "string":
        return DType.BYTES
    try:
        return DType.of(np.dtype(spec["dtype"]))
    except (TypeError, ValueError) as error:
        raise SourceUnsupportedError(
            f"{spec['name']} is of dtype {spec['dtype']}, which is not served.",
            hint="Cast it in the model to float32 or an integer type.",
        ) from error
