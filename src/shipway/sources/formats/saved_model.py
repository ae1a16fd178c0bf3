"""TensorFlow's SavedModel folders: described from the graph's file alone, run and converted in a child process.

One signature is the model: `serving_default`, the only one, or the one that the user names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from shipway.bundle.files import sha256_of
from shipway.errors import SourceUnsupportedError, UsageError
from shipway.needs import Need, Needs
from shipway.os_errors import os_errors_as_ours
from shipway.sources.base import Description, Hints, Limits, Progress
from shipway.sources.files.saved_model_file import (
    SavedModelOutline,
    choose_signature,
    looks_like_saved_model,
    read_saved_model,
)
from shipway.sources.files.saved_model_signatures import SavedSignature
from shipway.sources.framework import FrameworkSource, specification
from shipway.sources.workers.frameworks import signature_notes
from shipway.types import Signature, TensorSpec

_MOST_OPERATORS = 100
"""Listed at most, the most frequent first."""


class SavedModelFormat:
    """A folder with `saved_model.pb`, of TensorFlow 1 or 2."""

    name: ClassVar[str] = "savedmodel"
    title: ClassVar[str] = "TensorFlow SavedModel (a folder)"
    extensions: ClassVar[tuple[str, ...]] = ()
    deprecated: ClassVar[str] = ""
    needs: ClassVar[Needs] = Needs(
        purpose="reads SavedModel folders",
        packages=(
            Need("tensorflow-cpu", ">=2.19,<2.22", alternatives=("tensorflow",)),
            Need("tf2onnx", ">=1.17,<2"),
        ),
        extra="tensorflow",
    )

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """True for a folder that holds a SavedModel's graph."""
        return looks_like_saved_model(path)

    @classmethod
    def open(cls, path: Path, *, python: Path | None, limits: Limits, hints: Hints) -> SavedModelSource:
        """Reads the graph. Raises `SourceDamagedError`, `SourceUnsupportedError`, `UsageError`."""
        return SavedModelSource(path, read_saved_model(path), python=python, limits=limits, hints=hints)


class SavedModelSource(FrameworkSource):
    """One signature of one SavedModel."""

    format = SavedModelFormat.name
    loader = "saved_model"
    extra = "tensorflow"

    def __init__(
        self, path: Path, outline: SavedModelOutline, *, python: Path | None, limits: Limits, hints: Hints
    ) -> None:
        super().__init__(path, python=python, limits=limits, settings={"tags": list(outline.tags)})
        self._outline = outline
        self._trust = hints.trust
        self._unchosen: SourceUnsupportedError | UsageError | None = None
        self._name = ""
        self._inputs: tuple[TensorSpec, ...] | None = None
        try:
            self._choose(choose_signature(outline, hints.signature))
        except (SourceUnsupportedError, UsageError) as error:
            if hints.signature is not None:
                raise
            self._unchosen = error

    def describe(self) -> Description:
        """From the graph alone; `signature` is None where an output has a free axis besides the batch, and the
        inputs are None where the model has several signatures to choose from."""
        found = self._outline
        details: dict[str, Any] = {
            "tensorflow_version": found.tensorflow_version,
            "tags": list(found.tags),
            "signature": self._name,
            "signatures": {name: _summary(one) for name, one in found.signatures.items()},
            "is_tensorflow_1": not found.has_objects,
            "operators": dict(list(found.op_counts.items())[:_MOST_OPERATORS]),
            "weights_bytes": found.variables_bytes,
            "graph_bytes": found.graph_bytes,
            "assets": list(found.assets),
            "needs_trust": [str(danger) for danger in self._dangers()],
        }
        return self.description(details, inputs=self._inputs)

    def digest(self) -> tuple[str, int]:
        """Of all files in the folder."""
        return digest_and_size_of_folder(self.path)

    def refuse(self) -> None:
        """Raises `UsageError` where a signature must be chosen, and `SourceUnsupportedError` for a model that
        would act on files, processes or hosts."""
        if self._unchosen is not None:
            raise self._unchosen
        dangers = self._dangers()
        if dangers and not self._trust:
            raise SourceUnsupportedError(
                f"{self.path} reaches outside of itself, and would have to be trusted to be run: "
                f"{'; '.join(str(danger) for danger in dangers[:3])}"
                + (f"; and {len(dangers) - 3} more." if len(dangers) > 3 else "."),
                hint="Run it with --trust if you know who made it; or save the model without these operators.",
            )

    def learn_signature(self, progress: Progress) -> Signature:
        """Asks TensorFlow only for what the graph does not tell; refuses what must not run in any case."""
        self.refuse()
        return super().learn_signature(progress)

    def _dangers(self) -> Sequence[object]:
        return self._outline.dangers(self._name) if self._name else self._outline.dangerous

    def _choose(self, chosen: SavedSignature) -> None:
        """Tells the loader, and the signature where no axis is left to be followed."""
        notes = signature_notes.read(self.path) or {}
        inputs = _noted(chosen.inputs, notes.get("inputs", {}))
        outputs = _noted(chosen.outputs, notes.get("outputs", {}), guess=False)
        self._name = chosen.name
        self._inputs = tuple(spec for _, spec in inputs)
        self._settings["signature"] = chosen.name
        self._settings["tensors"] = {
            side: [{"key": key, **specification(spec)} for key, spec in tensors]
            for side, tensors in (("inputs", inputs), ("outputs", outputs))
        }
        sizes = [size for spec in self._settings["tensors"]["outputs"] for size in spec["shape"]]
        if None not in sizes:
            self._signature = Signature(inputs=self._inputs, outputs=tuple(spec for _, spec in outputs))


