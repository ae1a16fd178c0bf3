"""An answer's arrays to the body of an inference reply: JSON, or JSON followed by binary tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from shipway.server.http.v2.binary import encode_tensor
from shipway.server.http.v2.json_data import encode_data, encode_rows
from shipway.server.scheduling.jobs import Rows, Run
from shipway.types import Array, Signature

_encode = msgspec.json.Encoder().encode
_MOST_BINARY_HEADS = 256


class ReplyWriter:
    """Writes replies of one model version; what is equal in all of them is prepared once."""

    def __init__(self, name: str, version: str, signature: Signature) -> None:
        self._start = b'{"model_name":%b,"model_version":%b,' % (_encode(name), _encode(version))
        self._outputs = {
            spec.name: b'{"name":%b,"datatype":"%b","shape":' % (_encode(spec.name), spec.dtype.encode())
            for spec in signature.outputs
        }
        self._only = signature.outputs[0].name if len(signature.outputs) == 1 else None
        """The output of the commonest models."""
        self._binary_heads: dict[tuple[int, ...], bytes] = {}
        """The JSON before that output in binary, by its shape."""

    def write(
        self,
        request_id: str,
        outputs: Mapping[str, Array],
        wanted: Sequence[tuple[str, bool]] | None,
    ) -> tuple[bytes, int | None]:
        """The body, and how many of its bytes are JSON when binary tensors follow (else None).

        Raises `NotJsonError`.
        """
        if self._only is not None and not request_id:
            if wanted is None:
                if type(outputs) is Rows and outputs.end - outputs.start == 1:
                    text = self._write_row(self._only, outputs)
                    if text is not None:
                        return text, None
            elif len(wanted) == 1 and wanted[0][1]:
                return self._write_binary(outputs[self._only])
        return self._write_any(request_id, outputs, wanted)

    def _write_row(self, name: str, outputs: Rows) -> bytes | None:
        """The whole body for one row of the only output; None where rows do not share their texts."""
        texts = _texts_of(name, outputs.run)
        if texts is None:
            return None
        if not texts.whole:
            texts.whole = b"".join((self._start, b'"outputs":[', self._outputs[name], texts.one))
        return b"%b%b]}]}" % (texts.whole, texts.rows[outputs.start])

    def _write_binary(self, array: Array) -> tuple[bytes, int]:
        """The whole body for the only output in binary: its JSON depends on its shape alone, but for text."""
        data = encode_tensor(array)
        json = self._binary_heads.get(array.shape)
        if json is None:
            assert self._only is not None
            json = self._start + b'"outputs":[%b%b,"parameters":{"binary_data_size":%d}}]}' % (
                *(self._outputs[self._only], _encode(array.shape)),
                len(data),
            )
            if array.dtype.kind != "O" and len(self._binary_heads) < _MOST_BINARY_HEADS:
                self._binary_heads[array.shape] = json
        return json + data, len(json)

    def _write_any(
        self, request_id: str, outputs: Mapping[str, Array], wanted: Sequence[tuple[str, bool]] | None
    ) -> tuple[bytes, int | None]:
        parts: list[bytes] = []
        binary: list[bytes] | None = None
        if wanted is None:
            for name, start in self._outputs.items():
                shared = _share(name, outputs) if type(outputs) is Rows else None
                if shared is None:
                    array = outputs[name]
                    parts += (start, _encode(array.shape), b',"data":', encode_data(name, array), b"},")
                else:
                    parts += (start, *shared)
        else:
            binary = []
            for name, is_binary in wanted:
                array = outputs[name]
                parts += (self._outputs[name], _encode(array.shape))
                if is_binary:
                    data = encode_tensor(array)
                    binary.append(data)
                    parts.append(b',"parameters":{"binary_data_size":%d}},' % len(data))
                else:
                    parts += (b',"data":', encode_data(name, array), b"},")
        parts[-1] = parts[-1][:-1] + b"]}"
        identity = b'"id":%b,' % _encode(request_id) if request_id else b""
        json = b"".join((self._start, identity, b'"outputs":[', *parts))
        if not binary:
            return json, None
        return b"".join((json, *binary)), len(json)


class _RowTexts:
    """One output of a run, all its rows in JSON."""

    __slots__ = ("one", "rows", "tail", "whole")

    def __init__(self, array: Array, rows: list[bytes]) -> None:
        self.rows = rows
        self.tail = b",".join([b"", *(b"%d" % size for size in array.shape[1:])])
        """The shape after its first number."""
        self.one = b'[1%b],"data":[' % self.tail
        self.whole = b""
        """An answer of one row up to its data, where this is the only output."""


def _texts_of(name: str, run: Run) -> _RowTexts | None:
    """What the requests of a run share of an output; None where each writes its own."""
    if name not in run.notes:
        array = run.outputs[name]
        texts = encode_rows(array)
        run.notes[name] = None if texts is None else _RowTexts(array, texts)
    shared = run.notes[name]
    return shared if isinstance(shared, _RowTexts) else None


def _share(name: str, rows: Rows) -> tuple[bytes, ...] | None:
    """Shape, data and end of an output, from texts that the requests of a run share; None where they cannot."""
    shared = _texts_of(name, rows.run)
    if shared is None:
        return None
    start, end = rows.start, rows.end
    if end - start == 1:
        return shared.one, shared.rows[start], b"]},"
    return b'[%d%b],"data":[' % (end - start, shared.tail), b",".join(shared.rows[start:end]), b"]},"
