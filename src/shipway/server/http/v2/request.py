"""An inference request's body to arrays by name, whether JSON, JSON with binary tensors, or raw bytes."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import msgspec

from shipway.errors import MalformedRequestError, TensorMismatchError, UnsupportedRequestError
from shipway.server.http.json_lists import LARGE_BYTES
from shipway.server.http.v2.binary import decode_tensor, shape_of_raw
from shipway.server.http.v2.depth import check_depth
from shipway.server.http.v2.json_data import JsonInput
from shipway.server.http.v2.large import LargeReader
from shipway.server.http.v2.plain import PlainReader
from shipway.server.http.v2.repeated import RepeatedHeads
from shipway.server.http.v2.wire import NO_DATA, Parameters, StrictRequest, WireCall, WireRequest, WireTensor
from shipway.types import Array, DType, Signature

_MOST_ELEMENTS = 2**40
"""More than any body can hold: refused before anything is multiplied with it."""
_MOST_DIMENSIONS = 32
"""numpy's own limit is 64; lists nested deeper than that are an attack, not a tensor."""
_NOT_OFFERED = ("shared_memory_region", "classification", "sequence_id", "sequence_start", "sequence_end")


@dataclass(slots=True)
class InferCall:
    """What was asked: arrays in, and which outputs in which form."""

    id: str
    inputs: dict[str, Array]
    outputs: list[tuple[str, bool]] | None
    """Name and whether in binary, in the order asked for; None: all of them, as JSON."""
    parameters: Parameters | None = None


