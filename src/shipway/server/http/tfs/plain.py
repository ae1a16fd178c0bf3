"""The common `predict` body in one typed pass. What does not fit is not judged here: `request.py` reads it again.

A decoder made for the model checks nesting and elements while the JSON is read. The second reading understands
what this one does not (NaN, base64, objects for a single input) or says what is wrong.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import numpy as np

from shipway.types import Array, DType, Signature, TensorSpec

_LARGEST_FP16 = 65504.0
# Half a step above the largest float32: from here on a number would become infinity.
_OVER_FP32 = 3.4028235677973366e38
_FLOATS: dict[DType, Any] = {
    DType.FP16: Annotated[float, msgspec.Meta(ge=-_LARGEST_FP16, le=_LARGEST_FP16)],
    DType.FP32: Annotated[float, msgspec.Meta(gt=-_OVER_FP32, lt=_OVER_FP32)],
    DType.FP64: float,
    DType.BOOL: bool,
    DType.BYTES: str,
}
"""Whole numbers have no bounds here: numpy refuses what their datatype cannot hold."""
_UNFIT = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError, ValueError)


class PlainPredictReader:
    """Reads bodies for one signature."""

    def __init__(self, signature: Signature) -> None:
        self._inputs = [(spec.name, spec.dtype.numpy, len(spec.shape)) for spec in signature.inputs]
        self._decode = msgspec.json.Decoder(_body_type(signature)).decode

    def read(self, body: bytes) -> tuple[dict[str, Array], bool, str | None] | None:
        """Arrays by name, whether in row form, and the signature's name; None for any other body."""
        try:
            found: Any = self._decode(body)
            rows, columns = found.instances, found.inputs
            is_row_form = rows is not msgspec.UNSET
            if is_row_form is (columns is not msgspec.UNSET):
                return None
            inputs = self._convert(rows, columns)
        except _UNFIT:
            return None
        signature_name = None if found.signature_name is msgspec.UNSET else found.signature_name
        return None if inputs is None else (inputs, is_row_form, signature_name)

    def _convert(self, rows: Any, columns: Any) -> dict[str, Array] | None:  # noqa: ANN401 - made at run time
        values: list[Any]
        if columns is not msgspec.UNSET:
            values = [columns] if len(self._inputs) == 1 else list(columns)
        elif len(self._inputs) == 1:
            values = [rows]
        else:
            values = list(zip(*rows, strict=True)) or [[]] * len(self._inputs)
        arrays: dict[str, Array] = {}
        for (name, dtype, rank), value in zip(self._inputs, values, strict=True):
            array: Array = np.array(value, dtype=dtype)
            if array.ndim != rank:
                return None
            arrays[name] = array
        return arrays


def _body_type(signature: Signature) -> type[msgspec.Struct]:
    inputs = signature.inputs
    fewest = min(len(spec.shape) for spec in inputs)
    rows: Any = None
    if len(inputs) == 1:
        columns = _nested(inputs[0], len(inputs[0].shape))
        rows = columns if fewest else None
    else:
        columns = _object(inputs, rank_less=0)
        rows = list.__class_getitem__(_object(inputs, rank_less=1)) if fewest else None
    return msgspec.defstruct(
        "PlainPredict",
        [
            # UNSET, not None: a null is neither text nor a tensor.
            ("signature_name", str | msgspec.UnsetType, msgspec.UNSET),
            ("instances", msgspec.UnsetType if rows is None else rows | msgspec.UnsetType, msgspec.UNSET),
            ("inputs", columns | msgspec.UnsetType, msgspec.UNSET),
        ],
        gc=False,
    )


def _object(inputs: tuple[TensorSpec, ...], *, rank_less: int) -> Any:  # noqa: ANN401 - a type made here
    """An object with one member an input, each of so many axes less than the input has."""
    names = {f"input_{index}": spec.name for index, spec in enumerate(inputs)}
    return msgspec.defstruct(
        "PlainObject",
        [
            (field, _nested(spec, len(spec.shape) - rank_less))
            for field, spec in zip(names, inputs, strict=True)
        ],
        rename=names,
        forbid_unknown_fields=True,
        gc=False,
        namespace={"__iter__": _members},
    )


def _members(self: msgspec.Struct) -> Any:  # noqa: ANN401 - the members' types are the model's
    return iter(msgspec.structs.astuple(self))


def _nested(spec: TensorSpec, depth: int) -> Any:  # noqa: ANN401 - a type made here
    kind: Any = _FLOATS.get(spec.dtype, int)
    for _ in range(depth):
        kind = list.__class_getitem__(kind)
    return kind
