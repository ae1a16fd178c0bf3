"""Inference in JSON: the form of the answer, and that the same question has the same answer in every form."""

from __future__ import annotations

from shipway.conformance.check import Group, InapplicableError, Level, UndecidedError, UnmetError
from shipway.conformance.expectations import expect_key, expect_refusal
from shipway.conformance.specifications import MODEL_METADATA, PARAMETERS, RESPONSE, TENSOR_DATA
from shipway.conformance.tensors import Tensor, differs, generate
from shipway.conformance.v2.requests import Answer, json_request, read_answer
from shipway.conformance.v2.subjects import Model

INFER = Group[Model]("core.infer", RESPONSE)
_ID = "a-1/b 2"
_ANY_ID = 'ü€ "\\" \n'
_SIZES = (1, 2, 3)


@INFER.check(
    "json", "A request in JSON is answered with model_name and outputs of name, shape, datatype, data."
)
def _answers_json(model: Model) -> str:
    reply = model.post(json_request(model.json_request()))
    answer = read_answer(reply)
    if expect_key(answer.document, "model_name", str, reply) != model.name:
        raise UnmetError(f"the model_name {model.name!r}", repr(answer.document["model_name"]), reply)
    return ", ".join(f"{name}: {tensor}" for name, tensor in answer.outputs.items())


@INFER.check(
    "outputs", "Without `outputs` in the request all come, as the metadata has them.", source=MODEL_METADATA
)
def _gives_all_outputs(model: Model) -> None:
    found = model.infer()
    expected = {port.name: port for port in model.outputs}
    if set(found.outputs) != set(expected):
        raise UnmetError(
            f"the outputs {', '.join(expected)}", ", ".join(found.outputs) or "none", found.reply
        )
    for name, tensor in found.outputs.items():
        port = expected[name]
        if tensor.datatype != port.datatype or not port.fits(tensor.data.shape):
            raise UnmetError(f"the output {port}", str(tensor), found.reply)


@INFER.check("id", "The id of a request comes back in its answer.")
def _echoes_the_id(model: Model) -> None:
    found = model.infer(id=_ID)
    if found.document.get("id") != _ID:
        raise UnmetError(f"the id {_ID!r}", repr(found.document.get("id")), found.reply)


@INFER.check("any_id", "The id may be any text.", level=Level.RECOMMENDED)
def _echoes_any_id(model: Model) -> None:
    found = model.infer(id=_ANY_ID)
    if found.document.get("id") != _ANY_ID:
        raise UnmetError(f"the id {_ANY_ID!r}", repr(found.document.get("id")), found.reply)


@INFER.check(
    "nested", "Data nested as deep as the shape is the same as flat data, row by row.", source=TENSOR_DATA
)
def _takes_nested_data(model: Model) -> None:
    inputs = model.json_request()
    if all(tensor.data.ndim < 2 for tensor in inputs):
        raise InapplicableError("no input has more than one dimension")
    expect_same(model.infer(), read_answer(model.post(json_request(inputs, nested=True))))


@INFER.check("input_order", "Inputs go by their names, in whatever order they stand.")
def _takes_inputs_in_any_order(model: Model) -> None:
    if len(model.request) < 2:
        raise InapplicableError("the model has one input")
    expect_same(model.infer(), model.infer(model.request[::-1]))


@INFER.check("sizes", "A dimension of -1 takes any size: 1, 2 and 3.", source=MODEL_METADATA)
def _takes_every_size(model: Model) -> str:
    ports = model.inputs
    if not any(port.is_free for port in ports):
        raise InapplicableError("no input has a dimension of -1")
    taken, refused = [], None
    for size in _SIZES:
        reply = model.ask(generate(ports, size))
        if reply.status == 200:
            read_answer(reply)
            taken.append(str(size))
        else:
            expect_refusal(reply)
            refused = reply
    if refused is not None and any(port.shape.count(-1) > 1 for port in ports):
        raise UndecidedError(f"sizes that fit each other are the model's own: {', '.join(taken)} were taken")
    if refused is not None:
        raise UnmetError("200 for the sizes 1, 2 and 3", f"only {', '.join(taken) or 'none'}", refused)
    return f"sizes {', '.join(taken)}"


