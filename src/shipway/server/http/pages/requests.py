"""Schemas of the bodies that ask a model, and of its answers, in every form that a client may use."""

from __future__ import annotations

from typing import Any

from shipway.server.http.pages.schemas import element_schema, nested_schema, tensor_schema
from shipway.types import Signature, TensorSpec

Document = dict[str, Any]


def infer_request(signature: Signature) -> Document:
    """Of `/v2`."""
    return {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": {"type": "string"},
            "parameters": {"type": ["object", "null"]},
            "inputs": {
                "type": "array",
                "minItems": len(signature.inputs),
                "maxItems": len(signature.inputs),
                "items": {"anyOf": [tensor_schema(spec, is_input=True) for spec in signature.inputs]},
                "allOf": [
                    {"contains": {"type": "object", "properties": {"name": {"const": spec.name}}}}
                    for spec in signature.inputs
                ],
                "description": "Each input once, in any order; a dimension's name has one size in all of them.",
            },
            "outputs": {
                "type": ["array", "null"],
                "items": {
                    "type": "object",
                    "required": ["name"],
                    "properties": {"name": {"enum": [spec.name for spec in signature.outputs]}},
                },
            },
        },
    }


def infer_answer(signature: Signature) -> Document:
    """Of `/v2`."""
    return {
        "type": "object",
        "required": ["model_name", "model_version", "outputs"],
        "properties": {
            "model_name": {"type": "string"},
            "model_version": {"type": "string"},
            "id": {"type": "string"},
            "outputs": {
                "type": "array",
                "items": {"anyOf": [tensor_schema(spec, is_input=False) for spec in signature.outputs]},
            },
        },
    }


def predict_request(inputs: tuple[TensorSpec, ...]) -> Document:
    """Of `:predict`: row form or column form."""

    def object_of(first_axis: int) -> Document:
        return {
            "type": "object",
            "required": [spec.name for spec in inputs],
            "properties": {spec.name: nested_schema(spec, first_axis=first_axis) for spec in inputs},
            "additionalProperties": False,
        }

    def rows_of(row: Document) -> Document:
        return {"type": "array", "minItems": 1, "items": row}

    columns, rows = object_of(0), rows_of(object_of(1))
    if len(inputs) == 1:
        columns = {"anyOf": [nested_schema(inputs[0]), columns]}
        rows = {"anyOf": [rows_of(nested_schema(inputs[0], first_axis=1)), rows]}
    name: Document = {"enum": ["serving_default"]}
    forms = {"inputs": columns, "instances": rows}
    return {
        "oneOf": [
            {"type": "object", "required": [form], "properties": {"signature_name": name, form: schema}}
            for form, schema in forms.items()
        ]
    }


def examples_request(inputs: tuple[TensorSpec, ...]) -> Document:
    """Of `:classify` and `:regress`: features, each a value or a flat list."""
    features = {
        "type": "object",
        "properties": {spec.name: _feature(spec) for spec in inputs},
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "required": ["examples"],
        "properties": {
            "signature_name": {"enum": ["serving_default"]},
            "context": features | {"description": "Features that all examples share."},
            "examples": {"type": "array", "minItems": 1, "items": features},
        },
    }


def _feature(spec: TensorSpec) -> Document:
    element = element_schema(spec.dtype)
    return {"anyOf": [element, {"type": "array", "items": element}], "title": f"{spec.name}: {spec}"}
