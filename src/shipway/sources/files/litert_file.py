"""Reads a LiteRT (`.tflite`) file without LiteRT: what goes in, what comes out, what runs it, how precise it is.

A file of a stranger's: offsets are checked, counts are bounded, and sizes are compared with what is there. The
field numbers are those of LiteRT's schema.fbs.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shipway.errors import SourceDamagedError, SourceUnsupportedError
from shipway.os_errors import os_errors_as_ours
from shipway.sources.files.flatbuffer import FlatBuffer, FlatBufferError, Table
from shipway.sources.files.litert_operators import CUSTOM, OPERATORS
from shipway.types import Dim, DType, TensorSpec

MAGIC: Final = b"TFL3"

_LOOKUPS = 5_000_000
_ITEMS = 200_000
"""Tensors or operators of one graph; large published ones have some ten thousand."""
_KINDS = 10_000
_GRAPHS = 100
_PORTS = 1000
"""Inputs, and outputs. Lists can share their bytes in the file, so what is kept of each is bounded."""
_AXES = 32
_CHANNELS = 4096
_TENSOR_BYTES = 1 << 40
_INTS_OF_FLOATS = ("INT8", "UINT8", "INT4", "INT2")
_TYPES: Final = (
    ("FLOAT32", 32, DType.FP32),
    ("FLOAT16", 16, DType.FP16),
    ("INT32", 32, DType.INT32),
    ("UINT8", 8, DType.UINT8),
    ("INT64", 64, DType.INT64),
    ("STRING", 0, DType.BYTES),
    ("BOOL", 8, DType.BOOL),
    ("INT16", 16, DType.INT16),
    ("COMPLEX64", 64, None),
    ("INT8", 8, DType.INT8),
    ("FLOAT64", 64, DType.FP64),
    ("COMPLEX128", 128, None),
    ("UINT64", 64, DType.UINT64),
    ("RESOURCE", 0, None),
    ("VARIANT", 0, None),
    ("UINT32", 32, DType.UINT32),
    ("UINT16", 16, DType.UINT16),
    ("INT4", 4, None),
    ("BFLOAT16", 16, None),
    ("INT2", 2, None),
    ("UINT4", 4, None),
    ("FLOAT8_E4M3FN", 8, None),
    ("FLOAT8_E5M2", 8, None),
)
"""`TensorType`: name, bits of an element (0: not told by the type), the element type that the house knows."""
_CONVERT_AGAIN = "Convert the model again, or copy the file again."


@dataclass(frozen=True)
class Quantization:
    """How a tensor's integers stand for real numbers: `scale * (integer - zero_point)`."""

    scales: tuple[float, ...]
    """One, or one for each slice along `axis`."""
    zero_points: tuple[int, ...]
    axis: int


@dataclass(frozen=True)
class LiteRTTensor:
    """An input or output of the main graph."""

    name: str
    type: str
    """As LiteRT spells it: `"FLOAT32"`."""
    dtype: DType | None
    """None for a type that nothing here can carry."""
    shape: tuple[int, ...]
    """What the interpreter allocates at first: free dimensions are 1."""
    sizes: tuple[int, ...]
    """With -1 for a free dimension."""
    quantization: Quantization | None


@dataclass(frozen=True)
class LiteRTSignature:
    """A named way to call one of the file's graphs: its own names → the tensors' numbers in that graph."""

    name: str
    graph: int
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]


@dataclass(frozen=True)
class LiteRTOutline:
    """What stands in the file, without its weights."""

    version: int
    op_counts: Mapping[str, int]
    """Operators of all graphs; custom ones by the name that the file gives."""
    custom_ops: tuple[str, ...]
    inputs: tuple[LiteRTTensor, ...]
    outputs: tuple[LiteRTTensor, ...]
    signatures: Mapping[str, LiteRTSignature]
    input_names: tuple[str, ...]
    """In the order of `inputs`: the main graph's signature's names where there is one, else the tensors'."""
    output_names: tuple[str, ...]
    parameters_bytes: int
    precision: str
    """`fp32`, `fp16`, `int8` (and `int16x8`, `int4`), or `dynamic-int8`: int8 weights, float activations."""

    @property
    def flex_ops(self) -> tuple[str, ...]:
        """Operators that need TensorFlow's Flex delegate, which `ai-edge-litert` has not."""
        return tuple(name for name in self.custom_ops if name.startswith("Flex"))

    def specs(self) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
        """Inputs and outputs. Raises `SourceUnsupportedError` for a type that nothing here can carry."""
        owners: dict[int, str] = {}
        return (
            tuple(_spec(*pair, owners) for pair in zip(self.input_names, self.inputs, strict=True)),
            tuple(_spec(*pair, owners) for pair in zip(self.output_names, self.outputs, strict=True)),
        )


