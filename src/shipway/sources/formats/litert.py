"""LiteRT's `.tflite` files: described from the file alone, asked in LiteRT's interpreter in a child process.

A quantized file keeps its integers: the model's inputs and outputs are what the file says, and their scales are
in the details. `--to` converts it as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np

from shipway.errors import SourceUnsupportedError, UsageError
from shipway.needs import Need, Needs
from shipway.sources.base import Description, Hints, Limits
from shipway.sources.files.litert_file import LiteRTOutline, LiteRTTensor, looks_like_litert, read_litert
from shipway.sources.framework import FrameworkSource, digest_and_size
from shipway.types import Signature

_DEFAULT = "serving_default"
_KNOWN_CUSTOM: Final = frozenset(
    {"TFLite_Detection_PostProcess", "AudioSpectrogram", "Mfcc", "NumericVerify"}
)
"""Custom operators that LiteRT's Python runtime brings."""


class LiteRTFormat:
    """A flatbuffer of LiteRT, formerly TensorFlow Lite; float or quantized."""

    name: ClassVar[str] = "litert"
    title: ClassVar[str] = "LiteRT (.tflite)"
    extensions: ClassVar[tuple[str, ...]] = (".tflite",)
    deprecated: ClassVar[str] = ""
    needs: ClassVar[Needs] = Needs(
        purpose="reads .tflite files", packages=(Need("ai-edge-litert", ">=2.0,<3"),), extra="litert"
    )

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """True for a file with LiteRT's mark, also for one that was cut off."""
        return path.is_file() and looks_like_litert(path)

    @classmethod
    def open(cls, path: Path, *, python: Path | None, limits: Limits, hints: Hints) -> LiteRTSource:
        """Reads the file. Raises `SourceDamagedError`, `SourceUnsupportedError`, `UsageError`."""
        return LiteRTSource(path, read_litert(path), python=python, limits=limits, hints=hints)


class LiteRTSource(FrameworkSource):
    """One signature of one `.tflite` file."""

    format = LiteRTFormat.name
    loader = "litert"
    extra = "litert"

    def __init__(
        self, path: Path, outline: LiteRTOutline, *, python: Path | None, limits: Limits, hints: Hints
    ) -> None:
        self._outline = outline
        self._unchosen: UsageError | None = None
        self._name: str | None = None
        try:
            self._name = _choose(path, list(outline.signatures), hints.signature)
        except UsageError as error:
            if hints.signature is not None:
                raise
            self._unchosen = error
        super().__init__(path, python=python, limits=limits, settings={"signature": self._name})
        if self._is_told():
            self._signature = Signature(*outline.specs())

    def describe(self) -> Description:
        """From the file alone; `signature` is None where it is that of another graph than the first."""
        found = self._outline
        digest, size = digest_and_size(self.path)
        known = self._signature
        ranges = {} if known is None else _ranges(found)
        details: dict[str, Any] = {
            "schema_version": found.version,
            "precision": found.precision,
            "signature": self._name,
            "signatures": {
                name: {"inputs": list(one.inputs), "outputs": list(one.outputs)}
                for name, one in found.signatures.items()
            },
            "operators": dict(found.op_counts),
            "custom_operators": list(found.custom_ops),
            "weights_bytes": found.parameters_bytes,
            "quantization": {
                "inputs": _scales(found.input_names, found.inputs),
                "outputs": _scales(found.output_names, found.outputs),
            },
        }
        return Description(
            format=self.format,
            path=self.path,
            size_bytes=size,
            sha256=digest,
            signature=known,
            inputs=known.inputs if known else None,
            details=details,
            value_ranges=ranges,
        )

    def refuse(self) -> None:
        """Raises `UsageError` where a signature must be chosen, and `SourceUnsupportedError` for operators that
        LiteRT's runtime has not."""
        if self._unchosen is not None:
            raise self._unchosen
        foreign = [name for name in self._outline.custom_ops if name not in _KNOWN_CUSTOM]
        if self._outline.flex_ops:
            raise SourceUnsupportedError(
                f"{self.path} needs TensorFlow's own operators ({', '.join(self._outline.flex_ops[:5])}), which "
                "LiteRT's runtime has not.",
                hint="Convert the model again without SELECT_TF_OPS; a recurrent net with its batch fixed to 1.",
            )
        if foreign:
            raise SourceUnsupportedError(
                f"{self.path} needs operators that its application must bring: {', '.join(foreign[:5])}.",
                hint="Convert the model again with LiteRT's own operators.",
            )

    def _is_told(self) -> bool:
        """Whether the outline's names are those of the chosen signature, and each is there once."""
        found = self._outline
        sides = found.input_names, found.output_names
        if self._unchosen is not None or any(not all(side) or len(set(side)) < len(side) for side in sides):
            return False
        if self._name is None:
            return True
        chosen = found.signatures[self._name]
        return chosen.graph == 0 and (set(chosen.inputs), set(chosen.outputs)) == tuple(map(set, sides))


def _choose(path: Path, signatures: Sequence[str], wanted: str | None) -> str | None:
    """As the loader does: the one that the user named, `serving_default`, the only one; None without any."""
    if wanted in signatures or not (wanted or signatures):
        return wanted
    if wanted is None and (_DEFAULT in signatures or len(signatures) == 1):
        return _DEFAULT if _DEFAULT in signatures else signatures[0]
    names = ", ".join(signatures)
    if not names:
        raise UsageError(
            f"{path} has no signatures, so there is no {wanted!r}.", hint="Leave --signature out."
        )
    problem = f"has no signature {wanted!r}" if wanted else "has several signatures"
    raise UsageError(f"{path} {problem}: {names}.", hint="Choose one with --signature NAME.")


def _scales(names: Sequence[str], tensors: Sequence[LiteRTTensor]) -> dict[str, dict[str, float | int]]:
    """Of the tensors that hold integers in place of real numbers: `scale * (integer - zero_point)`."""
    return {
        name: {
            "scale": tensor.quantization.scales[0],
            "zero_point": tensor.quantization.zero_points[0] if tensor.quantization.zero_points else 0,
        }
        for name, tensor in zip(names, tensors, strict=True)
        if tensor.quantization is not None and tensor.dtype is not None and tensor.dtype.is_integer
    }


def _ranges(found: LiteRTOutline) -> dict[str, tuple[float, float]]:
    """Every value of a quantized input's type stands for a real number."""
    ranges = {}
    for name, tensor in zip(found.input_names, found.inputs, strict=True):
        if tensor.quantization is not None and tensor.dtype is not None and tensor.dtype.is_integer:
            limits = np.iinfo(tensor.dtype.numpy)
            ranges[name] = float(limits.min), float(limits.max)
    return ranges
