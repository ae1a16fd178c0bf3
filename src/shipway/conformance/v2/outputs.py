"""Requested outputs: which, in which order."""

from __future__ import annotations

from shipway.conformance.check import Group, InapplicableError, Level, UnmetError
from shipway.conformance.expectations import expect_refusal
from shipway.conformance.specifications import REQUEST_OUTPUT
from shipway.conformance.tensors import differs
from shipway.conformance.v2.inference import expect_same
from shipway.conformance.v2.requests import json_request
from shipway.conformance.v2.subjects import UNKNOWN, Model

OUTPUTS = Group[Model]("core.outputs", REQUEST_OUTPUT)


@OUTPUTS.check("each", "An output that is asked for comes alone, and is what it is beside the others.")
def _gives_what_is_asked(model: Model) -> None:
    whole = model.infer()
    for name, tensor in whole.outputs.items():
        found = model.infer(outputs=[{"name": name}])
        if list(found.outputs) != [name]:
            raise UnmetError(f"the output {name} alone", ", ".join(found.outputs) or "none", found.reply)
        difference = differs(tensor, found.outputs[name])
        if difference:
            raise UnmetError("the same answer alone and beside others", difference, found.reply)


@OUTPUTS.check("order", "Outputs come in the order in which they are asked for.", level=Level.RECOMMENDED)
def _keeps_the_order(model: Model) -> None:
    names = [port.name for port in model.outputs]
    if len(names) < 2:
        raise InapplicableError("the model has one output")
    for order in (names, names[::-1]):
        found = model.infer(outputs=[{"name": name} for name in order])
        if list(found.outputs) != order:
            raise UnmetError(", ".join(order), ", ".join(found.outputs), found.reply)


@OUTPUTS.check("empty", "An empty list of outputs asks for all of them.", level=Level.RECOMMENDED)
def _takes_an_empty_list(model: Model) -> None:
    model.json_request()
    expect_same(model.infer(), model.infer(outputs=[]))


@OUTPUTS.check("unknown", "An output that the model does not have is refused.")
def _refuses_unknown_outputs(model: Model) -> None:
    expect_refusal(model.post(json_request(model.json_request(), outputs=[{"name": UNKNOWN}])))
