"""A running service as a predictor: the Open Inference Protocol over HTTP, tensors in binary.

Works against any server that speaks V2 with the binary tensor extension, not only ours.
"""

from __future__ import annotations

import json
import math
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, unquote

import numpy as np

from shipway.errors import EndpointAnswerError, UsageError
from shipway.targets.client import Client, Reply, split_url
from shipway.targets.credentials import Credentials
from shipway.targets.refusals import hint_of_redirect, key_refused
from shipway.types import Array, Dim, DType, Signature, Tensors, TensorSpec

_HEADER = "Inference-Header-Content-Length"
_NOT_V2 = "Check that the address is that of a V2 (Open Inference Protocol) server."
_MALFORMED = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)
"""What JSON of any other form than the protocol's raises while it is read, numbers out of range included."""


class Endpoint:
    """One model of a live service. One connection, kept open; not for several threads at once."""

    def __init__(
        self,
        url: str,
        model: str | None = None,
        *,
        credentials: Credentials | None = None,
        timeout_seconds: float = 60.0,
    ) -> None:
        """`url` is the server's address (`http://127.0.0.1:8080`) or that of one model, or version, on it.

        `model` is asked where the address names none. Nothing is asked before the first use. Raises
        `UsageError` for what is no HTTP address.
        """
        address = split_url(url)
        self.url = address.url
        self.client = Client(address, credentials or Credentials(), timeout_seconds=timeout_seconds)
        self._prefix, named, self._version = _split_path(address.path)
        self._model = named or model
        self._signature: Signature | None = None
        self._metadata: dict[str, Any] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection."""
        self.client.close()

    @property
    def model(self) -> str:
        """The model's name; where none was given, the server's only one.

        Raises `EndpointError`, or `UsageError` when the server has several.
        """
        if self._model is None:
            self._model = self._only_model()
        return self._model

    @property
    def metadata(self) -> dict[str, Any]:
        """The model's metadata as the server gives it. Raises `EndpointError`."""
        if self._metadata is None:
            self._metadata = self._get_json(self._model_path)
        return self._metadata

    @property
    def signature(self) -> Signature:
        """From the server's metadata; -1 becomes a free dimension, the first one `batch`."""
        if self._signature is None:
            try:
                self._signature = Signature(
                    inputs=tuple(_spec(item) for item in self.metadata["inputs"]),
                    outputs=tuple(_spec(item) for item in self.metadata["outputs"]),
                )
            except _MALFORMED as error:
                raise EndpointAnswerError(
                    f"{self.url}: the metadata of {self.model!r} is not as the protocol has it: {error!r}.",
                    hint=_NOT_V2,
                ) from error
        return self._signature

    @property
    def infer_path(self) -> str:
        """The path that inference requests go to."""
        return f"{self._model_path}/infer"

    @property
    def _model_path(self) -> str:
        version = "" if self._version is None else f"/versions/{quote(self._version, safe='')}"
        return f"{self._prefix}/v2/models/{quote(self.model, safe='')}{version}"

    def is_ready(self) -> bool:
        """True when the server says that it is ready. Raises `EndpointUnreachableError`."""
        return self.client.ask("GET", f"{self._prefix}/v2/health/ready").status == 200

    def predict(self, inputs: Tensors) -> dict[str, Array]:
        """One inference request, inputs and outputs in binary form.

        Raises `EndpointUnreachableError`, `EndpointAnswerError`.
        """
        return self.decode(*self.ask(*self.encode(inputs)))

    def encode(self, inputs: Tensors) -> tuple[bytes, dict[str, str]]:
        """Body and headers of the request, so that a measurement need not pay for them again."""
        specs = {spec.name: spec for spec in self.signature.inputs}
        blobs = [_to_bytes(array) for array in inputs.values()]
        header = {
            "inputs": [
                {
                    "name": name,
                    "shape": list(array.shape),
                    "datatype": str(specs[name].dtype if name in specs else DType.of(array.dtype)),
                    "parameters": {"binary_data_size": len(blob)},
                }
                for (name, array), blob in zip(inputs.items(), blobs, strict=True)
            ],
            "parameters": {"binary_data_output": True},
        }
        encoded = json.dumps(header).encode()
        headers = {"Content-Type": "application/octet-stream", _HEADER: str(len(encoded))}
        return b"".join([encoded, *blobs]), headers

    def ask(self, body: bytes, headers: dict[str, str]) -> tuple[bytes, int | None]:
        """Sends an encoded request; gives the reply's body and the length of its JSON part."""
        status, reply_headers, reply = answer = self.client.ask("POST", self.infer_path, body, headers)
        if status != 200:
            self._require_access(answer)
            raise EndpointAnswerError(
                f"{self.url} refused an inference request to {self.model!r} with status {status}: "
                f"{self._error_text(reply)}.",
                hint=hint_of_redirect(
                    reply_headers, "See the server's log; the request was made from the model's own metadata."
                ),
            )
        length = reply_headers.get(_HEADER)
        if length is None:
            return reply, None
        if not length.isdecimal() or int(length) > len(reply):
            raise EndpointAnswerError(
                f"{self.url}: the answer of {self.model!r} should say in {_HEADER} how many of its "
                f"{len(reply)} bytes are JSON, and says {length!r}.",
                hint=_NOT_V2,
            )
        return reply, int(length)

    def decode(self, reply: bytes, json_length: int | None) -> dict[str, Array]:
        """The reply's outputs by name. Raises `EndpointAnswerError`."""
        try:
            header = json.loads(reply if json_length is None else reply[:json_length])
            rest = memoryview(reply)[json_length if json_length is not None else len(reply) :]
            outputs = {}
            for item in header["outputs"]:
                size = (item.get("parameters") or {}).get("binary_data_size")
                if size is None:
                    outputs[str(item["name"])] = _from_json(item)
                    continue
                if not 0 <= size <= len(rest):
                    raise ValueError(f"{item['name']} claims {size} of the {len(rest)} bytes that are left")
                outputs[str(item["name"])] = _from_bytes(item, bytes(rest[:size]))
                rest = rest[size:]
            return outputs
        except _MALFORMED as error:
            raise EndpointAnswerError(
                f"{self.url}: the answer of {self.model!r} is not as the protocol has it: {error!r}.",
                hint=_NOT_V2,
            ) from error

    def _only_model(self) -> str:
        """V2 has no list of models; Shipway's server has one at its root."""
        status, _, body = answer = self.client.ask("GET", f"{self._prefix}/")
        self._require_access(answer)
        try:
            models = list(json.loads(body)["models"]) if status == 200 else []
        except _MALFORMED:
            models = []
        if len(models) == 1:
            return str(models[0])
        named = f"; it has {', '.join(map(str, models))}" if models else ""
        raise UsageError(
            f"{self.url} does not say which model to ask{named}.",
            hint=f"Give the model's own address: {self.url}/v2/models/NAME",
        )

    def _get_json(self, path: str) -> dict[str, Any]:
        status, headers, body = answer = self.client.ask("GET", path)
        if status != 200:
            self._require_access(answer)
            raise EndpointAnswerError(
                f"{self.url}{path} answered with status {status}: {self._error_text(body)}.",
                hint=hint_of_redirect(headers, "Check the address and the model's name."),
            )
        try:
            value = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise EndpointAnswerError(
                f"{self.url}{path} did not answer with JSON (it begins {body[:40]!r}).", hint=_NOT_V2
            ) from error
        return value if isinstance(value, dict) else {}

    def _require_access(self, answer: Reply) -> None:
        """Raises `EndpointAnswerError` where a key is missing, unknown or of too small a scope."""
        refused = key_refused(answer.status, self.url, self.client.credentials)
        if refused is not None:
            raise refused

    def _error_text(self, body: bytes) -> str:
        """What the server says of its error; never the key, which it may repeat."""
        try:
            text = str(json.loads(body)["error"])
        except _MALFORMED:
            text = repr(body[:200])
        return self.client.credentials.hide(text)


