"""What the server says of a model."""

from __future__ import annotations

from shipway.conformance.check import Group, InapplicableError, UnmetError
from shipway.conformance.expectations import expect_document, expect_key
from shipway.conformance.specifications import MODEL_METADATA, TENSOR_TYPES
from shipway.conformance.tensors import NUMPY
from shipway.conformance.v2.subjects import Model, read_ports

METADATA = Group[Model]("core.metadata", MODEL_METADATA)


@METADATA.check("form", "GET /v2/models/{model} answers with name, platform, inputs and outputs.")
def _has_the_form(model: Model) -> str:
    reply = model.client.ask("GET", model.path())
    document = expect_document(reply)
    if expect_key(document, "name", str, reply) != model.name:
        raise UnmetError(f"the name {model.name!r}", repr(document["name"]), reply)
    expect_key(document, "platform", str, reply)
    inputs, outputs = read_ports(document, "inputs", reply), read_ports(document, "outputs", reply)
    return f"{', '.join(map(str, inputs))} → {', '.join(map(str, outputs))}"


@METADATA.check("versions", "`versions` is a list of strings, where it is there.")
def _versions_are_strings(model: Model) -> str:
    if model.metadata.get("versions") is None:
        raise InapplicableError("the server lists no versions")
    listed = model.metadata["versions"]
    if not isinstance(listed, list) or not all(isinstance(version, str) for version in listed):
        raise UnmetError("a list of strings as versions", repr(listed)[:200], model.client.last)
    return ", ".join(listed)


@METADATA.check("datatypes", "Datatypes are those of the protocol's table (or BF16).", source=TENSOR_TYPES)
def _datatypes_are_known(model: Model) -> None:
    for port in (*model.inputs, *model.outputs):
        if port.datatype not in NUMPY:
            raise UnmetError(f"one of {', '.join(NUMPY)} for {port.name!r}", repr(port.datatype))


@METADATA.check("names", "No two inputs, and no two outputs, have the same name.")
def _names_are_different(model: Model) -> None:
    for ports in (model.inputs, model.outputs):
        names = [port.name for port in ports]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise UnmetError("each name once", f"{twice[0]!r} twice", model.client.last)


@METADATA.check("version", "Each listed version has its metadata at /versions/{version}.")
def _versions_have_metadata(model: Model) -> None:
    if not model.versions:
        raise InapplicableError("the server lists no versions")
    for version in model.versions:
        reply = model.client.ask("GET", model.path(version))
        document = expect_document(reply)
        if expect_key(document, "name", str, reply) != model.name:
            raise UnmetError(f"the name {model.name!r}", repr(document["name"]), reply)
        read_ports(document, "inputs", reply)
