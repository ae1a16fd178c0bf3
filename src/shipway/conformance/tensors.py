"""Tensors as the protocols write them: inputs made from a model's metadata, JSON and binary forms, comparison.

An own small form and not `shipway.types`: other servers have BF16, and names of datatypes that are none must be
sendable.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Any

import numpy as np

from shipway.conformance.check import InapplicableError, UndecidedError, UnmetError
from shipway.types import Array

NUMPY: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    **{f"UINT{bits}": np.dtype(f"uint{bits}") for bits in (8, 16, 32, 64)},
    **{f"INT{bits}": np.dtype(f"int{bits}") for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": np.dtype(f"float{bits}") for bits in (16, 32, 64)},
    "BF16": np.dtype(np.float32),  # kept as the FP32 of which it is the upper half
    "BYTES": np.dtype(object),
}
"""The protocol's datatypes, with BF16 of Triton's extension."""
WITHOUT_JSON = ("FP16", "BF16")
_LENGTH = Struct("<I")
_MOST_ELEMENTS = 2**24
_FILLS = ("small", "zeros", "ones")


@dataclass(frozen=True)
class Port:
    """An input or output as the metadata tells it; -1 is a free dimension."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    @property
    def is_free(self) -> bool:
        """Whether a dimension of it is free."""
        return -1 in self.shape

    @property
    def has_rows(self) -> bool:
        """Whether its first dimension is free."""
        return self.shape[:1] == (-1,)

    def fits(self, shape: Sequence[int]) -> bool:
        """Whether a tensor of that shape may come out of it."""
        return len(shape) == len(self.shape) and all(
            want in (-1, have) for want, have in zip(self.shape, shape, strict=True)
        )

    def __str__(self) -> str:
        return f"{self.name}: {self.datatype}{list(self.shape)}"


@dataclass(frozen=True)
class Tensor:
    """A named array with the protocol's word for its type."""

    name: str
    datatype: str
    data: Array
    is_binary: bool = False
    """Of an answer: whether it came in binary form."""

    def __str__(self) -> str:
        return f"{self.datatype}{list(self.data.shape)}"


def generate(
    ports: Sequence[Port], size: int, fill: str = "small", *, rows: int | None = None
) -> list[Tensor]:
    """A tensor for each input: free dimensions are `size`, a free first one `rows` where that is given."""
    made = []
    for port in ports:
        shape = [size if dim < 0 else dim for dim in port.shape]
        if rows is not None and port.has_rows:
            shape[0] = rows
        made.append(Tensor(port.name, port.datatype, _fill(port.datatype, shape, fill)))
    return made


def variants(ports: Sequence[Port]) -> list[list[Tensor]]:
    """Inputs to try in turn until the model takes one: sizes of free dimensions, then other values."""
    sizes = (1, 2, 3) if any(port.is_free for port in ports) else (1,)
    return [generate(ports, size, fill) for fill in _FILLS for size in sizes]


def _fill(datatype: str, shape: list[int], fill: str) -> Array:
    """Values that every datatype holds exactly and that most models take: an index of 0 or 1, text of a digit."""
    if datatype not in NUMPY:
        raise InapplicableError(f"the metadata's datatype {datatype!r} is none that can be generated")
    count = math.prod(shape)
    if count > _MOST_ELEMENTS:
        raise UndecidedError(
            f"an input of shape {shape} is too large to make up; give real ones: --data D.npz"
        )
    index = np.arange(count)
    whole = {"small": index % 2, "zeros": index * 0, "ones": index * 0 + 1}[fill]
    if datatype == "BYTES":
        array = np.empty(count, dtype=object)
        array[:] = [str(value).encode() for value in whole]
        return array.reshape(shape)
    if NUMPY[datatype].kind == "f" and fill == "small":
        return ((index % 7) * 0.25 - 0.5).astype(NUMPY[datatype]).reshape(shape)
    return whole.astype(NUMPY[datatype]).reshape(shape)


def to_json(tensor: Tensor, *, nested: bool = False) -> list[Any]:
    """The data as JSON. Raises `InapplicableError` for FP16 and BF16, which have no JSON form."""
    if tensor.datatype in WITHOUT_JSON:
        raise InapplicableError(f"{tensor.datatype} has no JSON form")
    data = tensor.data
    if tensor.datatype == "BYTES":
        texts = [item if isinstance(item, str) else item.decode() for item in data.ravel().tolist()]
        flat = np.empty(len(texts), dtype=object)
        flat[:] = texts
        data = flat.reshape(data.shape)
    found = data.tolist() if nested else data.ravel().tolist()
    return found if isinstance(found, list) else [found]


