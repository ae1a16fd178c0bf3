"""Large `predict` bodies of one input without a Python object for each number.

Only for plain lists of numbers whose row sizes the model fixes; all else is left to the other readers, which
stand for the same values bit for bit. 50,176 rows of three numbers take 6 to 12 ms instead of 26, 192 rows of 784
take 4 to 10 instead of 7 to 9 (benchmarks/codecs.py, CPU time).
"""

from __future__ import annotations

from math import prod

import msgspec

from shipway.server.http.json_lists import read_list
from shipway.types import Array, Signature


class _Body(msgspec.Struct, gc=False):
    """Either form, its numbers not yet looked at."""

    signature_name: str | msgspec.UnsetType = msgspec.UNSET
    instances: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    inputs: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_decode = msgspec.json.Decoder(_Body).decode


class LargePredictReader:
    """Reads bodies for one signature."""

    def __init__(self, signature: Signature) -> None:
        spec = signature.inputs[0]
        self._tail = [dim for dim in spec.shape[1:] if isinstance(dim, int) and dim > 0]
        is_told = len(signature.inputs) == 1 and bool(spec.shape) and len(self._tail) == len(spec.shape) - 1
        self._spec = spec if is_told else None
        self._lists_in_row = sum(prod(self._tail[:depth]) for depth in range(len(self._tail)))

    def read(self, body: bytes) -> tuple[dict[str, Array], bool, str | None] | None:
        """Arrays by name, whether in row form, and the signature's name; None for any other body."""
        spec = self._spec
        if spec is None:
            return None
        try:
            found = _decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        is_row_form = found.instances is not msgspec.UNSET
        value = found.instances if is_row_form else found.inputs
        if not isinstance(value, msgspec.Raw) or is_row_form is (found.inputs is not msgspec.UNSET):
            return None
        raw = bytes(value)
        rows = self._count_rows(raw)
        array = read_list(raw, spec, [rows, *self._tail]) if rows else None
        if array is None:
            return None
        name = None if found.signature_name is msgspec.UNSET else found.signature_name
        return {spec.name: array}, is_row_form, name

    def _count_rows(self, raw: bytes) -> int:
        """As many as the text can have; `read_list` finds out whether it has."""
        if not self._tail:
            return raw.count(b",") + 1
        return (raw.count(b"[") - 1) // self._lists_in_row
