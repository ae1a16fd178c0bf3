"""Datatypes: values that are none of theirs are refused, and never taken for another number."""

from __future__ import annotations

from typing import Any

import numpy as np

from shipway.conformance.check import Group, InapplicableError, Level
from shipway.conformance.expectations import expect_refusal
from shipway.conformance.specifications import RFC_JSON, TENSOR_DATA, TENSOR_TYPES
from shipway.conformance.tensors import NUMPY, Tensor, to_json
from shipway.conformance.v2.requests import encode, json_input
from shipway.conformance.v2.subjects import Model

DATATYPES = Group[Model]("core.datatypes", TENSOR_DATA)


def _numeric(model: Model, kinds: str) -> Tensor:
    """The first input with values of one of numpy's kinds. Raises `InapplicableError`."""
    for tensor in model.json_request():
        if NUMPY[tensor.datatype].kind in kinds and tensor.data.size:
            return tensor
    raise InapplicableError("no input has values of that type")


def _refuses_value(model: Model, tensor: Tensor, value: Any) -> None:  # noqa: ANN401 - any JSON value
    """A right request in which the first value of a tensor is another."""
    documents = [json_input(given) for given in model.json_request()]
    for document in documents:
        if document["name"] == tensor.name:
            document["data"] = [value, *to_json(tensor)[1:]]
    expect_refusal(model.post(encode({"inputs": documents})))


@DATATYPES.check("text", "Text where a number belongs is refused.")
def _refuses_text(model: Model) -> None:
    _refuses_value(model, _numeric(model, "fiu"), "one")


@DATATYPES.check("null", "null where a value belongs is refused.")
def _refuses_null(model: Model) -> None:
    _refuses_value(model, _numeric(model, "fiubO"), None)


@DATATYPES.check("object", "An object where a value belongs is refused.")
def _refuses_objects(model: Model) -> None:
    _refuses_value(model, _numeric(model, "fiubO"), {"value": 1})


@DATATYPES.check("fraction", "A fraction for a whole number is refused, not cut.")
def _refuses_fractions(model: Model) -> None:
    _refuses_value(model, _numeric(model, "iu"), 0.5)


@DATATYPES.check("range", "A number beyond its datatype's range is refused, not wrapped around.")
def _refuses_what_is_out_of_range(model: Model) -> None:
    tensor = _numeric(model, "iu")
    limits = np.iinfo(tensor.data.dtype)
    for value in (int(limits.max) + 1, int(limits.min) - 1):
        _refuses_value(model, tensor, value)


@DATATYPES.check(
    "not_a_number", "NaN is no JSON: a body with it is refused.", level=Level.RECOMMENDED, source=RFC_JSON
)
def _refuses_nan(model: Model) -> None:
    _refuses_value(model, _numeric(model, "f"), float("nan"))


@DATATYPES.check("number_for_text", "A number where text belongs is refused.", level=Level.RECOMMENDED)
def _refuses_numbers_for_text(model: Model) -> None:
    _refuses_value(model, _numeric(model, "O"), 1)


@DATATYPES.check("unknown", "A datatype that is none is refused.", source=TENSOR_TYPES)
def _refuses_unknown_datatypes(model: Model) -> None:
    _refuses_datatype(model, "FP99")


@DATATYPES.check(
    "other", "Another datatype than the model's is refused.", level=Level.RECOMMENDED, source=TENSOR_TYPES
)
def _refuses_another_datatype(model: Model) -> None:
    first = model.json_request()[0].datatype
    _refuses_datatype(model, "INT64" if first == "FP64" else "FP64")


def _refuses_datatype(model: Model, datatype: str) -> None:
    documents = [json_input(given) for given in model.json_request()]
    documents[0]["datatype"] = datatype
    expect_refusal(model.post(encode({"inputs": documents})))
