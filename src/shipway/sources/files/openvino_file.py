"""Reads OpenVINO's IR (`.xml` with a `.bin` beside it) without OpenVINO: what goes in and out, and what computes.

A file of a stranger's: declarations of types and entities are refused (nothing expands, nothing outside is
read), nesting and counts are bounded, and the weights that it claims are compared with what the `.bin` has.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final
from xml.parsers import expat

from shipway.errors import SourceDamagedError, SourceUnsupportedError
from shipway.os_errors import os_errors_as_ours
from shipway.sources.workers.frameworks.openvino_dimensions import PLACE, name_dimensions, read_dimensions
from shipway.types import DType, TensorSpec

_HEAD_BYTES = 4096
_XML_BYTES = 1 << 30
_DEPTH = 200
"""Bodies of loops and conditions lie in each other, six elements apiece."""
_LAYERS = 1_000_000
_CHUNK_BYTES = 256 << 10
_TEXT_BYTES = 4 << 20
"""Of one element's beginning: longer attributes are no names, shapes or notes, and expat reads them again with
every chunk."""
_AXES = 32
_CONVERT_AGAIN = "Convert the model again, or copy both of its files again."

_DTYPES: Final = {
    "f64": DType.FP64,
    "f32": DType.FP32,
    "f16": DType.FP16,
    "i64": DType.INT64,
    "i32": DType.INT32,
    "i16": DType.INT16,
    "i8": DType.INT8,
    "u64": DType.UINT64,
    "u32": DType.UINT32,
    "u16": DType.UINT16,
    "u8": DType.UINT8,
    "boolean": DType.BOOL,
    "string": DType.BYTES,
}
_PRECISIONS: Final = {
    **{name.upper(): dtype for name, dtype in _DTYPES.items()},
    "FP64": DType.FP64,
    "FP32": DType.FP32,
    "FP16": DType.FP16,
    "BOOL": DType.BOOL,
}
"""How a port spells it; a parameter's data has the words above."""


@dataclass
class _Tensor:
    """An input or output of the whole graph, as far as it has been read."""

    layer: str
    names: tuple[str, ...] = ()
    type: str = ""
    sizes: list[int | None] | None = None
    """None as a size for a free one; None as a whole for a number of axes that is free."""


@dataclass(frozen=True)
class OpenVinoOutline:
    """What stands in the file."""

    version: int
    """Of the IR's form: 10 and 11 are in use."""
    name: str
    inputs: tuple[TensorSpec, ...] | None
    """None where the file leaves a tensor without a name, which OpenVINO then gives."""
    outputs: tuple[TensorSpec, ...] | None
    op_counts: Mapping[str, int]
    opsets: tuple[str, ...]
    weights: Path | None
    weights_bytes: int
    written_by: str
    """OpenVINO's version, where the file says it."""


