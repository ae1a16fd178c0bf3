"""Status, metadata and predictions of TF Serving's REST API."""

from __future__ import annotations

from typing import Any

from shipway.conformance.check import Group, InapplicableError, Level, UnmetError
from shipway.conformance.exchange import Reply, shown
from shipway.conformance.expectations import OK, expect_document, expect_key, expect_status
from shipway.conformance.specifications import TFS_METADATA, TFS_PREDICT, TFS_STATUS
from shipway.conformance.tensors import Port, Tensor, differs, from_json, generate
from shipway.conformance.tfs.subjects import (
    DEFAULT_SIGNATURE,
    Model,
    columns_request,
    read_ports,
    read_signature,
    rows_request,
)

STATUS = Group[Model]("tfs.status", TFS_STATUS)
PREDICT = Group[Model]("tfs.predict", TFS_PREDICT)


def _statuses(reply: Reply) -> list[dict[str, Any]]:
    entries = expect_key(expect_document(reply), "model_version_status", list, reply)
    for entry in entries:
        if not isinstance(entry, dict):
            raise UnmetError("an object for each version", repr(entry)[:100], reply)
        expect_key(entry, "version", str, reply)
        expect_key(entry, "state", str, reply)
        status = expect_key(entry, "status", dict, reply)
        expect_key(status, "error_code", str, reply)
        expect_key(status, "error_message", str, reply)
    return list(entries)


@STATUS.check("model", "GET /v1/models/{model} gives each version's state; one is AVAILABLE.")
def _has_a_status(model: Model) -> str:
    reply = model.client.ask("GET", model.path())
    states = [entry["state"] for entry in _statuses(reply)]
    if "AVAILABLE" not in states:
        raise UnmetError("a version in the state AVAILABLE", ", ".join(states) or "no version", reply)
    return ", ".join(states)


@STATUS.check("version", "GET /v1/models/{model}/versions/{version} gives that version's state.")
def _versions_have_theirs(model: Model) -> None:
    for entry in _statuses(model.client.ask("GET", model.path())):
        reply = model.client.ask("GET", model.path(entry["version"]))
        found = [other["version"] for other in _statuses(reply)]
        if found != [entry["version"]]:
            raise UnmetError(f"the version {entry['version']} alone", ", ".join(found), reply)


@STATUS.check(
    "metadata", "…/metadata has model_spec and the signatures with dtypes and shapes.", source=TFS_METADATA
)
def _has_metadata(model: Model) -> None:
    reply = model.client.ask("GET", f"{model.path()}/metadata")
    document = expect_document(reply)
    spec = expect_key(document, "model_spec", dict, reply)
    if expect_key(spec, "name", str, reply) != model.name:
        raise UnmetError(f"the name {model.name!r}", repr(spec["name"]), reply)
    signature = read_signature(document, reply)
    read_ports(signature, "inputs", reply)
    read_ports(signature, "outputs", reply)


def _flat(value: Any) -> Any:  # noqa: ANN401 - nested lists
    return [item for part in value for item in _flat(part)] if isinstance(value, list) else [value]


def _shape(value: Any) -> list[int]:  # noqa: ANN401 - nested lists
    return [len(value), *(_shape(value[0]) if value else [])] if isinstance(value, list) else []


def _tensor(port: Port, value: Any, reply: Reply) -> Tensor:  # noqa: ANN401 - nested lists
    shape = _shape(value)
    if not port.fits(shape):
        raise UnmetError(f"the output {port}", f"shape {shape}: {str(value)[:100]}", reply)
    texts = [_text(item) for item in _flat(value)]
    return from_json(port.name, port.datatype, shape, texts)


