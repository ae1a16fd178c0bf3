"""The common `predict` body in one typed pass. What does not fit is not judged here: `request.py` reads it again.

A decoder made for the model checks nesting and elements while the JSON is read. The second reading understands
what this one does not (NaN, base64, objects for a single input) or says what is wrong.
"""

from __future__ import annotations

from itertools import chain
from typing import Any

import msgspec

from shipway.server.http.json_numbers import DO_NOT_FIT, Packer, element_type, nested
from shipway.server.http.tfs.large import LargePredictReader
from shipway.types import Array, Signature, TensorSpec

_UNFIT = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, *DO_NOT_FIT)
_LARGE_BYTES = 2**18
"""From here on it pays: to see that lists in lists are of one length costs a pass over the text."""
PlainCall = tuple[dict[str, Array], bool, str | None]
"""Arrays by name, whether in row form, and the signature's name."""


class PlainPredictReader:
    """Reads bodies for one signature."""

    def __init__(self, signature: Signature) -> None:
        self._inputs = [(spec.name, len(spec.shape), Packer(spec)) for spec in signature.inputs]
        self._decode = msgspec.json.Decoder(_body_type(signature)).decode
        self._large = LargePredictReader(signature)

    def read(self, body: bytes) -> PlainCall | None:
        """None for any other body."""
        if len(body) >= _LARGE_BYTES:
            large = self._large.read(body)
            if large is not None:
                return large
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
        values: Any
        if columns is not msgspec.UNSET:
            values = (columns,) if len(self._inputs) == 1 else columns
        elif not rows:
            return None
        else:
            values = (rows,) if len(self._inputs) == 1 else map(list, zip(*rows, strict=True))
        arrays: dict[str, Array] = {}
        for (name, rank, packer), value in zip(self._inputs, values, strict=True):
            flat, shape = _flatten(value, rank)
            array = None if flat is None else packer.pack(flat, shape)
            if array is None:
                return None
            arrays[name] = array
        return arrays


def _flatten(value: Any, rank: int) -> tuple[list[Any] | None, list[int]]:  # noqa: ANN401 - as deep as `rank`
    """The elements of lists nested `rank` deep, and their sizes; None where lists beside each other differ."""
    if not rank:
        return [value], []
    shape = [len(value)]
    for _ in range(rank - 1):
        if not value:
            return None, shape  # how deep an empty list would have been is not told
        size = len(value[0])
        if len(value) == 1:
            value = value[0]
        else:
            if any(len(row) != size for row in value):
                return None, shape
            value = list(chain.from_iterable(value))
        shape.append(size)
    return value, shape


def _body_type(signature: Signature) -> type[msgspec.Struct]:
    inputs = signature.inputs
    fewest = min(len(spec.shape) for spec in inputs)
    rows: Any = None
    if len(inputs) == 1:
        columns = _nested(inputs[0], len(inputs[0].shape))
        rows = columns if fewest else None
    else:
        columns = _object(inputs, rank_less=0)
        rows = nested(_object(inputs, rank_less=1), 1) if fewest else None
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
    return nested(element_type(spec.dtype), depth)
