"""OpenVINO's IR: described from its XML alone, asked on the CPU in a child process."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from shipway.needs import Need, Needs
from shipway.sources.base import Description, Hints, Limits
from shipway.sources.files.openvino_file import OpenVinoOutline, looks_like_openvino, read_openvino
from shipway.sources.framework import FrameworkSource, digest_and_size
from shipway.types import Signature


class OpenVinoFormat:
    """An `.xml` file with its weights in a `.bin` beside it."""

    name: ClassVar[str] = "openvino"
    title: ClassVar[str] = "OpenVINO IR (.xml)"
    extensions: ClassVar[tuple[str, ...]] = (".xml",)
    deprecated: ClassVar[str] = ""
    needs: ClassVar[Needs] = Needs(
        purpose="reads OpenVINO's .xml files",
        packages=(Need("openvino", ">=2025.0,<2027"),),
        extra="openvino",
    )

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """True for XML that begins as an IR does, also for one that was cut off."""
        return path.is_file() and looks_like_openvino(path)

    @classmethod
    def open(cls, path: Path, *, python: Path | None, limits: Limits, hints: Hints) -> OpenVinoSource:
        """Reads the XML. Raises `SourceDamagedError`, `SourceUnsupportedError`."""
        del hints
        return OpenVinoSource(path, read_openvino(path), python=python, limits=limits)


class OpenVinoSource(FrameworkSource):
    """One IR."""

    format = OpenVinoFormat.name
    loader = "openvino"
    extra = "openvino"

    def __init__(self, path: Path, outline: OpenVinoOutline, *, python: Path | None, limits: Limits) -> None:
        super().__init__(path, python=python, limits=limits, settings={})
        self._outline = outline
        if outline.inputs is not None and outline.outputs is not None:
            self._signature = Signature(inputs=outline.inputs, outputs=outline.outputs)

    def describe(self) -> Description:
        """From the XML alone; `signature` is None where the file leaves tensors without names."""
        found = self._outline
        weights: dict[str, str] = {}
        if found.weights is not None:
            weights[found.weights.name] = digest_and_size(found.weights)[0]
        details: dict[str, Any] = {
            "ir_version": found.version,
            "openvino_version": found.written_by or None,
            "operators": dict(found.op_counts),
            "opsets": list(found.opsets),
            "weights_bytes": found.weights_bytes,
            "external_data": weights,
        }
        return self.description(details, inputs=found.inputs)