def looks_like_litert(path: Path) -> bool:
    """True for a file with LiteRT's mark, also for one that was cut off. Never raises."""
    try:
        with path.open("rb") as file:
            return file.read(8)[4:] == MAGIC
    except (OSError, ValueError):
        return False


def read_litert(path: Path) -> LiteRTOutline:
    """Reads the file. Raises `SourceDamagedError`, `SourceUnsupportedError`, `PermissionDeniedError`."""
    with os_errors_as_ours("read the model", path):
        size = path.stat().st_size
        try:
            with path.open("rb") as file:
                data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            if bytes(data[4:8]) != MAGIC:
                raise FlatBufferError("it has no TFL3 at offset 4")
            return _read(path, FlatBuffer(data, lookups=_LOOKUPS).root())
        except (ValueError, struct.error, OverflowError) as error:
            raise SourceDamagedError(
                f"{path} ({size} bytes) is cut off, damaged or over a limit: {error}.", hint=_CONVERT_AGAIN
            ) from error


def _read(path: Path, model: Table) -> LiteRTOutline:
    version = model.integer(0, "<I")
    if version != 3:
        raise SourceUnsupportedError(f"{path} is of LiteRT schema {version}; schema 3 is read.")
    if model.vector(8, 4)[1]:  # external buffer groups, which name other files
        raise SourceUnsupportedError(
            f"{path} keeps its weights in other files.", hint="Convert it again with its weights inside."
        )
    codes = [_operator(code) for code in model.tables(1, _KINDS)]
    buffers = [_extent(buffer) for buffer in model.tables(4, _ITEMS)]
    graphs = [_Graph(table, buffers) for table in model.tables(2, _GRAPHS)]
    if not graphs:
        raise FlatBufferError("it has no graph")
    ops: Counter[str] = Counter()
    for graph in graphs:
        ops.update(graph.operators(codes))
    signatures = {one.name: one for one in _signatures(model, graphs)}
    main = graphs[0]
    names = next((one for one in signatures.values() if one.graph == 0), None)
    return LiteRTOutline(
        version=version,
        op_counts=dict(ops.most_common()),
        custom_ops=tuple(sorted({name for name, is_custom in codes if is_custom})),
        inputs=tuple(map(main.tensor, main.inputs)),
        outputs=tuple(map(main.tensor, main.outputs)),
        signatures=signatures,
        input_names=main.names(main.inputs, names.inputs if names else {}),
        output_names=main.names(main.outputs, names.outputs if names else {}),
        parameters_bytes=sum(length for _, length in set(buffers)),
        precision=_precision(graphs),
    )


def _operator(code: Table) -> tuple[str, bool]:
    """(name, is custom). The old field holds 127 where the number did not fit into a byte."""
    number = max(code.integer(0, "<b"), code.integer(3, "<i"))
    if number == CUSTOM:
        return code.text(1) or "custom", True
    if not 0 <= number < len(OPERATORS):
        return f"operator {number}", False
    return OPERATORS[number], False


def _extent(buffer: Table) -> tuple[int, int]:
    """Where a buffer's bytes stand; files over 2 GB have them behind the tables, with an offset."""
    start, length = buffer.vector(0, 1)
    outside, size = buffer.integer(1, "<Q"), buffer.integer(2, "<Q")
    if outside > 1:
        buffer.buffer.check(outside, size)
        return outside, size
    return (start, length) if length else (0, 0)