def _split_path(path: str) -> tuple[str, str | None, str | None]:
    """`/prefix/v2/models/NAME/versions/1` → (`/prefix`, `NAME`, `1`)."""
    parts = path.rstrip("/").split("/")
    if "v2" not in parts:
        return "/".join(parts), None, None
    at = parts.index("v2")
    named = [unquote(part) for part in parts[at + 1 :]]
    model = named[1] if len(named) > 1 and named[0] == "models" else None
    version = named[3] if model and len(named) > 3 and named[2] == "versions" else None
    return "/".join(parts[:at]), model, version


def _spec(item: dict[str, Any]) -> TensorSpec:
    def dim(axis: int, size: int) -> Dim:
        if type(size) is not int:
            raise TypeError(f"a size is a whole number, found {size!r}")
        if size >= 0:
            return size
        return "batch" if axis == 0 else f"{item['name']}_{axis}"

    if not isinstance(item["name"], str):
        raise TypeError(f"a tensor's name is a string, found {item['name']!r}")
    return TensorSpec(
        name=item["name"],
        dtype=DType(item["datatype"]),
        shape=tuple(dim(axis, size) for axis, size in enumerate(item["shape"])),
    )


def _to_bytes(array: Array) -> bytes:
    if array.dtype.kind not in "OSU":
        return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    values = [item.encode() if isinstance(item, str) else bytes(item) for item in array.ravel()]
    return b"".join(len(value).to_bytes(4, "little") + value for value in values)