_decode = msgspec.json.Decoder(WireRequest).decode
_decode_strict = msgspec.json.Decoder(StrictRequest).decode
_NO_REQUEST = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class RequestReader:
    """Reads requests for one signature."""

    def __init__(self, signature: Signature, *, max_json_depth: int = 64) -> None:
        self._inputs = {spec.name: (str(spec.dtype.value), JsonInput(spec)) for spec in signature.inputs}
        self._outputs = [spec.name for spec in signature.outputs]
        self._plain = PlainReader(signature)
        self._repeated = RepeatedHeads()
        self._large = LargeReader(signature)
        self._max_json_depth = max_json_depth

    def read(self, body: bytes, header_length: bytes | None) -> InferCall:
        """The call in a body; `header_length` is the value of `Inference-Header-Content-Length`.

        Raises `MalformedRequestError`, `TensorMismatchError`, `UnsupportedRequestError`.
        """
        if header_length is None:
            plain = (self._plain if len(body) < LARGE_BYTES else self._large).read(body)
            if plain is None:
                return self._read_parts(body, None)
            request, inputs = plain
            return InferCall(request.id, inputs, self._wanted(request), request.parameters)
        try:
            json_bytes = int(header_length) if header_length.isdigit() else -1
        except ValueError:
            json_bytes = -1
        if not 0 <= json_bytes <= len(body):
            raise MalformedRequestError(
                f"Inference-Header-Content-Length must be 0 to {len(body)} (the body's size), "
                f"found {header_length.decode('latin-1')[:40]!r}."
            )
        if json_bytes == 0:
            return self._read_raw(memoryview(body))
        json = body[:json_bytes]
        found = self._repeated.find(json, body)
        if found is not None:
            inputs, known = found
            return InferCall("", inputs, known.outputs, known.parameters)
        return self._read_parts(json, memoryview(body)[json_bytes:])

    def _read_parts(self, json: bytes | memoryview, binary: memoryview | None) -> InferCall:
        request = self._read_json(json)
        inputs: dict[str, Array] = {}
        offset, is_repeatable = 0, binary is not None and not request.id
        for tensor in request.inputs:
            reader = self._check(tensor, inputs)
            parameters = tensor.parameters
            if parameters is None or "binary_data_size" not in parameters:
                _refuse_parameters(parameters)
                if tensor.data is NO_DATA:
                    raise MalformedRequestError(f"Input {tensor.name} has no data.")
                inputs[tensor.name] = reader.read(tensor.data, tensor.shape)
                is_repeatable = False
                continue
            data = _binary_part(tensor, parameters["binary_data_size"], binary, offset)
            offset += len(data)
            inputs[tensor.name] = decode_tensor(data, reader.spec, tensor.shape)
        if binary is not None and offset != len(binary):
            raise MalformedRequestError(
                f"The binary data is {len(binary)} bytes, the inputs' binary_data_size add up to {offset}."
            )
        wanted = self._wanted(request)
        if is_repeatable:
            self._repeated.remember(bytes(json), inputs, wanted, request.parameters)
        return InferCall(request.id, inputs, wanted, request.parameters)

    def _read_json(self, json: bytes | memoryview) -> WireRequest:
        try:
            request: WireRequest = _decode_strict(json)
            return request
        except _NO_REQUEST:  # wrong, or with more fields than the protocol's, which are not looked into
            check_depth(bytes(json), self._max_json_depth)
        try:
            return _decode(json)
        except _NO_REQUEST as error:
            raise MalformedRequestError(
                f"The request is not an inference request: {error}.",
                hint='Expected {"inputs": [{"name", "shape", "datatype", "data"}]}.',
            ) from error

    def _check(self, tensor: WireTensor, known: dict[str, Array]) -> JsonInput:
        """The reader of a tensor whose name, datatype and sizes may be used."""
        name, shape = tensor.name, tensor.shape
        if name not in self._inputs or name in known:
            what = "is given twice" if name in known else "is not the model's"
            raise TensorMismatchError(
                f"Input {name!r} {what}; expected {', '.join(map(repr, self._inputs))}."
            )
        datatype, reader = self._inputs[name]
        if tensor.datatype != datatype:
            raise TensorMismatchError(
                f"Input {name}: expected datatype {datatype}, found {tensor.datatype!r}."
            )
        if shape and min(shape) < 0:
            raise TensorMismatchError(f"Input {name}: sizes are 0 or more, found the shape {shape}.")
        # Without its zeros, as numpy counts: it has no array of shape [0, 2**40, 2**40] either.
        if len(shape) > _MOST_DIMENSIONS or prod([size or 1 for size in shape]) > _MOST_ELEMENTS:
            raise TensorMismatchError(f"Input {name}: no request holds the shape {shape}.")
        return reader

    def _wanted(self, request: WireCall) -> list[tuple[str, bool]] | None:
        if request.outputs is None and request.parameters is None:
            return None
        _refuse_parameters(request.parameters)
        default = _flag(request.parameters, "binary_data_output", default=False)
        if not request.outputs:
            return [(name, default) for name in self._outputs] if default else None
        wanted = []
        for output in request.outputs:
            if output.name not in self._outputs:
                raise TensorMismatchError(
                    f"Output {output.name!r} is not the model's; it has {', '.join(map(repr, self._outputs))}."
                )
            _refuse_parameters(output.parameters)
            wanted.append((output.name, _flag(output.parameters, "binary_data", default=default)))
        return wanted

    def _read_raw(self, body: memoryview) -> InferCall:
        if len(self._inputs) != 1:
            raise TensorMismatchError(
                f"A raw request (Inference-Header-Content-Length: 0) needs a model with one input; "
                f"this one has {', '.join(map(repr, self._inputs))}."
            )
        _, reader = next(iter(self._inputs.values()))
        spec = reader.spec
        shape = shape_of_raw(len(body), spec)
        if spec.dtype is DType.BYTES:
            body = memoryview(len(body).to_bytes(4, "little") + bytes(body))
        array = decode_tensor(body, spec, shape)
        return InferCall("", {spec.name: array}, [(name, True) for name in self._outputs])


def _binary_part(
    tensor: WireTensor, size: str | float | None, binary: memoryview | None, offset: int
) -> memoryview:
    if binary is None:
        raise MalformedRequestError(
            f"Input {tensor.name} has binary_data_size, and the request no Inference-Header-Content-Length.",
            hint="The header says how many bytes of the body are JSON.",
        )
    if tensor.data is not NO_DATA:
        raise MalformedRequestError(f"Input {tensor.name} has both data and binary_data_size.")
    if type(size) is not int or size < 0 or offset + size > len(binary):
        raise MalformedRequestError(
            f"Input {tensor.name}: binary_data_size must be 0 to {len(binary) - offset} (what is left of the "
            f"body), found {size!r}."
        )
    return binary[offset : offset + size]


def _flag(parameters: Parameters | None, name: str, *, default: bool) -> bool:
    value = default if parameters is None else parameters.get(name, default)
    if not isinstance(value, bool):
        raise MalformedRequestError(f"The parameter {name} is true or false, found {value!r}.")
    return value


def _refuse_parameters(parameters: Parameters | None) -> None:
    """What would change the answer must not be ignored in silence."""
    if parameters is None:
        return
    for name in _NOT_OFFERED:
        if parameters.get(name):
            raise UnsupportedRequestError(f"The parameter {name} is not offered by this server.")
