"""ONNX files: described here, since the graph can be read without running it; asked in a child process.

The reference is ONNX Runtime with every graph optimization off, so the verdict is on what a bundle's session
does beyond the plain reading of the file: optimization, mapped weights, batching.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import ClassVar

from shipway.bundle.files import sha256_of
from shipway.graph.read import read_graph, read_signature, summarize
from shipway.graph.wire import outline
from shipway.needs import Need, Needs
from shipway.os_errors import os_errors_as_ours
from shipway.sources.base import Description, Hints, Limits, Progress
from shipway.sources.framework import FrameworkSource
from shipway.types import Signature


class OnnxFormat:
    """The Open Neural Network Exchange format, with weights inside or beside the file."""

    name: ClassVar[str] = "onnx"
    title: ClassVar[str] = "ONNX (.onnx)"
    extensions: ClassVar[tuple[str, ...]] = (".onnx",)
    deprecated: ClassVar[str] = ""
    needs: ClassVar[Needs] = Needs(
        purpose="reads .onnx files",
        packages=(Need("onnx", ">=1.18,<2"), Need("onnxruntime", ">=1.22,<2")),
    )

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """True for a protobuf whose outermost fields are those of an ONNX model, also when it was cut off."""
        return path.is_file() and outline(path).is_onnx

    @classmethod
    def open(cls, path: Path, *, python: Path | None, limits: Limits, hints: Hints) -> OnnxSource:
        """Raises `SourceDamagedError`."""
        del hints
        return OnnxSource(path, python=python, limits=limits)


class OnnxSource(FrameworkSource):
    """One ONNX file."""

    format = OnnxFormat.name
    loader = "onnx"
    requires: ClassVar = {"onnxruntime": "onnxruntime"}

    def __init__(self, path: Path, *, python: Path | None, limits: Limits) -> None:
        # The interpreter is named, so that the hint for a missing package is the line for that very one: the base
        # install has all that the loader needs, so no extra of Shipway would bring it.
        super().__init__(path, python=python or Path(sys.executable), limits=limits, settings={})
        self._graph = read_graph(path)
        self._signature = read_signature(self._graph)

    def describe(self) -> Description:
        """From the graph alone. Raises `SourceDamagedError`, `SourceUnsupportedError`."""
        assert self._signature is not None
        facts = summarize(self._graph, self.path)
        outside: list[str] = facts["external_data"]
        with os_errors_as_ours("read the model", self.path):
            digests = {name: sha256_of(self.path.parent / name) for name in outside}
        return self.description({**facts, "external_data": digests}, inputs=self._signature.inputs)

    def learn_signature(self, progress: Progress) -> Signature:
        """The graph tells it already."""
        del progress
        return read_signature(self._graph)
