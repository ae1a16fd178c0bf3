"""The signatures of a SavedModel: which tensors go in and come out, as `meta_graph.proto` tells it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from shipway.sources.files.protobuf_fields import (
    BYTES,
    VARINT,
    WireError,
    fields,
    merged,
    messages,
    signed,
    text,
)
from shipway.types import Dim, DType, TensorSpec

_SIGNATURES = 256
_TENSORS = 4096
_AXES = 32
_NAME_BYTES = 1000
_DTYPES = {
    1: DType.FP32,
    2: DType.FP64,
    3: DType.INT32,
    4: DType.UINT8,
    5: DType.INT16,
    6: DType.INT8,
    7: DType.BYTES,
    9: DType.INT64,
    10: DType.BOOL,
    17: DType.UINT16,
    19: DType.FP16,
    22: DType.UINT32,
    23: DType.UINT64,
}
_OTHER_DTYPES = {8: "complex64", 14: "bfloat16", 18: "complex128", 20: "resource", 21: "variant"}


@dataclass(frozen=True)
class SavedSignature:
    """One way to call the model: what `tf.saved_model.load(FOLDER).signatures[name]` takes and gives."""

    name: str
    method: str
    """`tensorflow/serving/predict`; or TensorFlow 1's `classify`, `regress`, which take serialized examples."""
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    tensors: Mapping[str, str]
    """Input's and output's name (`"inputs/x"`, `"outputs/y"`) → the graph's tensor (`"serving_default_x:0"`)."""
    unsupported: tuple[str, ...]
    """Tensors that are left out above, and why, one sentence each."""


def read_signatures(meta_graph: memoryview) -> Iterator[tuple[str, SavedSignature]]:
    """Every signature of a `MetaGraphDef`, also TensorFlow's own `__saved_model_init_op`. Raises `WireError`."""
    seen: set[str] = set()
    for entry in messages(meta_graph, 5):
        name = text(merged(entry, 1), _NAME_BYTES)
        if name in seen or len(seen) >= _SIGNATURES:
            raise WireError(f"signature {name!r} stands twice, or there are more than {_SIGNATURES}")
        seen.add(name)
        body = merged(entry, 2)
        method = "".join(text(part) for part in messages(body, 3))
        tensors: dict[str, str] = {}
        problems: list[str] = []
        owners: dict[int, str] = {}
        inputs = tuple(_specs(body, 1, owners, tensors, problems))
        outputs = tuple(_specs(body, 2, owners, tensors, problems))
        yield name, SavedSignature(name, method, inputs, outputs, tensors, tuple(problems))


def _specs(
    body: memoryview, number: int, owners: dict[int, str], tensors: dict[str, str], problems: list[str]
) -> Iterator[TensorSpec]:
    """Inputs (field 1) or outputs (2) in their names' order, which is TensorFlow's order too."""
    side = "inputs" if number == 1 else "outputs"
    found: dict[str, memoryview] = {}
    for entry in messages(body, number):
        name = text(merged(entry, 1), _NAME_BYTES)
        if name in found or len(found) >= _TENSORS:
            raise WireError(f"{side}: {name!r} stands twice, or there are more than {_TENSORS}")
        found[name] = merged(entry, 2)
    for name, info in sorted(found.items()):
        tensors[f"{side}/{name}"] = "".join(text(part) for part in messages(info, 1))
        dtype, sizes, problem = _tensor_info(info)
        if dtype is None or sizes is None:
            problems.append(f"{side[:-1]} {name!r} {problem}")
            continue
        shape = tuple(_dim(name, axis, size, owners) for axis, size in enumerate(sizes))
        yield TensorSpec(name, dtype, shape)


def _dim(name: str, axis: int, size: int, owners: dict[int, str]) -> Dim:
    """A free first axis is `batch`; others bear the name of the first input that is free there."""
    if size >= 0:
        return size
    return "batch" if axis == 0 else f"{owners.setdefault(axis, name)}_{axis}"


def _tensor_info(info: memoryview) -> tuple[DType | None, list[int] | None, str]:
    """Element type, sizes (-1: free) and why there are none."""
    code = 0
    is_dense = True
    for number, kind, value, _ in fields(info):
        if number == 2 and kind == VARINT:
            code = value
        is_dense = is_dense and number not in (4, 5)
    if not is_dense:
        return None, None, "is sparse or ragged; only dense tensors are served"
    if code not in _DTYPES:
        return None, None, f"has elements of {_OTHER_DTYPES.get(code, f'TensorFlow type {code}')}"
    shape = merged(info, 3)
    if any(number == 3 and value for number, _, value, _ in fields(shape)) or not any(_has(info, 3)):
        return None, None, "has no fixed number of dimensions"
    sizes = [_size(dim) for dim in messages(shape, 2)]
    if len(sizes) > _AXES or any(size < -1 for size in sizes):
        raise WireError(f"a tensor of shape {sizes[:_AXES]}")
    return _DTYPES[code], sizes, ""


def _has(info: memoryview, number: int) -> Iterator[bool]:
    """True for each field of that number, also an empty one: the shape of a scalar has no bytes."""
    return (True for found, kind, _, _ in fields(info) if found == number and kind == BYTES)


def _size(dim: memoryview) -> int:
    size = 0
    for number, kind, value, _ in fields(dim):
        if number == 1 and kind == VARINT:
            size = signed(value)
    return size
