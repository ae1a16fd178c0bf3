"""The model configuration extension: what perf_analyzer reads before it measures."""

from __future__ import annotations

from typing import Any

from shipway.conformance.check import Group, UnmetError
from shipway.conformance.exchange import Reply
from shipway.conformance.expectations import expect_document, expect_key, expect_refusal
from shipway.conformance.specifications import CONFIGURATION
from shipway.conformance.v2.subjects import UNKNOWN, Model, Server

SERVER = Group[Server]("configuration", CONFIGURATION, extension="model_configuration")
MODEL = Group[Model]("configuration.model", CONFIGURATION, extension="model_configuration")


@SERVER.check("unknown", "The configuration of a model that is not there is an error with {error}.")
def _refuses_unknown(server: Server) -> None:
    expect_refusal(server.client.ask("GET", f"/v2/models/{UNKNOWN}/config"))


def _config(model: Model) -> tuple[dict[str, Any], Reply]:
    reply = model.client.ask("GET", f"{model.path()}/config")
    return expect_document(reply), reply


@MODEL.check("form", "It has name, max_batch_size, input and output.")
def _has_the_form(model: Model) -> None:
    config, reply = _config(model)
    if expect_key(config, "name", str, reply) != model.name:
        raise UnmetError(f"the name {model.name!r}", repr(config["name"]), reply)
    if expect_key(config, "max_batch_size", int, reply) < 0:
        raise UnmetError("a max_batch_size of 0 or more", str(config["max_batch_size"]), reply)
    for side in ("input", "output"):
        for tensor in expect_key(config, side, list, reply):
            expect_key(tensor, "name", str, reply)
            if not expect_key(tensor, "data_type", str, reply).startswith("TYPE_"):
                raise UnmetError("a data_type of TYPE_…", repr(tensor["data_type"]), reply)
            expect_key(tensor, "dims", list, reply)


@MODEL.check(
    "names", "Inputs and outputs are those of the metadata; dims leave out the batch, where there is one."
)
def _agrees_with_metadata(model: Model) -> None:
    config, reply = _config(model)
    batched = expect_key(config, "max_batch_size", int, reply) > 0
    for side, ports in (("input", model.inputs), ("output", model.outputs)):
        found = {tensor["name"]: tensor.get("dims") for tensor in expect_key(config, side, list, reply)}
        expected = {port.name: list(port.shape[1:] if batched else port.shape) for port in ports}
        if set(found) != set(expected):
            raise UnmetError(f"the {side}s {', '.join(expected)}", ", ".join(found), reply)
        for name, dims in expected.items():
            if dims != [] and found[name] != dims:
                raise UnmetError(f"dims {dims} of {name!r}", repr(found[name]), reply)
