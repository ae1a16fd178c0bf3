"""The words that every room shares: element types, tensor contracts and the one shape that verdicts judge.

Nothing here does I/O, and nothing here imports a framework: numpy only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Tensors = Mapping[str, Array]
Dim = int | str
"""A fixed size, or the name of a free dimension (`"batch"`)."""


class DType(StrEnum):
    """Element types, spelled as the Open Inference Protocol spells them."""

    BOOL = "BOOL"
    UINT8 = "UINT8"
    UINT16 = "UINT16"
    UINT32 = "UINT32"
    UINT64 = "UINT64"
    INT8 = "INT8"
    INT16 = "INT16"
    INT32 = "INT32"
    INT64 = "INT64"
    FP16 = "FP16"
    FP32 = "FP32"
    FP64 = "FP64"
    BF16 = "BF16"
    BYTES = "BYTES"

    @property
    def numpy(self) -> np.dtype[Any]:
        """The dtype (native byte order); BYTES is an object array of `bytes` or `str`, BF16 is ml_dtypes'."""
        return _TO_NUMPY.get(self) or _brain_float()

    @property
    def is_float(self) -> bool:
        """True for FP16, FP32, FP64 and BF16."""
        return self in (DType.FP16, DType.FP32, DType.FP64, DType.BF16)

    @property
    def is_integer(self) -> bool:
        """True for the signed and unsigned whole-number types, not for BOOL."""
        return self.value.startswith(("INT", "UINT"))

    @classmethod
    def of(cls, dtype: np.dtype[Any]) -> DType:
        """The element type of a numpy dtype. Raises `ValueError` where the protocol has no name for it."""
        if dtype.kind in "OSU":
            return cls.BYTES
        if dtype.name == "bfloat16":
            return cls.BF16
        try:
            return _FROM_NUMPY[dtype.newbyteorder("=")]
        except KeyError:
            raise ValueError(f"no tensor element type for numpy dtype {dtype}") from None


@cache
def _brain_float() -> np.dtype[Any]:
    """numpy has no bfloat16 of its own; imported here, since few models have it and a start must stay light."""
    import ml_dtypes

    dtype: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
    return dtype


_TO_NUMPY: dict[DType, np.dtype[Any]] = {
    DType.BOOL: np.dtype(np.bool_),
    DType.UINT8: np.dtype(np.uint8),
    DType.UINT16: np.dtype(np.uint16),
    DType.UINT32: np.dtype(np.uint32),
    DType.UINT64: np.dtype(np.uint64),
    DType.INT8: np.dtype(np.int8),
    DType.INT16: np.dtype(np.int16),
    DType.INT32: np.dtype(np.int32),
    DType.INT64: np.dtype(np.int64),
    DType.FP16: np.dtype(np.float16),
    DType.FP32: np.dtype(np.float32),
    DType.FP64: np.dtype(np.float64),
    DType.BYTES: np.dtype(object),
}
_FROM_NUMPY = {dtype: name for name, dtype in _TO_NUMPY.items() if name is not DType.BYTES}


@dataclass(frozen=True)
class TensorSpec:
    """One named tensor: its element type and shape. A `str` in the shape names a free dimension."""

    name: str
    dtype: DType
    shape: tuple[Dim, ...]

    def explain_mismatch(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> str | None:
        """Says in one line why an array of this dtype and shape does not fit, or None when it does."""
        found = f"{dtype}{list(shape)}"
        expected = str(self)
        try:
            same_dtype = DType.of(dtype) is self.dtype
        except ValueError:
            same_dtype = False
        if not same_dtype:
            return f"{self.name}: expected {expected}, found {found}: another dtype"
        if len(shape) != len(self.shape):
            return (
                f"{self.name}: expected {expected}, found {found}: "
                f"{len(shape)} dimensions where the model has {len(self.shape)}"
            )
        for axis, (want, have) in enumerate(zip(self.shape, shape, strict=True)):
            if isinstance(want, int) and want != have:
                return f"{self.name}: expected {expected}, found {found}: axis {axis} is {have}, not {want}"
        return None

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(str(dim) for dim in self.shape)}]"


@dataclass(frozen=True)
class Signature:
    """The input/output contract of a model: named tensors in their order."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    @cached_property
    def batch_axis(self) -> str | None:
        """The name of the free first dimension that all inputs and outputs share, or None: no batching."""
        specs = (*self.inputs, *self.outputs)
        firsts = {spec.shape[0] if spec.shape else None for spec in specs}
        if len(firsts) != 1:
            return None
        first = firsts.pop()
        return first if isinstance(first, str) else None

    @cached_property
    def has_rows(self) -> bool:
        """Whether a request is made of rows: all inputs are free along their first axis, or fixed to one size.

        Outputs need a first axis too, which a fixed size must not set apart from the inputs'. Without rows
        (a scalar beside a batch, a mean over it) a request is asked whole: never cut, never joined with others.
        """
        specs = (*self.inputs, *self.outputs)
        if not self.inputs or not all(spec.shape for spec in specs):
            return False
        firsts = {_size_or_free(spec) for spec in self.inputs}
        return len(firsts) == 1 and {_size_or_free(spec) for spec in self.outputs} <= {*firsts, None}

    @property
    def rows_per_request(self) -> int:
        """The fewest rows that can be asked: the first input's fixed first size, or 1 where it is free."""
        first = self.inputs[0].shape[0] if self.inputs[0].shape else 1
        return first if isinstance(first, int) else 1

    def input(self, name: str) -> TensorSpec:
        """The input of that name. Raises `KeyError`."""
        return _named(self.inputs, name)

    def output(self, name: str) -> TensorSpec:
        """The output of that name. Raises `KeyError`."""
        return _named(self.outputs, name)


def _size_or_free(spec: TensorSpec) -> int | None:
    """The first axis' fixed size, or None where it is free."""
    return spec.shape[0] if isinstance(spec.shape[0], int) else None


def _named(specs: tuple[TensorSpec, ...], name: str) -> TensorSpec:
    """The spec of that name. Raises `KeyError`."""
    for spec in specs:
        if spec.name == name:
            return spec
    raise KeyError(name)


@runtime_checkable
class Predictor(Protocol):
    """Raw samples in, predictions out: the one shape that verdicts are taken over.

    A source's worker, a session, an HTTP endpoint, a container and a device are all predictors.
    """

    @property
    def signature(self) -> Signature:
        """The contract that `predict` keeps."""
        ...

    def predict(self, inputs: Tensors) -> dict[str, Array]:
        """Takes one array per input (rows along the batch axis), gives one array per output, by name."""
        ...
