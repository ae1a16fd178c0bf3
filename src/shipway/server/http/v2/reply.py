"""An answer's arrays to the body of an inference reply: JSON, or JSON followed by binary tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from shipway.server.http.v2.binary import encode_tensor
from shipway.server.http.v2.json_data import encode_data, encode_rows
from shipway.server.scheduling.jobs import Rows
from shipway.types import Array, Signature

_encode = msgspec.json.Encoder().encode


class ReplyWriter:
    """Writes replies of one model version; what is equal in all of them is prepared once."""

    def __init__(self, name: str, version: str, signature: Signature) -> None:
        self._start = b'{"model_name":%b,"model_version":%b,' % (_encode(name), _encode(version))
        self._outputs = {
            spec.name: b'{"name":%b,"datatype":"%b","shape":' % (_encode(spec.name), spec.dtype.encode())
            for spec in signature.outputs
        }

    def write(
        self,
        request_id: str,
        outputs: Mapping[str, Array],
        wanted: Sequence[tuple[str, bool]] | None,
    ) -> tuple[bytes, int | None]:
        """The body, and how many of its bytes are JSON when binary tensors follow (else None).

        Raises `NotJsonError`.
        """
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

    __slots__ = ("one", "rows", "tail")

    def __init__(self, array: Array, rows: list[bytes]) -> None:
        self.rows = rows
        self.tail = b",".join([b"", *(b"%d" % size for size in array.shape[1:])])
        """The shape after its first number."""
        self.one = b'[1%b],"data":[' % self.tail


def _share(name: str, rows: Rows) -> tuple[bytes, ...] | None:
    """Shape, data and end of an output, from texts that the requests of a run share; None where they cannot."""
    run = rows.run
    if name not in run.notes:
        array = run.outputs[name]
        texts = encode_rows(array)
        run.notes[name] = None if texts is None else _RowTexts(array, texts)
    shared = run.notes[name]
    if not isinstance(shared, _RowTexts):
        return None
    start, end = rows.start, rows.end
    if end - start == 1:
        return shared.one, shared.rows[start], b"]},"
    return b'[%d%b],"data":[' % (end - start, shared.tail), b",".join(shared.rows[start:end]), b"]},"
