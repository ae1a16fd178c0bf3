"""A running service as a predictor: the Open Inference Protocol over HTTP, tensors in binary.

Works against any server that speaks V2 with the binary tensor extension, not only ours.
"""

from __future__ import annotations

import http.client
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit

import numpy as np

from shipway.errors import EndpointAnswerError, EndpointUnreachableError, UsageError
from shipway.types import Array, Dim, DType, Signature, Tensors, TensorSpec

_HEADER = "Inference-Header-Content-Length"


class Endpoint:
    """One model of a live service. One connection, kept open; not for several threads at once."""

    def __init__(self, url: str, model: str | None = None, *, timeout_seconds: float = 60.0) -> None:
        """`url` is the server's address (`http://127.0.0.1:8080`) or that of one model on it.

        Nothing is asked before the first use. Raises `UsageError` for what is no HTTP address.
        """
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise UsageError(
                f"{url!r} is not an address that can be asked.",
                hint="Give it as http://HOST:PORT, without a path.",
            )
        self.url = f"http://{parts.netloc}"
        self._prefix, self._model = _split_path(parts.path)
        self._model = model or self._model
        self._connection = http.client.HTTPConnection(
            parts.hostname, parts.port or 80, timeout=timeout_seconds
        )
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
        self._connection.close()

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
            self._metadata = self._get_json(f"{self._prefix}/v2/models/{quote(self.model, safe='')}")
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
            except (KeyError, TypeError, ValueError) as error:
                raise EndpointAnswerError(
                    f"{self.url}: the metadata of {self.model!r} is not as the protocol has it: {error!r}.",
                    hint="Check that the address is that of a V2 (Open Inference Protocol) server.",
                ) from error
        return self._signature

    @property
    def infer_path(self) -> str:
        """The path that inference requests go to."""
        return f"{self._prefix}/v2/models/{quote(self.model, safe='')}/infer"

    def is_ready(self) -> bool:
        """True when the server says that it is ready. Raises `EndpointUnreachableError`."""
        status, _, _ = self._ask("GET", f"{self._prefix}/v2/health/ready")
        return status == 200

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
        status, reply_headers, reply = self._ask("POST", self.infer_path, body, headers)
        if status != 200:
            raise EndpointAnswerError(
                f"{self.url} refused an inference request to {self.model!r} with status {status}: "
                f"{_error_text(reply)}.",
                hint="See the server's log; the request was made from the model's own metadata.",
            )
        length = reply_headers.get(_HEADER)
        return reply, None if length is None else int(length)

    def decode(self, reply: bytes, json_length: int | None) -> dict[str, Array]:
        """The reply's outputs by name. Raises `EndpointAnswerError`."""
        try:
            header = json.loads(reply if json_length is None else reply[:json_length])
            rest = memoryview(reply)[json_length if json_length is not None else len(reply) :]
            outputs = {}
            for item in header["outputs"]:
                size = item.get("parameters", {}).get("binary_data_size")
                if size is None:
                    outputs[item["name"]] = _from_json(item)
                else:
                    outputs[item["name"]] = _from_bytes(item, bytes(rest[:size]))
                    rest = rest[size:]
            return outputs
        except (KeyError, TypeError, ValueError) as error:
            raise EndpointAnswerError(
                f"{self.url}: the answer of {self.model!r} is not as the protocol has it: {error!r}.",
                hint="Check that the address is that of a V2 (Open Inference Protocol) server.",
            ) from error

    def _only_model(self) -> str:
        """V2 has no list of models; Shipway's server has one at its root."""
        status, _, body = self._ask("GET", f"{self._prefix}/")
        try:
            models = list(json.loads(body)["models"]) if status == 200 else []
        except (ValueError, KeyError, TypeError):
            models = []
        if len(models) == 1:
            return str(models[0])
        named = f"; it has {', '.join(map(str, models))}" if models else ""
        raise UsageError(
            f"{self.url} does not say which model to ask{named}.",
            hint=f"Give the model's own address: {self.url}/v2/models/NAME",
        )

    def _get_json(self, path: str) -> dict[str, Any]:
        status, _, body = self._ask("GET", path)
        if status != 200:
            raise EndpointAnswerError(
                f"{self.url}{path} answered with status {status}: {_error_text(body)}.",
                hint="Check the address and the model's name.",
            )
        try:
            value = json.loads(body)
        except ValueError as error:
            raise EndpointAnswerError(
                f"{self.url}{path} did not answer with JSON (it begins {body[:40]!r}).",
                hint="Check that the address is that of a V2 (Open Inference Protocol) server.",
            ) from error
        return value if isinstance(value, dict) else {}

    def _ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        with self._unreachable():
            for attempt in (1, 2):
                try:
                    self._connection.request(method, path, body=body, headers=headers or {})
                    response = self._connection.getresponse()
                    return response.status, dict(response.headers), response.read()
                except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                    # A kept connection may have been closed by the server in the meantime: once more, afresh.
                    self._connection.close()
                    if attempt == 2:
                        raise
        raise AssertionError("not reached")

    @contextmanager
    def _unreachable(self) -> Iterator[None]:
        try:
            yield
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise EndpointUnreachableError(
                f"Nothing answers at {self.url}: {error or type(error).__name__}.",
                hint="Check the address, and that the server runs: shipway serve NAME.bundle",
            ) from error


def _split_path(path: str) -> tuple[str, str | None]:
    """`/prefix/v2/models/NAME` → (`/prefix`, `NAME`)."""
    prefix, found, rest = path.rstrip("/").partition("/v2")
    if not found:
        return prefix, None
    parts = rest.strip("/").split("/")
    return prefix, parts[1] if len(parts) > 1 and parts[0] == "models" else None


def _spec(item: dict[str, Any]) -> TensorSpec:
    def dim(axis: int, size: int) -> Dim:
        if size >= 0:
            return size
        return "batch" if axis == 0 else f"{item['name']}_{axis}"

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
    dtype, shape = DType(item["datatype"]), item["shape"]
    if dtype is not DType.BYTES:
        return (
            np.frombuffer(blob, dtype.numpy.newbyteorder("<")).astype(dtype.numpy, copy=False).reshape(shape)
        )
    values, at = np.empty(math.prod(shape), dtype=object), 0
    for index in range(values.size):
        length = int.from_bytes(blob[at : at + 4], "little")
        values[index] = blob[at + 4 : at + 4 + length]
        at += 4 + length
    return values.reshape(shape)


def _from_json(item: dict[str, Any]) -> Array:
    dtype = DType(item["datatype"])
    return np.asarray(item["data"], dtype=dtype.numpy).reshape(item["shape"])


def _error_text(body: bytes) -> str:
    try:
        value = json.loads(body)
        return str(value["error"])
    except (ValueError, KeyError, TypeError):
        return repr(body[:200])
