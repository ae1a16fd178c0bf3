"""What checks expect of an answer, and how they say it where it is another."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from shipway.conformance.check import UnmetError
from shipway.conformance.exchange import Reply, shown

OK = (200,)


def expect_status(reply: Reply, statuses: Collection[int]) -> None:
    """One of these statuses. Raises `UnmetError`."""
    if reply.status not in statuses:
        wanted = " or ".join(map(str, statuses))
        raise UnmetError(f"status {wanted}", f"status {reply.status}: {shown(reply.body)[:200]}", reply)


def expect_refusal(reply: Reply) -> None:
    """A status of 4xx, and the protocol's error object. Raises `UnmetError`."""
    if not 400 <= reply.status < 500:
        found = f"status {reply.status}: {shown(reply.body)[:200]}"
        raise UnmetError("a status of 4xx, for the request is wrong", found, reply)
    expect_error_object(reply)


def expect_error_object(reply: Reply) -> None:
    """`{"error": TEXT}`. Raises `UnmetError`."""
    document = expect_json(reply)
    if not isinstance(document, dict) or not isinstance(document.get("error"), str) or not document["error"]:
        raise UnmetError('the body {"error": "…"}', shown(reply.body)[:200] or "an empty body", reply)


def expect_json(reply: Reply) -> Any:  # noqa: ANN401 - any JSON value
    """The body as JSON. Raises `UnmetError`."""
    try:
        return reply.json()
    except (ValueError, RecursionError) as error:
        raise UnmetError("a body of JSON", f"{shown(reply.body)[:200]!r} ({error})", reply) from error


def expect_document(reply: Reply) -> dict[str, Any]:
    """Status 200 and an object of JSON. Raises `UnmetError`."""
    expect_status(reply, OK)
    document = expect_json(reply)
    if not isinstance(document, dict):
        raise UnmetError("a JSON object", shown(reply.body)[:200], reply)
    return document


def expect_key(document: dict[str, Any], key: str, kind: type | tuple[type, ...], reply: Reply) -> Any:  # noqa: ANN401 - as `kind` says
    """A member of an object, of a kind. Raises `UnmetError`."""
    value = document.get(key)
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        words = " or ".join(_WORDS[one] for one in kinds)
        raise UnmetError(f"{key!r}: {words}", "nothing" if key not in document else repr(value)[:200], reply)
    return value


_WORDS: dict[type, str] = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
}
