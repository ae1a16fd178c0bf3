"""TorchServe's `.mar` archives: read as far as the model file inside, which is then a source of its own format.

The handler is never run: what it does before and after the model is told, for its owner to rebuild.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

from shipway.errors import SourceUnsupportedError
from shipway.needs import Needs
from shipway.sources.base import (
    Answers,
    Conversion,
    Description,
    Hints,
    LayerAnswer,
    Limits,
    Progress,
    Reference,
    Source,
)
from shipway.sources.child import Scratch
from shipway.sources.files.mar_archive import MarOutline, extract_model, looks_like_mar, read_mar
from shipway.sources.files.torch_archive import TorchKind
from shipway.sources.formats.onnx import OnnxFormat
from shipway.sources.formats.torch_program import TorchProgramFormat
from shipway.sources.formats.torch_script import TorchScriptFormat
from shipway.sources.framework import digest_and_size
from shipway.sources.routes import Way
from shipway.sources.workers.edge import Edge
from shipway.types import Signature, Tensors, TensorSpec

_INSIDE: Final[Mapping[str, Any]] = {
    TorchKind.TORCHSCRIPT: TorchScriptFormat,
    TorchKind.PROGRAM: TorchProgramFormat,
    OnnxFormat.name: OnnxFormat,
}


class MarFormat:
    """The archive of `torch-model-archiver`."""

    name: ClassVar[str] = "mar"
    title: ClassVar[str] = "TorchServe archive (.mar)"
    extensions: ClassVar[tuple[str, ...]] = (".mar",)
    deprecated: ClassVar[str] = "TorchServe is no longer maintained; the model inside goes on by itself"
    needs: ClassVar[Needs] = Needs(
        purpose="reads TorchServe archives", packages=TorchScriptFormat.needs.packages, extra="torch"
    )

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """True for a zip archive with TorchServe's manifest."""
        return path.is_file() and looks_like_mar(path)

    @classmethod
    def open(cls, path: Path, *, python: Path | None, limits: Limits, hints: Hints) -> MarSource:
        """Takes the model out. Raises `SourceDamagedError`, `SourceUnsupportedError` (weights alone)."""
        outline = read_mar(path)
        inside = _INSIDE.get(outline.model_kind)
        if inside is None:
            raise _explain(path, outline)
        scratch = Scratch(limits.scratch)
        try:
            model = extract_model(path, scratch.folder("mar"))
            return MarSource(
                path, outline, inside.open(model, python=python, limits=limits, hints=hints), scratch
            )
        except BaseException:
            scratch.close()
            raise


class MarSource:
    """The model inside of one archive, described as the inner file."""

    format: ClassVar[str] = MarFormat.name

    def __init__(self, path: Path, outline: MarOutline, inner: Source, scratch: Scratch) -> None:
        self.path = path
        self._outline = outline
        self._inner = inner
        self._scratch = scratch

    def describe(self) -> Description:
        """The inner file's, with the archive's path, digest and manifest."""
        digest, size = digest_and_size(self.path)
        found = self._inner.describe()
        archive: dict[str, Any] = {
            "name": self._outline.model_name,
            "version": self._outline.model_version,
            "model_file": self._outline.serialized_file,
            "handler": self._outline.handler,
            "handler_is_own_code": self._outline.has_own_handler,
            "other_files": list(self._outline.extra_files),
        }
        return dataclasses.replace(
            found,
            path=self.path,
            size_bytes=size,
            sha256=digest,
            details={**found.details, "torchserve": archive},
        )

    def assume_inputs(self, inputs: tuple[TensorSpec, ...]) -> None:
        """As the inner file's."""
        self._inner.assume_inputs(inputs)

    def learn_signature(self, progress: Progress) -> Signature:
        """As the inner file's."""
        return self._inner.learn_signature(progress)

    def reference(
        self, cases: Mapping[str, Tensors], progress: Progress, *, ahead: Edge | None = None
    ) -> Reference:
        """The model's own answers, without what the handler does."""
        return self._inner.reference(cases, progress, ahead=ahead)

    def answer(self, cases: Mapping[str, Tensors], progress: Progress) -> Answers:
        """As the inner file's."""
        return self._inner.answer(cases, progress)

    def tap(self, inputs: Tensors, progress: Progress) -> Sequence[LayerAnswer]:
        """As the inner file's."""
        return self._inner.tap(inputs, progress)

    def ways(self, to: str) -> Sequence[Way]:
        """As the inner file's."""
        return self._inner.ways(to)

    def convert(self, edge: Edge, into: Path, *, samples: Tensors, progress: Progress) -> Conversion:
        """As the inner file's."""
        return self._inner.convert(edge, into, samples=samples, progress=progress)

    def close(self) -> None:
        """Removes the model that was taken out, too."""
        self._inner.close()
        self._scratch.close()


def _explain(path: Path, outline: MarOutline) -> SourceUnsupportedError:
    folder = path.stem
    if outline.model_kind == TorchKind.CHECKPOINT:
        code = outline.model_file or "model.py"
        return SourceUnsupportedError(
            f"{path} holds weights ({outline.serialized_file}) and the code of the model apart "
            f"({outline.model_file or 'in its handler ' + outline.handler}); code from an archive is not run.",
            hint=f"Unpack it, look at the code, and give both: unzip {path.name} -d {folder}, then "
            f"{folder}/{code}:CLASS --weights {folder}/{outline.serialized_file}",
        )
    return SourceUnsupportedError(
        f"{path} holds {outline.serialized_file}, which is neither TorchScript, .pt2 nor ONNX.",
        hint=f"Unpack it (unzip {path.name} -d {folder}), and give the model file in a form that Shipway reads.",
    )
