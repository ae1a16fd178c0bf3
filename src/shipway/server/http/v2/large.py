"""Large requests whose inputs are flat lists of numbers, in one pass and without a Python object for each number.

What is not plainly right is left to the other readers, which stand for the same values bit for bit.
"""

from __future__ import annotations

from typing import Any

import msgspec

from shipway.server.http.json_lists import CODES, NOT_PLAIN, numbers_of, parser_for
from shipway.server.http.v2.wire import WireCall, WireRequest
from shipway.types import Array, Signature

_FIELDS = frozenset(("id", "parameters", "inputs", "outputs"))


class LargeReader:
    """Reads whole requests for one signature in one pass, where every input's data is a flat list."""

    def __init__(self, signature: Signature) -> None:
        self._inputs = {spec.name: spec for spec in signature.inputs}
        self._has_codes = all(spec.dtype in CODES for spec in signature.inputs)

    def read(self, json: bytes) -> tuple[WireCall, dict[str, Array]] | None:
        """The request and its arrays by name; None for any other request, good or bad."""
        lists = json.count(b"[") if self._has_codes else 0
        # Those of a flat request: the inputs, each one's shape and data, and perhaps the outputs.
        if not 3 <= lists <= 2 + 2 * len(self._inputs):
            return None
        parser = parser_for(len(json))
        try:
            return None if parser is None else self._read(parser.parse(json), lists)
        except NOT_PLAIN:
            return None

    def _read(self, document: Any, lists: int) -> tuple[WireCall, dict[str, Array]] | None:  # noqa: ANN401 - simdjson's
        head = _fields(document)
        if head is None or not head.keys() <= _FIELDS:
            return None
        tensors = [_fields(tensor) for tensor in head["inputs"]]
        datas = [None if tensor is None else tensor.pop("data") for tensor in tensors]
        # As many lists as must be there: so none is hidden in data, which simdjson would flatten in silence.
        if lists != 1 + 2 * len(tensors) + (head.get("outputs") is not None):
            return None
        plain = {name: _as_python(value) for name, value in head.items() if name != "inputs"}
        plain["inputs"] = [{name: _as_python(value) for name, value in (t or {}).items()} for t in tensors]
        request = msgspec.convert(plain, WireRequest)
        inputs: dict[str, Array] = {}
        for tensor, data in zip(request.inputs, datas, strict=True):
            spec = self._inputs[tensor.name]
            if tensor.parameters is not None or tensor.datatype != spec.dtype or tensor.name in inputs:
                return None
            array = numbers_of(data, spec, tensor.shape)
            if array is None:
                return None
            inputs[tensor.name] = array
        return request, inputs


def _fields(value: Any) -> dict[str, Any] | None:  # noqa: ANN401 - simdjson's
    """An object's members; None where a name comes twice."""
    names = list(value.keys())  # `items` would make lists of what the objects hold
    return {name: value[name] for name in names} if len(set(names)) == len(names) else None


def _as_python(value: Any) -> Any:  # noqa: ANN401 - JSON
    if hasattr(value, "as_dict"):
        return value.as_dict()
    return value.as_list() if hasattr(value, "as_list") else value
