"""What the checks of V2 are tried on: a server, and each model of it with inputs that it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from shipway.conformance.address import Client
from shipway.conformance.check import InapplicableError, UndecidedError, UnmetError
from shipway.conformance.exchange import Headers, Reply, shown
from shipway.conformance.expectations import expect_document, expect_key
from shipway.conformance.tensors import WITHOUT_JSON, Port, Tensor, variants
from shipway.conformance.v2.requests import (
    JSON_HEADERS,
    Answer,
    binary_request,
    json_request,
    read_answer,
)
from shipway.errors import EndpointError, UsageError
from shipway.types import Array, DType

BINARY = "binary_tensor_data"
REPOSITORY = "model_repository"
UNKNOWN = "shipway-no-such-model"


class Server:
    """A server of V2."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._metadata: dict[str, Any] | None = None

    @property
    def metadata(self) -> dict[str, Any]:
        """What `GET /v2` says; empty where that is nothing to be read. Raises `EndpointUnreachableError`."""
        if self._metadata is None:
            try:
                self._metadata = expect_document(self.client.ask("GET", "/v2"))
            except (UnmetError, EndpointError):
                self._metadata = {}
        return self._metadata

    @property
    def extensions(self) -> list[str]:
        """The extensions that it says it has."""
        listed = self.metadata.get("extensions")
        return [str(name) for name in listed] if isinstance(listed, list) else []

    def models(self) -> list[str]:
        """Every model that the server lists, in the one way or other that servers have.

        Raises `UsageError` where it lists none, `EndpointAnswerError` where that takes another key.
        """
        for method, path, body in (
            ("POST", "/v2/repository/index", b"{}"),
            ("GET", "/v2/models", None),
            ("GET", "/", None),
        ):
            reply = self.client.ask(method, path, body, JSON_HEADERS if body else {})
            found = _listed(reply)
            if found:
                return found
        self.client.require_access(reply)
        raise UsageError("The server does not say which models it has.", hint="Name one: --model NAME.")


def _listed(reply: Reply) -> list[str]:
    """Names in a repository's index, in KServe's `{"models": [NAME]}`, in Shipway's `{"models": {NAME: …}}`."""
    try:
        document = reply.json() if reply.status == 200 else None
    except (ValueError, RecursionError):
        return []
    if isinstance(document, dict):
        listed = document.get("models")
        return [name for name in listed if isinstance(name, str)] if isinstance(listed, list | dict) else []
    entries = document if isinstance(document, list) else []
    names = [entry["name"] for entry in entries if isinstance(entry, dict) and _is_up(entry)]
    return list(dict.fromkeys(name for name in names if isinstance(name, str)))


def _is_up(entry: dict[str, Any]) -> bool:
    return "name" in entry and entry.get("state", "READY") in ("READY", "")