def _noted(
    specs: Sequence[TensorSpec], notes: Mapping[str, Mapping[str, Any]], *, guess: bool = True
) -> list[tuple[str, TensorSpec]]:
    """(the signature's key, the tensor as the model has it), in the order of the notes.

    Notes that do not fit the graph are left out. Without notes, and where nothing is to be guessed, an output's
    free axes besides the first are None: the graph does not say which input's they are.
    """
    keyed = {spec.name: spec for spec in specs}
    if keyed.keys() != notes.keys() or any(not _fits(keyed[key], note) for key, note in notes.items()):
        return [(spec.name, spec if guess else _unnamed(spec)) for spec in specs]
    return [
        (key, TensorSpec(note["name"], keyed[key].dtype, tuple(note["shape"]))) for key, note in notes.items()
    ]


def _fits(spec: TensorSpec, note: Mapping[str, Any]) -> bool:
    shape = note["shape"]
    return len(shape) == len(spec.shape) and all(
        isinstance(noted, str) if isinstance(size, str) else noted == size
        for noted, size in zip(shape, spec.shape, strict=True)
    )


def _unnamed(spec: TensorSpec) -> TensorSpec:
    shape: Any = tuple(
        None if axis and isinstance(size, str) else size for axis, size in enumerate(spec.shape)
    )
    return TensorSpec(spec.name, spec.dtype, shape)


def _summary(signature: SavedSignature) -> str:
    """`"x FP32[batch, 4] → y FP32[batch, 2]"`, and what of it cannot be served."""
    sides = (signature.inputs, signature.outputs)
    told = " → ".join(", ".join(f"{spec.name} {spec}" for spec in side) or "nothing" for side in sides)
    return "; ".join((told, *signature.unsupported))


def digest_and_size_of_folder(folder: Path) -> tuple[str, int]:
    """sha256 over each file's path and digest, in the order of the paths, and the bytes of all files.

    Raises `PermissionDeniedError` and its like.
    """
    digest, size = hashlib.sha256(), 0
    with os_errors_as_ours("read the model", folder):
        for file in sorted(file for file in folder.rglob("*") if file.is_file()):
            digest.update(f"{file.relative_to(folder).as_posix()}\0{sha256_of(file)}\n".encode())
            size += file.stat().st_size
    return digest.hexdigest(), size
