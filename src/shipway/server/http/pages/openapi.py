"""`GET /openapi.json`: every path of a port as an OpenAPI 3.1 document, made from the models' signatures."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any
from urllib.parse import quote

from shipway.errors import TensorMismatchError
from shipway.server.http.pages.examples import example_of
from shipway.server.http.pages.operations import (
    ERROR,
    ERRORS_OF_ALL,
    ERRORS_OF_KEYS,
    JSON,
    asking,
    telling,
)
from shipway.server.http.pages.requests import (
    examples_request,
    infer_answer,
    infer_request,
    predict_request,
)
from shipway.server.http.tfs.verbs import VERBS, make_verb
from shipway.server.models.model import ServedModel

Document = dict[str, Any]
_TFS = "for TensorFlow Serving's clients"


@dataclass(frozen=True)
class Offer:
    """What a port offers beyond a model's own paths."""

    needs_key: bool = False
    asks_models: bool = True
    extensions: Collection[str] = ()
    """Of the protocol: `model_repository`, `logging`."""


def openapi_document(
    models: list[ServedModel],
    newest: Mapping[str, ServedModel],
    labels: Mapping[str, Mapping[str, str]],
    offer: Offer,
) -> Document:
    """`newest`: what answers without a version, by the model's name; `labels`: by name, label → version."""
    errors = ERRORS_OF_ALL + (ERRORS_OF_KEYS if offer.needs_key else ())
    schemas: Document = {"Error": ERROR}
    paths = _server_paths(errors) | _extension_paths(offer.extensions, errors)
    for place, title, model in _places(models, newest):
        paths |= _v2_paths(place, title, model, schemas, errors) | _v1_paths(
            place, title, model, schemas, errors
        )
    for place, title, model in _labeled(models, labels):
        paths |= _v1_paths(place, title, model, schemas, errors)
    if not offer.asks_models:
        paths = {path: item for path, item in paths.items() if not _asks(item)}
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
    if offer.needs_key:
        document["components"]["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
        }
        document["security"] = [{"bearer": []}, {"key": []}]
    return document


_Place = tuple[str, str, ServedModel]
"""A part of a path, what it stands for in words, and the model that answers there."""


def _places(models: list[ServedModel], newest: Mapping[str, ServedModel]) -> Iterator[_Place]:
    for name, model in newest.items():
        yield f"models/{quote(name, safe='')}", name, model
    for model in models:
        name, found = model.card.name, model.card.version
        yield (
            f"models/{quote(name, safe='')}/versions/{quote(found, safe='')}",
            f"{name} version {found}",
            model,
        )


def _labeled(models: list[ServedModel], labels: Mapping[str, Mapping[str, str]]) -> Iterator[_Place]:
    by_version = {(model.card.name, model.card.version): model for model in models}
    for name, versions in labels.items():
        for label, found in versions.items():
            if (name, found) in by_version:
                place = f"models/{quote(name, safe='')}/labels/{quote(label, safe='')}"
                yield place, f"{name} {label}", by_version[name, found]


def _server_paths(errors: tuple[int, ...]) -> Document:
    told = {
        "/": telling("Where to go from here: paths and models", errors),
        "/v2": telling("The server's name, version and extensions", errors),
        "/v2/health/live": telling("Whether the server lives", errors),
        "/v2/health/ready": telling("Whether every version is ready", errors, more=(503,)),
        "/v2/models/stats": telling("Counts and times of all versions", errors),
        "/metrics": telling("Counters and histograms for Prometheus", errors, kind="text/plain"),
        "/openapi.json": telling("This document", errors),
        "/docs": telling("This document as a page", errors, kind="text/html"),
    }
    return {path: {"get": operation} for path, operation in told.items()}


