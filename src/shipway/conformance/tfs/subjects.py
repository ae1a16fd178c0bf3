"""What the checks of TF Serving's REST API are tried on: a model, its signature and inputs that it takes."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from shipway.conformance.address import Client
from shipway.conformance.check import InapplicableError, UndecidedError, UnmetError
from shipway.conformance.exchange import Reply, shown
from shipway.conformance.expectations import expect_document, expect_key
from shipway.conformance.tensors import Port, Tensor, to_json, variants
from shipway.types import Array

_TYPES = {
    "DT_BOOL": "BOOL",
    "DT_DOUBLE": "FP64",
    "DT_FLOAT": "FP32",
    "DT_HALF": "FP16",
    "DT_BFLOAT16": "BF16",
    "DT_STRING": "BYTES",
    **{f"DT_{sign}INT{bits}": f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)},
}
DEFAULT_SIGNATURE = "serving_default"
_JSON = {"Content-Type": "application/json"}
Document = dict[str, Any]


class Model:
    """One model behind `/v1/models/{model}`."""

    def __init__(self, client: Client, name: str, data: Mapping[str, Array] | None = None) -> None:
        self.client = client
        self.name = name
        self._data = data
        self._metadata: Document | None = None
        self._inputs: list[Tensor] | UndecidedError | None = None

    def path(self, version: str | None = None, *, name: str | None = None) -> str:
        """The model's path, or a version's, or that of another name."""
        middle = "" if version is None else f"/versions/{quote(version, safe='')}"
        return f"/v1/models/{quote(name or self.name, safe='')}{middle}"

    @property
    def metadata(self) -> Document:
        """What `…/metadata` says. Raises `UndecidedError`."""
        if self._metadata is None:
            try:
                self._metadata = expect_document(self.client.ask("GET", f"{self.path()}/metadata"))
            except UnmetError as error:
                raise UndecidedError(f"the model's metadata cannot be read: {error}") from error
        return self._metadata

    def signature(self) -> Document:
        """The default signature. Raises `UndecidedError`."""
        try:
            return read_signature(self.metadata, Reply(200, {}, b""))
        except UnmetError as error:
            raise UndecidedError(f"the model's metadata has no signature: {error}") from error

    @property
    def inputs(self) -> list[Port]:
        """The inputs of the default signature. Raises `UndecidedError`."""
        return _ports(self.signature(), "inputs")

    @property
    def outputs(self) -> list[Port]:
        """Its outputs. Raises `UndecidedError`."""
        return _ports(self.signature(), "outputs")

    @property
    def request(self) -> list[Tensor]:
        """Inputs that the model answers, found once. Raises `UndecidedError`."""
        if self._inputs is None:
            self._inputs = self._find_inputs()
        if isinstance(self._inputs, UndecidedError):
            raise self._inputs
        return self._inputs

    def rows(self) -> list[Tensor]:
        """The same, for requests in row format. Raises `InapplicableError`."""
        if not all(port.has_rows for port in (*self.inputs, *self.outputs)):
            raise InapplicableError("the first dimension is not -1 in every input and output")
        return self.request

    def post(self, body: bytes, *, verb: str = "predict", version: str | None = None) -> Reply:
        """A request of any bytes."""
        return self.client.ask("POST", f"{self.path(version)}:{verb}", body, _JSON)

    def _find_inputs(self) -> list[Tensor] | UndecidedError:
        ports = self.inputs
        tries = variants(ports) if self._data is None else [_given(ports, self._data)]
        reply = None
        for inputs in tries:
            reply = self.post(columns_request(inputs))
            if reply.status == 200:
                return inputs
        said = "nothing" if reply is None else f"{reply.status}: {shown(reply.body)[:200]}"
        return UndecidedError(f"every input is refused with {said}; give others: --data D.npz")


def _given(ports: Sequence[Port], data: Mapping[str, Array]) -> list[Tensor]:
    try:
        return [Tensor(port.name, port.datatype, data[port.name]) for port in ports]
    except KeyError as error:
        raise UndecidedError(f"--data has no array {error}") from error


def read_signature(metadata: Document, reply: Reply) -> Document:
    """The default signature of a metadata document. Raises `UnmetError`."""
    inner = expect_key(metadata, "metadata", dict, reply)
    outer = expect_key(inner, "signature_def", dict, reply)
    signatures = expect_key(outer, "signature_def", dict, reply)
    return dict(expect_key(signatures, DEFAULT_SIGNATURE, dict, reply))


def _ports(signature: Document, side: str) -> list[Port]:
    try:
        return read_ports(signature, side, Reply(200, {}, b""))
    except UnmetError as error:
        raise UndecidedError(f"the model's signature cannot be read: {error}") from error


def read_ports(signature: Document, side: str, reply: Reply) -> list[Port]:
    """The tensors of a signature. Raises `UnmetError`."""
    ports = []
    for name, tensor in expect_key(signature, side, dict, reply).items():
        if not isinstance(tensor, dict):
            raise UnmetError(f"an object for {name!r}", repr(tensor)[:100], reply)
        kind = expect_key(tensor, "dtype", str, reply)
        if kind not in _TYPES:
            raise UnmetError(f"one of {', '.join(_TYPES)} for {name!r}", repr(kind), reply)
        shape = expect_key(tensor, "tensor_shape", dict, reply)
        try:  # sizes are text, as protobuf's JSON has 64-bit integers
            sizes = tuple(int(dim["size"]) for dim in shape.get("dim", []))
        except (KeyError, TypeError, ValueError):
            raise UnmetError(f"dim: [{{size}}] for {name!r}", repr(shape)[:200], reply) from None
        ports.append(Port(name, _TYPES[kind], sizes))
    return ports


def _values(tensor: Tensor) -> Any:  # noqa: ANN401 - nested lists, or one value
    """The data nested as deep as its shape; text that is no UTF-8, and all of it here, as {"b64"}."""
    if tensor.datatype != "BYTES":
        if tensor.datatype in ("FP16", "BF16"):
            return tensor.data.astype(float).tolist()
        return tensor.data.tolist() if tensor.data.ndim else to_json(tensor)[0]
    return _nested_text(tensor.data.tolist())


def _nested_text(value: Any) -> Any:  # noqa: ANN401 - nested lists
    if isinstance(value, list):
        return [_nested_text(item) for item in value]
    return {"b64": base64.b64encode(value if isinstance(value, bytes) else value.encode()).decode()}


def columns(inputs: Sequence[Tensor]) -> Document:
    """`inputs` of the columnar format."""
    return {tensor.name: _values(tensor) for tensor in inputs}


def rows_of(inputs: Sequence[Tensor]) -> list[Any]:
    """`instances` of the row format: of one input its rows themselves, of several an object a row."""
    found = columns(inputs)
    if len(found) == 1:
        return list(next(iter(found.values())))
    count = len(next(iter(found.values())))
    return [{name: values[row] for name, values in found.items()} for row in range(count)]


def encode(document: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """The JSON of a value."""
    return json.dumps(document).encode()


def columns_request(inputs: Sequence[Tensor], **more: Any) -> bytes:  # noqa: ANN401 - JSON values
    """A request in the columnar format."""
    return encode({"inputs": columns(inputs), **more})


def rows_request(inputs: Sequence[Tensor], **more: Any) -> bytes:  # noqa: ANN401 - JSON values
    """A request in the row format."""
    return encode({"instances": rows_of(inputs), **more})