@INFER.check("rows", "A row asked alone has the answer that it has beside others.", level=Level.RECOMMENDED)
def _answers_row_by_row(model: Model) -> None:
    if not all(port.has_rows for port in (*model.inputs, *model.outputs)):
        raise InapplicableError("the first dimension is not -1 in every input and output")
    inputs = generate(model.inputs, 1, rows=3)
    together = model.infer(inputs)
    for row in range(3):
        alone = model.infer([_row(tensor, row) for tensor in inputs])
        for name, tensor in together.outputs.items():
            if tensor.data.shape[:1] != (3,):
                raise UnmetError("3 rows of answers to 3 rows", f"{name}: {tensor}", together.reply)
            difference = (
                differs(_row(tensor, row), alone.outputs[name]) if name in alone.outputs else "missing"
            )
            if difference:
                raise UnmetError("the same answer alone and beside others", difference, alone.reply)


def _row(tensor: Tensor, row: int) -> Tensor:
    return Tensor(tensor.name, tensor.datatype, tensor.data[row : row + 1])


@INFER.check("repeat", "The same request has the same answer again.", level=Level.RECOMMENDED)
def _answers_again(model: Model) -> None:
    expect_same(model.infer(), model.infer())


@INFER.check("version", "A listed version answers at /versions/{version}/infer, and says that it did.")
def _versions_answer(model: Model) -> None:
    if not model.versions:
        raise InapplicableError("the server lists no versions")
    inputs = model.json_request()
    for version in model.versions:
        found = read_answer(model.post(json_request(inputs), version=version))
        if found.document.get("model_version") not in (None, version):
            raise UnmetError(
                f"the model_version {version!r}", repr(found.document["model_version"]), found.reply
            )


@INFER.check("model_version", "`model_version` is a string, where it is there.")
def _version_is_a_string(model: Model) -> None:
    found = model.infer()
    if found.document.get("model_version") is None:
        raise InapplicableError("the answer has no model_version")
    expect_key(found.document, "model_version", str, found.reply)


@INFER.check(
    "parameters", "A request may have parameters: strings, numbers, true and false.", source=PARAMETERS
)
def _takes_parameters(model: Model) -> None:
    given = {"shipway_text": "a", "shipway_number": 1, "shipway_fraction": 0.5, "shipway_flag": True}
    expect_same(model.infer(), model.infer(parameters=given))


@INFER.check("content_type", "An answer in JSON says so in Content-Type.", level=Level.RECOMMENDED)
def _says_its_type(model: Model) -> None:
    reply = model.post(json_request(model.json_request()))
    found = reply.headers.get("content-type", "")
    if "json" not in found and "inference-header-content-length" not in reply.headers:
        raise UnmetError("Content-Type: application/json", repr(found), reply)


@INFER.check(
    "no_rows", "A batch of no rows is answered or refused, never a failure.", level=Level.RECOMMENDED
)
def _knows_no_rows(model: Model) -> str:
    if not all(port.has_rows for port in model.inputs):
        raise InapplicableError("the first dimension is not -1 in every input")
    reply = model.ask(generate(model.inputs, 1, rows=0))
    if reply.status == 200:
        read_answer(reply)
        return "answered"
    expect_refusal(reply)
    return "refused"


def expect_same(one: Answer, other: Answer) -> None:
    """Two answers to the same inputs. Raises `UnmetError` where they differ by more than rounding."""
    if set(one.outputs) != set(other.outputs):
        raise UnmetError(f"the outputs {', '.join(one.outputs)}", ", ".join(other.outputs), other.reply)
    for name, tensor in one.outputs.items():
        difference = differs(tensor, other.outputs[name])
        if difference:
            raise UnmetError("the same answer in both forms", difference, other.reply)
