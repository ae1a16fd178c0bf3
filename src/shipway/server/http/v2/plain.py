"""The common request in one pass: every input once, in the model's order, its data a flat list.

Names, datatypes and elements are checked while the JSON is read, by a decoder made for the model. What does not
fit is not judged here: `request.py` reads it again, in full or to say what is wrong with it. Against reading
the data in a second pass: 1.8 µs instead of 2.6 for 4 numbers, 23 instead of 40 for 784.
"""

from __future__ import annotations

from math import prod
from typing import Any, Literal

import msgspec

from shipway.server.http.json_numbers import DO_NOT_FIT, Packer, element_type, nested
from shipway.server.http.v2.wire import STRICT_OUTPUTS, Parameters, WireCall
from shipway.types import Array, Signature, TensorSpec


class PlainReader:
    """Reads requests for one signature."""

    def __init__(self, signature: Signature) -> None:
        self._inputs = [_PlainInput(spec) for spec in signature.inputs]
        tensors: Any = tuple.__class_getitem__(tuple(_tensor_type(spec) for spec in signature.inputs))
        request = msgspec.defstruct(
            "PlainRequest",
            [STRICT_OUTPUTS, ("inputs", tensors)],
            bases=(WireCall,),
            gc=False,
            kw_only=True,
            forbid_unknown_fields=True,
        )
        self._decode = msgspec.json.Decoder(request).decode

    def read(self, json: bytes) -> tuple[WireCall, dict[str, Array]] | None:
        """The request and its arrays by name; None for any other request, good or bad."""
        try:
            request: Any = self._decode(json)
            inputs: dict[str, Array] = {}
            for plain, tensor in zip(self._inputs, request.inputs):  # noqa: B905 - the decoder counted them
                array = plain.convert(tensor.shape, tensor.data)
                if array is None or tensor.parameters is not None:
                    return None
                inputs[plain.name] = array
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, *DO_NOT_FIT):
            return None
        return request, inputs


class _PlainInput(Packer):
    """One input's spec in the form that a hot path compares."""

    __slots__ = ("_rank", "_row_elements", "_tail", "name")

    def __init__(self, spec: TensorSpec) -> None:
        super().__init__(spec)
        self.name = spec.name
        self._rank = len(spec.shape)
        self._tail = list(spec.shape[1:])
        fixed = [dim for dim in self._tail if isinstance(dim, int)]
        self._row_elements = prod(fixed) if len(fixed) == len(self._tail) else 0
        """0 where it is not known before the request."""

    def convert(self, shape: list[int], data: list[Any]) -> Array | None:
        """The array; None where it would not have that shape, or the model's rank. Raises as `Packer.pack`."""
        if self._row_elements and shape and shape[1:] == self._tail:
            if shape[0] * self._row_elements != len(data):
                return None
        elif len(shape) != self._rank or min(shape, default=0) < 0 or prod(shape) != len(data):
            return None
        return self.pack(data, shape)


def _tensor_type(spec: TensorSpec) -> type[msgspec.Struct]:
    """One input as it must be sent."""
    literal: Any = Literal
    return msgspec.defstruct(
        "PlainTensor",
        [
            ("name", literal[spec.name]),
            ("shape", list[int]),
            ("datatype", literal[spec.dtype.value]),
            ("data", nested(element_type(spec.dtype), 1)),
            ("parameters", Parameters | None, None),
        ],
        gc=False,
        forbid_unknown_fields=True,
    )
