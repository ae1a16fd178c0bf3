"""Operations of the OpenAPI document: what is sent, what is answered, and with which errors."""

from __future__ import annotations

from typing import Any, Final

from shipway.server.http.statuses import PHRASES

Document = dict[str, Any]
JSON: Final = "application/json"
ERRORS_OF_ALL: Final = (400, 404, 405, 413, 429, 500, 503)
ERRORS_OF_KEYS: Final = (401, 403)
_ASKING_ERRORS = (406, 408, 501, 504)
ERROR: Document = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {"type": "string", "description": "What was expected, what was found, what to do."},
        "code": {"type": "string", "description": "Stable: programs may compare it."},
    },
}


def telling(
    summary: str,
    errors: tuple[int, ...],
    *,
    more: tuple[int, ...] = (),
    kind: str = JSON,
    schema_type: str = "",
) -> Document:
    """An operation that takes nothing; with the statuses `more` it answers in the same form."""
    schema = {"type": schema_type or ("object" if kind == JSON else "string")}
    answer = {"description": summary, "content": {kind: {"schema": schema}}}
    answers = {"200": answer, **{str(status): answer | {"description": PHRASES[status]} for status in more}}
    return {"summary": summary, "responses": responses(answers, errors)}


def asking(summary: str, request: str, answer: str, errors: tuple[int, ...]) -> Document:
    """An operation that asks a model; `request` and `answer` name schemas."""

    def content(name: str) -> Document:
        return {JSON: {"schema": {"$ref": f"#/components/schemas/{name}"}}}

    found = {"200": {"description": "The outputs", "content": content(answer)}}
    return {
        "summary": summary,
        "requestBody": {"required": True, "content": content(request)},
        "responses": responses(found, errors + _ASKING_ERRORS),
    }


def responses(answers: Document, errors: tuple[int, ...]) -> Document:
    """The answers, and those of every error that is not among them."""
    content = {JSON: {"schema": {"$ref": "#/components/schemas/Error"}}}
    refused = {
        str(status): {"description": PHRASES[status], "content": content}
        for status in sorted(errors)
        if str(status) not in answers
    }
    return {**answers, **refused}