class Model:
    """One model of a server."""

    def __init__(self, server: Server, name: str, data: Mapping[str, Array] | None = None) -> None:
        self.server = server
        self.client = server.client
        self.name = name
        self._data = data
        self._metadata: dict[str, Any] | None = None
        self._inputs: list[Tensor] | UndecidedError | None = None

    def path(self, version: str | None = None, *, name: str | None = None) -> str:
        """The model's path, or a version's, or that of another name."""
        middle = "" if version is None else f"/versions/{quote(version, safe='')}"
        return f"/v2/models/{quote(name or self.name, safe='')}{middle}"

    @property
    def metadata(self) -> dict[str, Any]:
        """What the server says of the model. Raises `UndecidedError`; `metadata.form` says what is wrong."""
        if self._metadata is None:
            reply = self.client.ask("GET", self.path())
            try:
                self._metadata = expect_document(reply)
            except UnmetError as error:
                raise UndecidedError(f"the model's metadata cannot be read: {error}") from error
        return self._metadata

    @property
    def versions(self) -> list[str]:
        """The versions that the metadata lists."""
        listed = self.metadata.get("versions")
        return [str(version) for version in listed] if isinstance(listed, list) else []

    @property
    def inputs(self) -> list[Port]:
        """The inputs by the metadata. Raises `UndecidedError`."""
        return self._ports("inputs")

    @property
    def outputs(self) -> list[Port]:
        """The outputs by the metadata. Raises `UndecidedError`."""
        return self._ports("outputs")

    def _ports(self, side: str) -> list[Port]:
        try:
            return read_ports(self.metadata, side)
        except UnmetError as error:
            raise UndecidedError(f"the model's metadata is not of the protocol's form: {error}") from error

    @property
    def is_json(self) -> bool:
        """Whether all that goes in and out has a JSON form."""
        ports = (*self.inputs, *self.outputs)
        return not any(port.datatype in WITHOUT_JSON for port in ports)

    @property
    def request(self) -> list[Tensor]:
        """Inputs that the model answers, found once. Raises `UndecidedError` where none was."""
        if self._inputs is None:
            self._inputs = self._find_inputs()
        if isinstance(self._inputs, UndecidedError):
            raise self._inputs
        return self._inputs

    def json_request(self) -> list[Tensor]:
        """The same, for checks that are all JSON. Raises `InapplicableError`, `UndecidedError`."""
        if not self.is_json:
            raise InapplicableError("an input or output is FP16 or BF16, which have no JSON form")
        return self.request

    def post(
        self,
        body: bytes,
        headers: Headers = JSON_HEADERS,
        *,
        version: str | None = None,
        name: str | None = None,
    ) -> Reply:
        """An inference request of any bytes."""
        return self.client.ask("POST", f"{self.path(version, name=name)}/infer", body, headers)

    def infer(self, inputs: Sequence[Tensor] | None = None, **more: Any) -> Answer:  # noqa: ANN401 - JSON values
        """A right request, in JSON where its types have such a form, and its answer. Raises `UnmetError`."""
        return read_answer(self.ask(self.request if inputs is None else inputs, **more))

    def ask(self, inputs: Sequence[Tensor], **more: Any) -> Reply:  # noqa: ANN401 - JSON values
        """The same with the answer as it came."""
        if self.is_json:
            return self.post(json_request(inputs, **more))
        more["parameters"] = {"binary_data_output": True, **more.get("parameters", {})}
        if "outputs" in more:
            more["outputs"] = [{**asked, "parameters": {"binary_data": True}} for asked in more["outputs"]]
        return self.post(*binary_request(inputs, **more))

    def _find_inputs(self) -> list[Tensor] | UndecidedError:
        ports = self.inputs
        if self._data is not None:
            tries = [_given(ports, self._data)]
        elif ports:
            tries = variants(ports)
        else:
            return UndecidedError("the metadata lists no inputs; give real ones: --data D.npz")
        reply = None
        for inputs in tries:
            reply = self.ask(inputs)
            if reply.status == 200:
                return inputs
            if BINARY in self.server.extensions and self.post(*binary_request(inputs)).status == 200:
                return inputs
        said = "nothing" if reply is None else f"{reply.status}: {shown(reply.body)[:200]}"
        given = "the inputs of --data are" if self._data else "every generated input is"
        return UndecidedError(f"{given} refused with {said}; give ones that the model takes: --data D.npz")


def _given(ports: Sequence[Port], data: Mapping[str, Array]) -> list[Tensor]:
    """Arrays of a file as inputs: in the metadata's order and types, where it lists them."""
    named: dict[str, str | None] = {port.name: port.datatype for port in ports}
    named = named or dict.fromkeys(data)
    missing = [name for name in named if name not in data]
    if missing:
        raise UndecidedError(
            f"--data has no array {missing[0]!r}, an input of the model; it has {', '.join(data)}"
        )
    made = []
    for name, datatype in named.items():
        array = data[name]
        made.append(Tensor(name, datatype or str(DType.of(array.dtype)), array))
    return made


def read_ports(metadata: dict[str, Any], side: str, reply: Reply | None = None) -> list[Port]:
    """The tensors of a model's metadata. Raises `UnmetError` where they are not as the protocol has them."""
    answer = reply or Reply(200, {}, b"")
    ports = []
    for item in expect_key(metadata, side, list, answer):
        if not isinstance(item, dict):
            raise UnmetError(f"an object for each of the {side}", repr(item)[:100], reply)
        name = expect_key(item, "name", str, answer)
        shape = expect_key(item, "shape", list, answer)
        if not all(type(size) is int and size >= -1 for size in shape):
            raise UnmetError(f"a shape of sizes, or -1 where any is taken, of {name!r}", repr(shape), reply)
        ports.append(Port(name, expect_key(item, "datatype", str, answer), tuple(shape)))
    return ports
