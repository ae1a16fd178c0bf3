"""Keras 3's `.keras` files: described from the archive alone, run and converted in a child process.

TensorFlow takes four seconds to start, so the first export runs in the same child as the reference where both
need TensorFlow; its file waits until `convert` of that way asks for it, or until `close`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np

from shipway.bundle.files import sha256_of
from shipway.errors import SourceUnsupportedError
from shipway.needs import Need, Needs
from shipway.os_errors import os_errors_as_ours
from shipway.sources.base import Description, Limits, Progress, Reference
from shipway.sources.child import Outcome
from shipway.sources.keras_archive import Archive, looks_like_keras, read_archive
from shipway.sources.keras_config import outline
from shipway.sources.keras_ways import KerasChild, KerasWay, ladder
from shipway.sources.tensor_files import load_tensors, save_tensors
from shipway.types import DType, Signature, Tensors, TensorSpec

_BACKENDS: Final = ("tensorflow", "torch")
"""For the reference: the first that the child's Python has. A `.keras` file does not say which trained it."""
_LARGE_BYTES: Final = 100 << 20
"""Of weights; from here on tf2onnx needs tens of times that in memory: docs/decisions/0002."""


class KerasFormat:
    """The `.keras` archive of Keras 3."""

    name: ClassVar[str] = "keras"
    extensions: ClassVar[tuple[str, ...]] = (".keras",)
    needs: ClassVar[Needs] = Needs(
        purpose="reads .keras files",
        packages=(
            Need("keras", ">=3.10,<4"),
            Need("tensorflow-cpu", ">=2.19,<2.22", alternatives=("tensorflow",)),
            Need("tf2onnx", ">=1.17,<2"),
        ),
        extra="keras",
    )

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """True for a zip archive with a Keras configuration, also for one that was cut off."""
        return looks_like_keras(path)

    @classmethod
    def open(cls, path: Path, *, python: Path | None, limits: Limits) -> KerasSource:
        """Reads the archive's table and configuration. Raises `SourceDamagedError`, `PermissionDeniedError`."""
        return KerasSource(path, read_archive(path), python=python, limits=limits)


class KerasSource:
    """One `.keras` file. Give its temporary files back with `close`."""

    def __init__(self, path: Path, archive: Archive, *, python: Path | None, limits: Limits) -> None:
        self.path = path
        self._archive = archive
        self._outline = outline(archive.config)
        self._child = KerasChild(path, python=python, limits=limits)
        self._ready: dict[str, tuple[Outcome, Path]] = {}
        self._signature: Signature | None = None

    def describe(self) -> Description:
        """From the archive alone; `signature` is None until the framework has told the outputs."""
        found = self._outline
        details: dict[str, Any] = {
            "model": found.kind,
            "keras_version": self._archive.metadata.get("keras_version"),
            "date_saved": self._archive.metadata.get("date_saved"),
            "layers": [dict(layer) for layer in found.layers],
            "weights_bytes": self._archive.weights_bytes,
            "weights_hold_optimizer": bool(self._archive.config.get("compile_config")),
            "needs_trust": list(found.needs_trust),
            "unsupported": list(found.unsupported),
        }
        with os_errors_as_ours("read the model", self.path):
            digest, size = sha256_of(self.path), self.path.stat().st_size
        return Description(
            format=KerasFormat.name,
            path=self.path,
            size_bytes=size,
            sha256=digest,
            signature=self._signature,
            inputs=found.inputs,
            details=details,
            value_ranges=found.value_ranges,
        )

    def learn_signature(self, progress: Progress) -> Signature:
        """Asks Keras (seconds), once. Raises `WorkerError`, `SourceError`, `MissingDependencyError`."""
        if self._signature is None:
            self._refuse()
            with self._child.folder("signature") as folder:
                (outcome,) = self._child.run([self._child.task("signature", _BACKENDS)], folder, progress)
                self._signature = _signature(outcome.unwrap()["signature"])
        return self._signature

    def reference(self, cases: Mapping[str, Tensors], progress: Progress) -> Reference:
        """Asks Keras itself, and starts the first export in the same child where that saves a start.

        Raises `WorkerError`, `SourceError`, `DataMismatchError`, `MissingDependencyError`, `DiskFullError`.
        """
        self._refuse()
        first = self.ways()[0]
        ahead = self._child.keep_folder("export") if first.backend == _BACKENDS[0] else None
        with self._child.folder("reference") as folder:
            files = {
                case: save_tensors(folder / f"case-{n}.npz", cases[case]) for n, case in enumerate(cases)
            }
            tasks = [self._child.task("reference", _BACKENDS, cases=files, out=str(folder))]
            if ahead is not None:
                tasks.append(first.task(ahead, samples=None))
            outcomes = self._child.run(tasks, folder, progress)
            answer = outcomes[0].unwrap()
            if ahead is not None:
                self._ready[first.name] = (outcomes[1], ahead)
            self._signature = _signature(answer["signature"])
            names = [spec.name for spec in self._signature.outputs]
            outputs, precise, repeated = (
                {case: load_tensors(Path(file), names) for case, file in answer["files"][kind].items()}
                for kind in ("outputs", "precise", "repeated")
            )
        return Reference(self._signature, outputs, precise, repeated, versions=answer["versions"])

    def ways(self) -> Sequence[KerasWay]:
        """TensorFlow's exporters first; torch's first for a large net without recurrence or attention."""
        large = self._archive.weights_bytes > _LARGE_BYTES
        torch_first = large and not self._outline.is_recurrent_or_attentive
        return ladder(self._child, self._ready, torch_first=torch_first, refuse=self._refuse)

    def close(self) -> None:
        """Removes every temporary file; may be called twice, and the source may be used again."""
        self._ready.clear()
        self._child.close()

    def _refuse(self) -> None:
        """Raises `SourceUnsupportedError` for a model that must not or cannot run, before any process starts."""
        if self._outline.needs_trust:
            names = ", ".join(repr(name) for name in self._outline.needs_trust)
            raise SourceUnsupportedError(
                f"{self.path} holds Python code of its own in {names} (a lambda), which would have to be trusted "
                "to be run. Shipway runs no code from a model file.",
                hint="Replace the lambda by Keras's own layers or keras.ops, and save the model again.",
            )
        if self._outline.unsupported:
            raise SourceUnsupportedError(
                f"{self.path} cannot be served: {'; '.join(self._outline.unsupported)}.",
                hint="Change that in the model, copy the weights over, and save it again.",
            )


def _signature(found: Mapping[str, Any]) -> Signature:
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