class _Graph:
    """One graph of the file: its tensors' tables, checked against their buffers."""

    def __init__(self, table: Table, buffers: list[tuple[int, int]]) -> None:
        self._table = table
        self.tensors = list(table.tables(0, _ITEMS))
        self.inputs = self._numbers(1)
        self.outputs = self._numbers(2)
        self.types = [_type(tensor) for tensor in self.tensors]
        self.weight_bytes = [self._weight_bytes(index, buffers) for index in range(len(self.tensors))]

    def _numbers(self, field: int) -> tuple[int, ...]:
        found = self._table.integers(field, _PORTS)
        if any(not 0 <= number < len(self.tensors) for number in found):
            raise FlatBufferError(f"a graph of {len(self.tensors)} tensors names tensors {list(found)[:10]}")
        return found

    def _weight_bytes(self, index: int, buffers: list[tuple[int, int]]) -> int:
        """The bytes of a constant; 0 for a tensor that is computed. Both have a believable size."""
        tensor = self.tensors[index]
        number = tensor.integer(2, "<I")
        if number >= len(buffers):
            raise FlatBufferError(f"tensor {index} names buffer {number} of {len(buffers)}")
        have = buffers[number][1]
        name, bits, _ = self.types[index]
        shape = tensor.integers(0, _AXES)
        claimed = math.prod(max(size, 0) for size in shape) * bits // 8
        if claimed > _TENSOR_BYTES or any(size < -1 for size in shape):
            raise FlatBufferError(f"tensor {index} claims the shape {list(shape)} of {name}")
        if have and bits >= 8 and not tensor.has(6) and claimed != have:  # field 6: stored sparsely
            raise FlatBufferError(f"tensor {index} claims {claimed} bytes and has {have}")
        return have

    def operators(self, codes: list[tuple[str, bool]]) -> Iterator[str]:
        """The name of each operator, in order."""
        for operator in self._table.tables(3, _ITEMS):
            number = operator.integer(0, "<I")
            if number >= len(codes):
                raise FlatBufferError(f"an operator of kind {number}, and there are {len(codes)} kinds")
            yield codes[number][0]

    def tensor(self, index: int) -> LiteRTTensor:
        """An input or output."""
        table = self.tensors[index]
        name, _, dtype = self.types[index]
        shape = table.integers(0, _AXES)
        sizes = table.integers(7, _AXES) or shape
        if len(sizes) != len(shape) or any(size < -1 for size in sizes):
            raise FlatBufferError(f"tensor {index} is of shape {list(shape)} and of {list(sizes)}")
        return LiteRTTensor(table.text(3), name, dtype, shape, sizes, _quantization(table.table(4)))

    def names(self, tensors: tuple[int, ...], signature: Mapping[str, int]) -> tuple[str, ...]:
        """The signature's names of these tensors where it names them all, else their own."""
        by_tensor = {tensor: name for name, tensor in signature.items()}
        if set(by_tensor) == set(tensors) and len(signature) == len(tensors):
            return tuple(by_tensor[tensor] for tensor in tensors)
        return tuple(self.tensors[tensor].text(3) for tensor in tensors)


def _type(tensor: Table) -> tuple[str, int, DType | None]:
    number = tensor.integer(1, "<b")
    if not 0 <= number < len(_TYPES):
        raise FlatBufferError(f"a tensor of type {number}; {len(_TYPES)} types are known")
    return _TYPES[number]


def _quantization(table: Table | None) -> Quantization | None:
    if table is None:
        return None
    scales = table.numbers(2, "f", _CHANNELS)
    points = tuple(int(point) for point in table.numbers(3, "q", _CHANNELS))
    return Quantization(scales, points, table.integer(6, "<i")) if scales else None


def _signatures(model: Table, graphs: list[_Graph]) -> Iterator[LiteRTSignature]:
    for table in model.tables(7, _GRAPHS):
        graph = table.integer(4, "<I")
        if graph >= len(graphs):
            raise FlatBufferError(f"a signature of graph {graph}, and there are {len(graphs)}")
        maps = [
            {item.text(0): item.integer(1, "<I") for item in table.tables(field, _PORTS)} for field in (0, 1)
        ]
        if any(number >= len(graphs[graph].tensors) for one in maps for number in one.values()):
            raise FlatBufferError("a signature names a tensor that its graph has not")
        yield LiteRTSignature(table.text(2), graph, maps[0], maps[1])


def _precision(graphs: list[_Graph]) -> str:
    """Told by the type that holds most of the weights, and then by what is computed."""
    weights: Counter[str] = Counter()
    computed: Counter[str] = Counter()
    for graph in graphs:
        for tensor, (name, _, _), have in zip(graph.tensors, graph.types, graph.weight_bytes, strict=True):
            is_quantized = name in ("FLOAT32", "FLOAT16") or _is_quantized(tensor)
            if have:
                weights[name] += have * is_quantized
            else:
                computed[name] += is_quantized
    integers = sum(weights[name] for name in _INTS_OF_FLOATS)
    if integers <= max(weights["FLOAT32"], weights["FLOAT16"]):
        return "fp16" if weights["FLOAT16"] > weights["FLOAT32"] else "fp32"
    if computed["FLOAT32"] > sum(computed[name] for name in (*_INTS_OF_FLOATS, "INT16")):
        return "dynamic-int8"
    if computed["INT16"] > computed["INT8"]:
        return "int16x8"
    return "int4" if weights["INT4"] > weights["INT8"] + weights["UINT8"] else "int8"


def _is_quantized(tensor: Table) -> bool:
    table = tensor.table(4)
    return table is not None and table.vector(2, 4)[1] > 0


def _spec(name: str, tensor: LiteRTTensor, owners: dict[int, str]) -> TensorSpec:
    if tensor.dtype is None:
        raise SourceUnsupportedError(
            f"Tensor {name!r} has elements of {tensor.type}, which cannot be served."
        )
    shape: list[Dim] = []
    for axis, size in enumerate(tensor.sizes):
        free = "batch" if axis == 0 else f"{owners.setdefault(axis, name) if size < 0 else name}_{axis}"
        shape.append(free if size < 0 else size)
    return TensorSpec(name, tensor.dtype, tuple(shape))
