"""`GET /openapi.json`: every path of this server as an OpenAPI 3.1 document, made from the models' signatures."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any
from urllib.parse import quote

from shipway.server.http.pages.examples import example_of
from shipway.server.http.pages.schemas import nested_schema, tensor_schema
from shipway.server.http.statuses import PHRASES
from shipway.server.models.model import ServedModel
from shipway.types import Signature, TensorSpec

Document = dict[str, Any]
_ERRORS_OF_ALL = (400, 404, 405, 413, 429, 500, 503)
_ERRORS_OF_KEYS = (401, 403)
_ASKING_ERRORS = (406, 408, 501, 504)
_JSON = "application/json"


def openapi_document(
    models: list[ServedModel], newest: dict[str, ServedModel], *, needs_key: bool
) -> Document:
    """`newest`: what answers without a version, by the model's name."""
    errors = _ERRORS_OF_ALL + (_ERRORS_OF_KEYS if needs_key else ())
    paths: Document = dict(_server_paths(errors))
    schemas: Document = {"Error": _ERROR}
    for name, model in newest.items():
        _add_model(paths, schemas, f"{name}", f"models/{quote(name, safe='')}", model, errors)
    for model in models:
        name, found = model.card.name, model.card.version
        place = f"models/{quote(name, safe='')}/versions/{quote(found, safe='')}"
        _add_model(paths, schemas, f"{name} version {found}", place, model, errors)
    document: Document = {
        "openapi": "3.1.0",
        "info": {
            "title": "Shipway server",
            "version": version("shipway"),
            "description": "Models that proved on this machine that they answer as trained.",
        },
        "paths": paths,
        "components": {"schemas": schemas},
    }
    if needs_key:
        document["components"]["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
        }
        document["security"] = [{"bearer": []}, {"key": []}]
    return document


_ERROR: Document = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {"type": "string", "description": "What was expected, what was found, what to do."},
        "code": {"type": "string", "description": "Stable: programs may compare it."},
    },
}


def _server_paths(errors: tuple[int, ...]) -> Document:
    def get(summary: str, *, more: tuple[int, ...] = (), kind: str = _JSON) -> Document:
        schema = {"type": "object"} if kind == _JSON else {"type": "string"}
        answers = {"200": {"description": summary, "content": {kind: {"schema": schema}}}}
        for status in more:
            answers[str(status)] = answers["200"] | {"description": PHRASES[status]}
        return {"get": {"summary": summary, "responses": _responses(answers, errors)}}

    return {
        "/": get("Where to go from here: paths and models"),
        "/v2": get("The server's name, version and extensions"),
        "/v2/health/live": get("Whether the server lives"),
        "/v2/health/ready": get("Whether every version is ready", more=(503,)),
        "/metrics": get("Counters and histograms for Prometheus", kind="text/plain"),
        "/openapi.json": get("This document"),
        "/docs": get("This document as a page", kind="text/html"),
    }


def _add_model(
    paths: Document, schemas: Document, title: str, place: str, model: ServedModel, errors: tuple[int, ...]
) -> None:
    signature = model.card.signature
    key = f"{_component(model)}"
    schemas[f"{key}.request"] = _request(signature)
    schemas[f"{key}.answer"] = _answer(signature)
    found = example_of(model.card, model.golden)
    infer = _asking(f"Ask {title}", f"{key}.request", f"{key}.answer", errors)
    if found.example is not None:
        infer["requestBody"]["content"][_JSON]["examples"] = {
            "golden": {"summary": "A golden sample of the bundle", "value": found.example.request}
        }
        infer["responses"]["200"]["content"][_JSON]["examples"] = {
            "recorded": {"summary": "What the source framework answered", "value": found.example.answer}
        }
    else:
        infer["description"] = found.why_not
    paths[f"/v2/{place}"] = {"get": _telling(f"Names, datatypes and shapes of {title}", errors)}
    paths[f"/v2/{place}/ready"] = {"get": _telling(f"Whether {title} is ready", errors)}
    paths[f"/v2/{place}/config"] = {"get": _telling(f"{title} as Triton's model configuration", errors)}
    paths[f"/v2/{place}/infer"] = {"post": infer}
    paths[f"/v1/{place}"] = {"get": _telling(f"State of {title}, for TensorFlow Serving's clients", errors)}
    paths[f"/v1/{place}/metadata"] = {"get": _telling(f"{title} as a SignatureDef", errors)}
    schemas[f"{key}.predict"] = _predict(signature.inputs)
    schemas[f"{key}.predictions"] = {"type": "object"}
    paths[f"/v1/{place}:predict"] = {
        "post": _asking(
            f"Ask {title}, as TensorFlow Serving's clients do",
            f"{key}.predict",
            f"{key}.predictions",
            errors,
        )
    }


def _component(model: ServedModel) -> str:
    """A name that OpenAPI allows (letters, digits, `.`, `-`, `_`) and no other version has."""
    text = f"{model.card.name}-{model.card.version}"
    return "".join(
        letter if letter.isascii() and (letter.isalnum() or letter in "-.") else f"_{ord(letter):x}_"
        for letter in text
    )


def _request(signature: Signature) -> Document:
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


def _answer(signature: Signature) -> Document:
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


def _predict(inputs: tuple[TensorSpec, ...]) -> Document:
    """Row form or column form."""

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


def _telling(summary: str, errors: tuple[int, ...]) -> Document:
    answer = {"description": summary, "content": {_JSON: {"schema": {"type": "object"}}}}
    return {"summary": summary, "responses": _responses({"200": answer}, errors)}


def _asking(summary: str, request: str, answer: str, errors: tuple[int, ...]) -> Document:
    def content(name: str) -> Document:
        return {_JSON: {"schema": {"$ref": f"#/components/schemas/{name}"}}}

    found = {"200": {"description": "The outputs", "content": content(answer)}}
    return {
        "summary": summary,
        "requestBody": {"required": True, "content": content(request)},
        "responses": _responses(found, errors + _ASKING_ERRORS),
    }


def _responses(answers: Document, errors: tuple[int, ...]) -> Document:
    content = {_JSON: {"schema": {"$ref": "#/components/schemas/Error"}}}
    refused = {
        str(status): {"description": PHRASES[status], "content": content}
        for status in sorted(errors)
        if str(status) not in answers
    }
    return {**answers, **refused}