def looks_like_openvino(path: Path) -> bool:
    """True for XML whose outermost element is a `net` of a version, also when cut off. Never raises."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except (OSError, ValueError):
        return False
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    return text.startswith(b"<") and re.search(rb"<net\s[^>]*\bversion=", text) is not None


def read_openvino(path: Path) -> OpenVinoOutline:
    """Reads the file. Raises `SourceDamagedError`, `SourceUnsupportedError`, `PermissionDeniedError`."""
    with os_errors_as_ours("read the model", path):
        size = path.stat().st_size
        if size > _XML_BYTES:
            raise SourceUnsupportedError(f"{path} is {size} bytes of XML; at most {_XML_BYTES} are read.")
        reader = _Reader(path)
        try:
            with path.open("rb") as file:
                reader.feed(file)
        except (expat.ExpatError, ValueError, OverflowError) as error:
            raise SourceDamagedError(
                f"{path} ({size} bytes) is cut off or is no OpenVINO IR: {error}.", hint=_CONVERT_AGAIN
            ) from error
        return reader.outline()


@dataclass
class _Reader:
    """Called by expat for each element, so that the file is never in memory as a whole."""

    path: Path
    stack: list[str] = field(default_factory=list)
    layer: Mapping[str, str] = field(default_factory=dict)
    """Attributes of the outermost graph's layer that is open."""
    tensor: _Tensor | None = None
    """What is being read, where that layer is a parameter or a result."""
    net: Mapping[str, str] = field(default_factory=dict)
    version: int = 0
    inputs: list[_Tensor] = field(default_factory=list)
    outputs: list[_Tensor] = field(default_factory=list)
    ports: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    """(layer, port) of the outermost graph → its names."""
    feeds: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Layer → the port that its first input comes from."""
    ops: Counter[str] = field(default_factory=Counter)
    opsets: set[str] = field(default_factory=set)
    claimed_bytes: int = 0
    notes: Mapping[str, Any] = field(default_factory=dict)
    written_by: str = ""
    text: str = ""

    def __post_init__(self) -> None:
        self.parser = expat.ParserCreate()
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.EntityDeclHandler = self._refuse
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters

    def feed(self, file: BinaryIO) -> None:
        """Parses the file. Raises `ValueError`, `expat.ExpatError`."""
        fed = 0
        while chunk := file.read(_CHUNK_BYTES):
            self.parser.Parse(chunk, False)
            fed += len(chunk)
            if fed - self.parser.CurrentByteIndex > _TEXT_BYTES:
                raise ValueError(f"an element begins with more than {_TEXT_BYTES} bytes")
        self.parser.Parse(b"", True)

    def outline(self) -> OpenVinoOutline:
        """What was read, checked as a whole."""
        if not self.net or not self.outputs:
            raise SourceDamagedError(f"{self.path} holds no graph with an output.", hint=_CONVERT_AGAIN)
        weights, size = self._weights()
        for result in self.outputs:
            result.names = result.names or self.ports.get(self.feeds.get(result.layer, ("", "")), ())
        owners: dict[int, str] = {}
        return OpenVinoOutline(
            version=self.version,
            name=self.net.get("name", ""),
            inputs=self._specs(self.inputs, "inputs", owners),
            outputs=self._specs(self.outputs, "outputs", owners),
            op_counts=dict(self.ops.most_common()),
            opsets=tuple(sorted(self.opsets)),
            weights=weights,
            weights_bytes=size,
            written_by=self.written_by,
        )

    def _refuse(self, *_found: object) -> None:
        raise ValueError("it declares a document type or an entity, which no IR does")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self.stack.append(tag)
        self.text = ""
        depth = len(self.stack)
        if depth > _DEPTH:
            raise ValueError(f"elements lie {depth} deep in each other")
        if depth == 1:
            if tag != "net":
                raise ValueError(f"its outermost element is {tag[:100]!r}")
            self.net = attributes
            self.version = int(attributes.get("version", ""))
        elif tag == "layer":
            self._start_layer(attributes, is_outermost=depth == 3)
        elif tag == "data" and self.stack[-2] == "layer":
            self._data(attributes, is_outermost=depth == 4)
        elif tag == "port" and depth == 5:
            self._port(attributes)
        elif tag == "edge" and depth == 3 and attributes.get("to-port") == "0":
            source = attributes.get("from-layer", ""), attributes.get("from-port", "")
            self.feeds[attributes.get("to-layer", "")] = source
        elif self.stack[1:2] == ["rt_info"]:
            self._note(tag, attributes)

    def _start_layer(self, attributes: dict[str, str], *, is_outermost: bool) -> None:
        kind = attributes.get("type", "")
        self.ops[kind] += 1
        self.opsets.add(attributes.get("version", ""))
        if self.ops.total() > _LAYERS:
            raise ValueError(f"more than {_LAYERS} layers")
        if not is_outermost:
            return
        self.layer, self.tensor = attributes, None
        if kind in ("Parameter", "Result"):
            self.tensor = _Tensor(attributes.get("id", ""), _names(attributes.get("output_names", "")))
            (self.inputs if kind == "Parameter" else self.outputs).append(self.tensor)

    def _data(self, attributes: dict[str, str], *, is_outermost: bool) -> None:
        if "offset" in attributes and "size" in attributes:
            self.claimed_bytes = max(self.claimed_bytes, int(attributes["offset"]) + int(attributes["size"]))
        if is_outermost and self.tensor is not None and self.layer.get("type") == "Parameter":
            self.tensor.type = attributes.get("element_type", "")
            self.tensor.sizes = _sizes(attributes.get("shape", ""))

    def _port(self, attributes: dict[str, str]) -> None:
        names = _names(attributes.get("names", ""))
        if self.stack[3] == "output" and names:
            self.ports[self.layer.get("id", ""), attributes.get("id", "")] = names
        if self.tensor is None:
            return
        if self.layer.get("type") == "Parameter":
            self.tensor.names = names
        else:
            self.tensor.type, self.tensor.sizes = attributes.get("precision", ""), []

    def _note(self, tag: str, attributes: dict[str, str]) -> None:
        if tuple(self.stack[2:]) == PLACE:
            self.notes = read_dimensions(attributes.get("value", ""))
        elif tag == "Runtime_version":
            self.written_by = attributes.get("value", "")[:100]

    def _characters(self, text: str) -> None:
        self.text = (self.text + text)[:100]

    def _end(self, tag: str) -> None:
        is_size = tag == "dim" and len(self.stack) == 6 and self.tensor is not None
        if is_size and self.tensor is not None and self.layer.get("type") == "Result":
            if self.tensor.sizes is None or len(self.tensor.sizes) >= _AXES:
                raise ValueError(f"a result of more than {_AXES} axes")
            size = int(self.text)
            self.tensor.sizes.append(None if size < 0 else size)
        self.stack.pop()

    def _weights(self) -> tuple[Path | None, int]:
        """The `.bin` beside the file, and its size. Raises for one that is missing, too short, or elsewhere."""
        file = self.path.with_suffix(".bin")
        if not file.is_file():
            if self.claimed_bytes:
                raise SourceDamagedError(
                    f"{self.path} has its weights in {file.name}, which is not beside it.",
                    hint="Copy both files together: the .xml and the .bin of the same name.",
                )
            return None, 0
        if file.resolve().parent != self.path.resolve().parent:
            raise SourceUnsupportedError(
                f"{file} leads to {file.resolve()}, outside of the model's folder.",
                hint="Put the weights themselves beside the .xml file.",
            )
        size = file.stat().st_size
        if size < self.claimed_bytes:
            raise SourceDamagedError(
                f"{file} has {size} bytes; {self.path.name} needs {self.claimed_bytes}.", hint=_CONVERT_AGAIN
            )
        return file, size

    def _specs(
        self, tensors: list[_Tensor], side: str, owners: dict[int, str]
    ) -> tuple[TensorSpec, ...] | None:
        if not all(tensor.names for tensor in tensors):
            return None
        names = [min(tensor.names) for tensor in tensors]
        sizes = [_fixed_rank(name, tensor.sizes) for name, tensor in zip(names, tensors, strict=True)]
        shapes = name_dimensions(names, sizes, self.notes.get(side), owners)
        return tuple(
            TensorSpec(name, _dtype(name, tensor.type), tuple(shape))
            for name, tensor, shape in zip(names, tensors, shapes, strict=True)
        )


def _names(text: str) -> tuple[str, ...]:
    r"""A list with commas between, where a name's own comma is written `\,`."""
    parts = re.split(r"(?<!\\),", text) if text else []
    return tuple(part.replace("\\,", ",") for part in parts)


def _sizes(text: str) -> list[int | None] | None:
    """`?,3,1..8` → `[None, 3, None]`; None for `...`, a number of axes that is free."""
    if text == "...":
        return None
    parts = text.split(",") if text else []
    if len(parts) > _AXES:
        raise ValueError(f"a parameter of {len(parts)} axes")
    return [int(part) if part.strip().isdigit() else None for part in parts]


def _fixed_rank(name: str, sizes: list[int | None] | None) -> list[int | None]:
    if sizes is None:
        raise SourceUnsupportedError(
            f"{name!r} has no fixed number of axes, so it cannot be served.",
            hint="Convert the model again with the shapes of its inputs given.",
        )
    return sizes


def _dtype(name: str, type_: str) -> DType:
    found = _DTYPES.get(type_) or _PRECISIONS.get(type_)
    if found is None:
        raise SourceUnsupportedError(f"{name!r} has elements of {type_[:50]!r}, which cannot be served.")
    return found
