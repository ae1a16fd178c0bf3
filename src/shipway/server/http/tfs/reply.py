"""Outputs to the body of a `:predict` answer: `predictions` by row, or `outputs` by column.

NaN and infinity are written as the tokens `NaN`, `Infinity` and `-Infinity`, as TensorFlow Serving does.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import msgspec

from shipway.errors import NotJsonError, TensorMismatchError
from shipway.types import Array, Signature

_encode = msgspec.json.Encoder().encode


class PredictWriter:
    """Writes answers of one signature."""

    def __init__(self, signature: Signature) -> None:
        self._names = [spec.name for spec in signature.outputs]
        self._scalars = [spec.name for spec in signature.outputs if not spec.shape]

    def check_rows(self) -> None:
        """Raises `TensorMismatchError` for a model whose outputs have no rows."""
        if self._scalars:
            raise TensorMismatchError(
                f"Output {self._scalars[0]} is a scalar: it has no row for each instance.",
                hint='Ask in column form, with "inputs".',
            )

    def write_rows(self, outputs: Mapping[str, Array]) -> bytes:
        """A value for each instance; an object with every output where there are several.

        Raises `TensorMismatchError` where the outputs' first sizes differ, and `NotJsonError`.
        """
        names = self._names
        if len(names) == 1:
            return b'{"predictions":%b}' % encode_value(_values(names[0], outputs[names[0]]))
        counts = {name: len(outputs[name]) for name in names}
        if len(set(counts.values())) > 1:
            raise TensorMismatchError(
                f"The outputs differ in their first size, so they have no rows: {counts}.",
                hint='Ask in column form, with "inputs".',
            )
        columns = [_values(name, outputs[name]) for name in names]
        rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
        return b'{"predictions":%b}' % encode_value(rows)

    def write_columns(self, outputs: Mapping[str, Array]) -> bytes:
        """Each output whole. Raises `NotJsonError`."""
        names = self._names
        if len(names) == 1:
            return b'{"outputs":%b}' % encode_value(_values(names[0], outputs[names[0]]))
        return b'{"outputs":%b}' % encode_value({name: _values(name, outputs[name]) for name in names})


def encode_value(value: Any) -> bytes:  # noqa: ANN401 - whatever JSON can hold
    """JSON, with tokens for NaN and infinity."""
    text = _encode(value)
    if b"null" not in text:  # what msgspec makes of them; 30 times as fast as the way that writes them
        return text
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _values(name: str, array: Array) -> Any:  # noqa: ANN401 - nested lists, or a scalar
    if array.dtype.kind == "V":
        raise NotJsonError(
            f"Output {name} is BF16, which has no JSON form.", hint="Ask for it in binary, at /v2."
        )
    if array.dtype.kind != "O":
        return array.tolist()
    return _texts(name, array.tolist(), as_bytes=name.endswith("_bytes"))


def _texts(name: str, value: Any, *, as_bytes: bool) -> Any:  # noqa: ANN401 - as above
    if isinstance(value, list):
        return [_texts(name, item, as_bytes=as_bytes) for item in value]
    data = value if isinstance(value, bytes) else str(value).encode()
    if as_bytes:
        return {"b64": base64.b64encode(data).decode()}
    try:
        return data.decode()
    except UnicodeError as error:
        raise NotJsonError(
            f"Output {name} holds bytes that are not UTF-8, and its name does not end in _bytes.",
            hint="Ask for it in binary, at /v2.",
        ) from error