def _text(item: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Bytes that are no text come as {"b64"}; here only as the same words for the same bytes."""
    return item["b64"] if isinstance(item, dict) and isinstance(item.get("b64"), str) else item


def _by_column(model: Model, reply: Reply) -> dict[str, Tensor]:
    """`outputs`: of one output its value itself, of several an object."""
    document = expect_document(reply)
    if "outputs" not in document:
        raise UnmetError("`outputs`, for `inputs` were sent", shown(reply.body)[:200], reply)
    found, ports = document["outputs"], model.outputs
    if len(ports) == 1:
        return {ports[0].name: _tensor(ports[0], found, reply)}
    if not isinstance(found, dict) or set(found) != {port.name for port in ports}:
        raise UnmetError(f"an object of {', '.join(port.name for port in ports)}", str(found)[:200], reply)
    return {port.name: _tensor(port, found[port.name], reply) for port in ports}


def _by_row(model: Model, reply: Reply) -> dict[str, Tensor]:
    """`predictions`: of one output its rows themselves, of several an object a row."""
    predictions, ports = expect_key(expect_document(reply), "predictions", list, reply), model.outputs
    if len(ports) == 1:
        return {ports[0].name: _tensor(ports[0], predictions, reply)}
    names = {port.name for port in ports}
    if not all(isinstance(row, dict) and set(row) == names for row in predictions):
        raise UnmetError(f"an object of {', '.join(sorted(names))} a row", str(predictions)[:200], reply)
    return {port.name: _tensor(port, [row[port.name] for row in predictions], reply) for port in ports}


def _expect_same(one: dict[str, Tensor], other: dict[str, Tensor], reply: Reply) -> None:
    for name, tensor in one.items():
        difference = differs(tensor, other[name])
        if difference:
            raise UnmetError("the same answer in both forms", difference, reply)


@PREDICT.check("columns", "`inputs` in columns are answered with `outputs`.")
def _answers_columns(model: Model) -> None:
    _by_column(model, model.post(columns_request(model.request)))


@PREDICT.check("rows", "`instances` in rows are answered with `predictions`, the same as in columns.")
def _answers_rows(model: Model) -> None:
    inputs = _several_rows(model)
    reply = model.post(rows_request(inputs))
    _expect_same(_by_column(model, model.post(columns_request(inputs))), _by_row(model, reply), reply)


def _several_rows(model: Model) -> list[Tensor]:
    """Three rows where the model takes those that are made up, else its request."""
    usual = model.rows()
    made = generate(model.inputs, 1, rows=3)
    return made if model.post(columns_request(made)).status == 200 else usual


@PREDICT.check("signature", "`signature_name` chooses a signature; serving_default is the usual one.")
def _takes_a_signature(model: Model) -> None:
    expect_status(model.post(columns_request(model.request, signature_name=DEFAULT_SIGNATURE)), OK)


@PREDICT.check("version", "A version answers at /versions/{version}:predict.")
def _versions_answer(model: Model) -> None:
    plain = _by_column(model, model.post(columns_request(model.request)))
    for entry in _statuses(model.client.ask("GET", model.path())):
        if entry["state"] == "AVAILABLE":
            reply = model.post(columns_request(model.request), version=entry["version"])
            if set(_by_column(model, reply)) != set(plain):
                raise UnmetError(f"the outputs {', '.join(plain)}", shown(reply.body)[:100], reply)


@PREDICT.check("content_type", "Answers are application/json.", level=Level.RECOMMENDED)
def _says_its_type(model: Model) -> None:
    reply = model.post(columns_request(model.request))
    if "json" not in reply.headers.get("content-type", ""):
        raise UnmetError("Content-Type: application/json", repr(reply.headers.get("content-type")), reply)


@PREDICT.check(
    "row_by_row", "A row asked alone has the answer that it has beside others.", level=Level.RECOMMENDED
)
def _answers_row_by_row(model: Model) -> None:
    inputs = model.rows()
    if any(tensor.data.shape[0] != 1 for tensor in inputs):
        raise InapplicableError("the request that the model takes is not one row")
    doubled = [Tensor(one.name, one.datatype, one.data.repeat(2, axis=0)) for one in inputs]
    reply = model.post(rows_request(doubled))
    alone = _by_row(model, model.post(rows_request(inputs)))
    for name, tensor in _by_row(model, reply).items():
        difference = differs(Tensor(name, tensor.datatype, tensor.data[1:]), alone[name])
        if difference:
            raise UnmetError("the same answer alone and beside others", difference, reply)