def to_bytes(tensor: Tensor) -> bytes:
    """The data in the form of the binary tensor extension."""
    if tensor.datatype == "BYTES":
        items = [item if isinstance(item, bytes) else str(item).encode() for item in tensor.data.ravel()]
        return b"".join(_LENGTH.pack(len(item)) + item for item in items)
    if tensor.datatype == "BF16":
        return (tensor.data.astype("<f4").view("<u4") >> 16).astype("<u2").tobytes()
    return tensor.data.astype(tensor.data.dtype.newbyteorder("<")).tobytes()


def from_json(name: str, datatype: str, shape: list[int], data: list[Any]) -> Tensor:
    """An output in JSON. Raises `UnmetError` where its values are not of its type or not as many as its shape."""
    values = list(_flat(data))
    wrong = next((value for value in values if not _is_of(datatype, value)), None)
    if wrong is not None or None in values:
        raise UnmetError(f"values of {datatype} in the output {name}", repr(wrong))
    if len(values) != math.prod(shape):
        raise UnmetError(
            f"{math.prod(shape)} values in the output {name}, of shape {shape}", f"{len(values)}"
        )
    if datatype == "BYTES":
        array = np.empty(len(values), dtype=object)
        array[:] = [value.encode() for value in values]
    else:
        array = np.array(values, dtype=NUMPY[datatype])
    return Tensor(name, datatype, array.reshape(shape))


def from_bytes(name: str, datatype: str, shape: list[int], data: bytes) -> Tensor:
    """An output in binary. Raises `UnmetError` where its bytes are not as many as its shape takes."""
    count = math.prod(shape)
    if datatype == "BYTES":
        array = _strings(name, data, count)
    else:
        dtype = np.dtype("<u2") if datatype == "BF16" else NUMPY[datatype].newbyteorder("<")
        if len(data) != count * dtype.itemsize:
            expected = f"{count * dtype.itemsize} bytes of the output {name}, {datatype}{shape}"
            raise UnmetError(expected, f"binary_data_size {len(data)}")
        array = np.frombuffer(data, dtype)
        if datatype == "BF16":
            array = (array.astype(np.uint32) << 16).view(np.float32)
        array = array.astype(NUMPY[datatype])
    return Tensor(name, datatype, array.reshape(shape), is_binary=True)


def _strings(name: str, data: bytes, count: int) -> Array:
    items, offset = [], 0
    while offset + _LENGTH.size <= len(data):
        start = offset + _LENGTH.size
        offset = start + _LENGTH.unpack_from(data, offset)[0]
        items.append(data[start:offset])
    if len(items) != count or offset != len(data):
        raise UnmetError(
            f"{count} BYTES elements of the output {name}, each after its 4 bytes of length",
            f"{len(items)} in {len(data)} bytes",
        )
    array = np.empty(count, dtype=object)
    array[:] = items
    return array


def _flat(data: Any) -> Any:  # noqa: ANN401 - nested lists of any depth
    stack = [iter(data)]
    while stack:
        for item in stack[-1]:
            if isinstance(item, list):
                stack.append(iter(item))
                break
            yield item
        else:
            stack.pop()


def _is_of(datatype: str, value: Any) -> bool:  # noqa: ANN401 - any JSON value
    if datatype == "BYTES":
        return isinstance(value, str)
    if datatype == "BOOL" or isinstance(value, bool):
        return datatype == "BOOL" and (isinstance(value, bool) or value in (0, 1))
    if NUMPY[datatype].kind == "f":
        return isinstance(value, int | float)
    limits = np.iinfo(NUMPY[datatype])
    return isinstance(value, int) and int(limits.min) <= value <= int(limits.max)


def differs(a: Tensor, b: Tensor) -> str | None:
    """In one line where two answers to the same inputs differ; None where only rounding does."""
    if a.datatype != b.datatype or a.data.shape != b.data.shape:
        return f"{a.name} is {a} in one and {b} in the other"
    if a.data.dtype.kind == "f":
        loose = 1e-2 if a.datatype in WITHOUT_JSON else 1e-4
        same = np.isclose(
            a.data.astype(float), b.data.astype(float), rtol=loose, atol=loose / 100, equal_nan=True
        )
    else:
        same = np.asarray(a.data == b.data)
    if np.all(same):
        return None
    place = tuple(int(index) for index in np.argwhere(~same)[0])
    return f"{a.name}{list(place)} is {a.data[place]!r} in one and {b.data[place]!r} in the other"
