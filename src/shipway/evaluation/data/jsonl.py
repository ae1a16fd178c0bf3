"""`.jsonl`: one JSON object a line, its fields the columns, read a line at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from shipway.bundle.files import sha256_of
from shipway.errors import DataFormatError, DataMismatchError
from shipway.evaluation.data.base import Block, Column
from shipway.evaluation.data.json_columns import MISSING, TWICE, guess_column, read_values
from shipway.evaluation.data.table_columns import TABLE_LABELS, Cells, Unasked, block_of, shown
from shipway.evaluation.data.text_files import BOM, read_head

LONGEST_LINE_BYTES = 1 << 26
"""64 MiB: an image of 4 million numbers."""
_LOOKED_AT = 256
"""Lines that tell the fields and what they hold."""

Record = dict[str, Any]


class JsonlReader:
    """Looks at the first lines when made; the file is open only while rows are read."""

    format = "jsonl"
    label_names = TABLE_LABELS
    class_names: tuple[str, ...] = ()

    def __init__(self, path: Path) -> None:
        self.path = path
        self._unasked = Unasked()
        self._decoder = msgspec.json.Decoder()
        read_head(path)
        records = [record for _, record in islice(self._records(), _LOOKED_AT)]
        names = dict.fromkeys(name for record in records for name in record)
        if not names:
            raise DataFormatError(
                f"{path}, line 1: an object without fields.", hint='Write {"text": ..., "label": ...} a line.'
            )
        self.columns: Mapping[str, Column] = {
            name: _column(name, [record.get(name, MISSING) for record in records]) for name in names
        }

    @property
    def notes(self) -> tuple[str, ...]:
        """What became of values in fields that nobody demanded."""
        return self._unasked.notes()

    def blocks(
        self, names: tuple[str, ...], dtypes: Mapping[str, np.dtype[Any]], *, rows: int
    ) -> Iterator[Block]:
        """As `Reader.blocks`; a row is a line that is not blank. Values of fields that are not in `dtypes` are no
        problems: what is not of the field's own dtype is NaN or an empty text there, and a note."""
        for name in names:
            self._check_kind(name)
        keys = {name: json.dumps(name, ensure_ascii=False).encode() for name in names}
        records = self._records()
        first = 0
        while lines := list(islice(records, rows)):
            cells = {}
            for name in names:
                values = [_value(record, name, line, keys[name]) for line, record in lines]
                cells[name] = self._read(name, values, dtypes.get(name), first)
            yield block_of(first, cells, dtypes, self._unasked)
            first += len(lines)

    def sha256(self) -> str:
        """Of the file's bytes."""
        return sha256_of(self.path)

    def close(self) -> None:
        """Nothing is held."""

    def _read(
        self, name: str, values: Sequence[object], dtype: np.dtype[Any] | None, first_row: int
    ) -> Cells:
        column = self.columns[name]
        wanted = column.dtype if dtype is None else dtype
        where = f"{self.path}, field {name!r}"
        return read_values(values, wanted, column.row_shape, where=where, first_row=first_row)

    def _records(self) -> Iterator[tuple[bytes, Record]]:
        """Each line that is not blank, with what it says. Raises `DataFormatError`."""
        for number, line in self._lines():
            try:
                record = self._decoder.decode(line)
            except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
                raise self._malformed(number, line, error) from error
            if not isinstance(record, dict):
                raise DataFormatError(
                    f"{self.path}, line {number}: expected an object, found {shown(record)}.",
                    hint=_WHOLE_ARRAY if number == 1 and isinstance(record, list) else _OBJECT,
                )
            yield line, record

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        with self.path.open("rb") as file:
            number = 0
            while line := file.readline(LONGEST_LINE_BYTES + 1):
                number += 1
                if len(line) > LONGEST_LINE_BYTES:
                    raise DataFormatError(
                        f"{self.path}, line {number} is longer than {LONGEST_LINE_BYTES // 2**20} MiB.",
                        hint="Write one row a line; keep large arrays in .npz or Parquet.",
                    )
                text = (line.removeprefix(BOM) if number == 1 else line).strip()
                if text:
                    yield number, text

    def _malformed(self, number: int, line: bytes, error: Exception) -> DataFormatError:
        what, hint = str(error).removeprefix("JSON is malformed: "), _OBJECT
        if isinstance(error, UnicodeDecodeError):
            what = f"the byte 0x{error.object[error.start]:02X} is no UTF-8"
            hint = f'Convert it: iconv -f WINDOWS-1252 -t UTF-8 "{self.path.name}" > data.jsonl'
        elif isinstance(error, RecursionError):
            what, hint = (
                "lists or objects nested too deep",
                "Write rows as lists of one shape, at most 8 deep.",
            )
        elif "out of range" in what:
            hint = "Write numbers that float64 can hold; longer ones as texts."
        elif any(word in line for word in (b"NaN", b"Infinity")):
            hint = (
                "JSON has no NaN and no Infinity: write null; json.dumps(record, allow_nan=False) finds them."
            )
        elif number == 1 and line[:1] == b"[":
            hint = _WHOLE_ARRAY
        return DataFormatError(f"{self.path}, line {number} is no JSON: {what}.", hint=hint)

    def _check_kind(self, name: str) -> None:
        if self.columns[name].dtype.kind == "V":
            raise DataMismatchError(
                f"{self.path}, field {name!r} holds objects or lists nested too deep; expected numbers, texts, "
                "or lists of one shape.",
                hint="Write the values that the model takes into fields of their own.",
            )


def open_jsonl(path: Path) -> JsonlReader:
    """Opens a file of one JSON object a line.

    Raises `DataNotFoundError`, `PermissionDeniedError`, `DataEmptyError`, and `DataFormatError` where one of the
    first lines is none.
    """
    return JsonlReader(path)


def _value(record: Record, name: str, line: bytes, key: bytes) -> object:
    """The field's value. JSON readers keep the last of two in silence; here they are looked for."""
    if line.count(key) > 1 and _is_twice(line, name):
        return TWICE
    return record.get(name, MISSING)


def _is_twice(line: bytes, name: str) -> bool:
    """Whether the line's own object gives the field twice: the hook is called for it last."""
    names: list[str] = []

    def keep(pairs: list[tuple[str, object]]) -> None:
        names[:] = [key for key, _ in pairs]

    json.loads(line, object_pairs_hook=keep)
    return names.count(name) > 1


def _column(name: str, values: list[object]) -> Column:
    dtype, shape = guess_column(values)
    kind = {"O": "text", "V": "objects"}.get(dtype.kind, str(dtype))
    return Column(name, dtype, shape, called=f"{name} {kind}[rows{''.join(f', {size}' for size in shape)}]")


_OBJECT = 'Write one whole object a line: file.write(json.dumps({"text": text, "label": label}) + "\\n").'
_WHOLE_ARRAY = "This is one JSON array; write its objects a line each: jq -c '.[]' data.json > data.jsonl"