def _extension_paths(extensions: Collection[str], errors: tuple[int, ...]) -> Document:
    paths: Document = {}
    errors = (*errors, 409, 501)
    if "model_repository" in extensions:
        parameters = [_in_path("model"), _in_path("version")]
        paths["/v2/repository/index"] = {
            "post": _changing("Which versions there are, and their states", errors)
        }
        for verb in ("load", "unload"):
            place = "/v2/repository/models/{model}"
            paths[f"{place}/{verb}"] = {
                "post": _changing(f"To {verb} a model", errors) | {"parameters": parameters[:1]}
            }
            paths[f"{place}/versions/{{version}}/{verb}"] = {
                "post": _changing(f"To {verb} a version", errors) | {"parameters": parameters}
            }
    if "logging" in extensions:
        summary = "Which lines the server writes"
        change = _changing(f"To change: {summary.lower()}", errors, answer="object")
        paths["/v2/logging"] = {"get": telling(summary, errors), "post": change}
    return paths


def _in_path(name: str) -> Document:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _changing(summary: str, errors: tuple[int, ...], *, answer: str = "array") -> Document:
    body = {"content": {JSON: {"schema": {"type": "object"}}}}
    return telling(summary, errors, schema_type=answer) | {"requestBody": body}


def _v2_paths(
    place: str, title: str, model: ServedModel, schemas: Document, errors: tuple[int, ...]
) -> Document:
    signature, key = model.card.signature, _component(model)
    schemas[f"{key}.request"] = infer_request(signature)
    schemas[f"{key}.answer"] = infer_answer(signature)
    infer = asking(f"Ask {title}", f"{key}.request", f"{key}.answer", errors)
    return {
        f"/v2/{place}": {"get": telling(f"Names, datatypes and shapes of {title}", errors)},
        f"/v2/{place}/ready": {"get": telling(f"Whether {title} is ready", errors, more=(503,))},
        f"/v2/{place}/config": {"get": telling(f"{title} as Triton's model configuration", errors)},
        f"/v2/{place}/stats": {"get": telling(f"Counts and times of {title}", errors)},
        f"/v2/{place}/infer": {"post": _with_example(infer, model)},
    }


def _with_example(operation: Document, model: ServedModel) -> Document:
    found = example_of(model.card, model.golden)
    if found.example is None:
        return operation | {"description": found.why_not}
    operation["requestBody"]["content"][JSON]["examples"] = {
        "golden": {"summary": "A golden sample of the bundle", "value": found.example.request}
    }
    operation["responses"]["200"]["content"][JSON]["examples"] = {
        "recorded": {"summary": "What the source framework answered", "value": found.example.answer}
    }
    return operation


def _v1_paths(
    place: str, title: str, model: ServedModel, schemas: Document, errors: tuple[int, ...]
) -> Document:
    key, inputs = _component(model), model.card.signature.inputs
    schemas[f"{key}.predict"] = predict_request(inputs)
    schemas[f"{key}.predict.answer"] = {"type": "object"}
    paths: Document = {
        f"/v1/{place}": {"get": telling(f"State of {title}, {_TFS}", errors)},
        f"/v1/{place}/metadata": {"get": telling(f"{title} as a SignatureDef", errors)},
    }
    for verb in VERBS:
        if not _answers(verb, model):
            continue
        if verb != "predict":
            schemas[f"{key}.{verb}"] = examples_request(inputs)
            schemas[f"{key}.{verb}.answer"] = _RESULTS
        operation = asking(f"To {verb} by {title}, {_TFS}", f"{key}.{verb}", f"{key}.{verb}.answer", errors)
        paths[f"/v1/{place}:{verb}"] = {"post": operation}
    return paths


_RESULTS = {"type": "object", "required": ["results"], "properties": {"results": {"type": "array"}}}


def _answers(verb: str, model: ServedModel) -> bool:
    try:
        make_verb(verb, model.card)
    except TensorMismatchError:
        return False
    return True


def _asks(item: Document) -> bool:
    """A path on which models are asked; only those have a schema of their own for what is sent."""
    schema = item.get("post", {}).get("requestBody", {}).get("content", {}).get(JSON, {}).get("schema", {})
    return "$ref" in schema


def _component(model: ServedModel) -> str:
    """A name that OpenAPI allows (letters, digits, `.`, `-`, `_`) and no other version has."""
    text = f"{model.card.name}-{model.card.version}"
    return "".join(
        letter if letter.isascii() and (letter.isalnum() or letter in "-.") else f"_{ord(letter):x}_"
        for letter in text
    )