def _from_bytes(item: dict[str, Any], blob: bytes) -> Array:
    dtype, shape = DType(item["datatype"]), _shape(item)
    if dtype is DType.BYTES:
        return _strings(item["name"], blob, math.prod(shape)).reshape(shape)
    if dtype is DType.BOOL:
        truth: Array = np.frombuffer(blob, np.uint8) != 0
        return truth.reshape(shape)
    return np.frombuffer(blob, dtype.numpy.newbyteorder("<")).astype(dtype.numpy, copy=False).reshape(shape)


def _strings(name: str, blob: bytes, count: int) -> Array:
    if 4 * count > len(blob):
        raise ValueError(f"{name} claims {count} elements in {len(blob)} bytes")
    values, at = np.empty(count, dtype=object), 0
    for index in range(count):
        length = int.from_bytes(blob[at : at + 4], "little")
        values[index] = blob[at + 4 : at + 4 + length]
        at += 4 + length
        if at > len(blob):
            raise ValueError(f"element {index} of {name} ends after the data does")
    if at != len(blob):
        raise ValueError(f"{count} elements of {name} end {len(blob) - at} bytes before the data does")
    return values


def _from_json(item: dict[str, Any]) -> Array:
    dtype, shape = DType(item["datatype"]), _shape(item)
    if dtype is DType.BF16:
        raise ValueError(f"{item['name']} is BF16, which has no JSON form")
    if dtype is DType.BYTES or dtype.is_float:
        return np.asarray(item["data"], dtype=dtype.numpy).reshape(shape)
    given = np.asarray(item["data"], dtype=object)  # numpy makes floats of whole numbers that fit no one type
    kind = bool if dtype is DType.BOOL else int
    for value in given.ravel().tolist():
        if type(value) is not kind:
            raise ValueError(f"{item['name']} is {dtype} and holds {value!r}")
    return given.astype(dtype.numpy).reshape(shape)


def _shape(item: dict[str, Any]) -> list[int]:
    shape: list[int] = item["shape"]
    if not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError(f"{item['name']} has the shape {shape}; sizes are whole numbers from 0 on")
    return shape
