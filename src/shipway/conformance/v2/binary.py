"""The binary tensor extension: tensors as bytes behind the JSON, in requests and answers."""

from __future__ import annotations

from shipway.conformance.check import Group, InapplicableError, Level, UnmetError
from shipway.conformance.specifications import BINARY
from shipway.conformance.tensors import Tensor, to_bytes
from shipway.conformance.v2.inference import expect_same
from shipway.conformance.v2.requests import HEADER, Answer, binary_request, json_request, read_answer
from shipway.conformance.v2.subjects import BINARY as NAME
from shipway.conformance.v2.subjects import Model

TENSORS = Group[Model]("binary", BINARY, extension=NAME)
_ALL = {"binary_data_output": True}


def _expect_binary(found: Answer, *names: str) -> None:
    """These outputs, and no other, in binary. Raises `UnmetError`."""
    binary = {name for name, tensor in found.outputs.items() if tensor.is_binary}
    if binary != set(names):
        expected = ", ".join(names) or "no output"
        raise UnmetError(f"{expected} in binary", ", ".join(sorted(binary)) or "none", found.reply)


@TENSORS.check("inputs", "Inputs in binary have the answer that they have in JSON.")
def _takes_binary(model: Model) -> None:
    inputs = model.json_request()
    expect_same(model.infer(inputs), read_answer(model.post(*binary_request(inputs))))


@TENSORS.check(
    "outputs", "`binary_data` at an output gives it in binary, with the header that says how much is JSON."
)
def _gives_binary(model: Model) -> None:
    names = [port.name for port in model.outputs]
    outputs = [{"name": name, "parameters": {"binary_data": True}} for name in names]
    found = read_answer(model.post(*binary_request(model.request, outputs=outputs)))
    _expect_binary(found, *names)
    expect_same(model.infer(), found)


@TENSORS.check("all_outputs", "`binary_data_output` gives all outputs in binary: tritonclient's default.")
def _gives_all_binary(model: Model) -> None:
    found = read_answer(model.post(*binary_request(model.request, parameters=_ALL)))
    _expect_binary(found, *[port.name for port in model.outputs])
    expect_same(model.infer(), found)


@TENSORS.check("json_to_binary", "A request all in JSON may ask for its outputs in binary.")
def _answers_json_in_binary(model: Model) -> None:
    found = read_answer(model.post(json_request(model.json_request(), parameters=_ALL)))
    _expect_binary(found, *[port.name for port in model.outputs])
    expect_same(model.infer(), found)


@TENSORS.check(
    "one_output",
    "`binary_data` at an output overrules `binary_data_output` of the request.",
    level=Level.RECOMMENDED,
)
def _gives_some_binary(model: Model) -> None:
    model.json_request()
    ports = model.outputs
    if any(port.datatype in ("FP16", "BF16") for port in ports):
        raise InapplicableError("an output is FP16 or BF16, which have no JSON form")
    names = [port.name for port in ports]
    outputs = [
        {"name": names[0], "parameters": {"binary_data": False}},
        *({"name": name} for name in names[1:]),
    ]
    found = read_answer(model.post(*binary_request(model.request, outputs=outputs, parameters=_ALL)))
    _expect_binary(found, *names[1:])
    expect_same(model.infer(), found)


@TENSORS.check("mixed_inputs", "Some inputs may be in JSON and others in binary.")
def _takes_mixed_inputs(model: Model) -> None:
    inputs = model.json_request()
    if len(inputs) < 2:
        raise InapplicableError("the model has one input")
    for name in (inputs[0].name, inputs[-1].name):
        found = read_answer(model.post(*binary_request(inputs, binary=[name])))
        expect_same(model.infer(), found)


@TENSORS.check("content_type", "An answer with binary tensors is application/octet-stream.")
def _says_octets(model: Model) -> None:
    reply = model.post(*binary_request(model.request, parameters=_ALL))
    read_answer(reply)
    found = reply.headers.get("content-type", "")
    if not found.startswith("application/octet-stream"):
        raise UnmetError("Content-Type: application/octet-stream", repr(found), reply)


@TENSORS.check(
    "header_of_json", "An answer all in JSON has no header for binary data, or its whole length in it."
)
def _no_header_for_json(model: Model) -> None:
    reply = model.post(*binary_request(model.json_request()))
    found = reply.headers.get(HEADER.lower())
    if any(tensor.is_binary for tensor in read_answer(reply).outputs.values()):
        raise UnmetError("outputs in JSON, for nothing else was asked", "outputs in binary", reply)
    if found is not None and found != str(len(reply.body)):
        raise UnmetError(f"no {HEADER}, or {len(reply.body)}", found, reply)


@TENSORS.check("raw", f"With {HEADER}: 0 the body is the one input's bytes, and all outputs are binary.")
def _takes_raw(model: Model) -> None:
    inputs = model.request
    port = model.inputs[0] if model.inputs else None
    if port is None or len(inputs) != 1 or port.datatype == "BYTES":
        raise InapplicableError("the model has not exactly one input, of numbers")
    if any(size == -1 for size in port.shape[1:]):
        raise InapplicableError("the shape of a raw body cannot be told where more than the batch is free")
    if port.has_rows and inputs[0].data.shape[0] != 1:
        raise InapplicableError("a raw body is one row")
    reply = model.post(to_bytes(inputs[0]), {"Content-Type": "application/octet-stream", HEADER: "0"})
    found = read_answer(reply)
    _expect_binary(found, *[port.name for port in model.outputs])
    expect_same(model.infer(), found)


@TENSORS.check("text", "BYTES elements come after their length in 4 little-endian bytes, of any content.")
def _takes_text(model: Model) -> None:
    inputs = model.json_request()
    texts = [tensor for tensor in inputs if tensor.datatype == "BYTES"]
    if not texts:
        raise InapplicableError("no input is BYTES")
    changed = [_with_text(tensor) if tensor.datatype == "BYTES" else tensor for tensor in inputs]
    reply = model.post(json_request(changed))
    if reply.status != 200:
        raise InapplicableError(f"the model does not take any text (status {reply.status})")
    expect_same(read_answer(reply), read_answer(model.post(*binary_request(changed, parameters=_ALL))))


def _with_text(tensor: Tensor) -> Tensor:
    data = tensor.data.copy()
    data.flat[0] = "é€\n".encode()
    return Tensor(tensor.name, tensor.datatype, data)
