"""Text files as bytes come in: what is no UTF-8 is found with its line before a parser guesses at it."""

from __future__ import annotations

import codecs
import io
from pathlib import Path

from shipway.errors import DataEmptyError, DataFormatError, DataNotFoundError
from shipway.os_errors import os_errors_as_ours

BOM = codecs.BOM_UTF8
HEAD_BYTES = 1 << 20
"""Of the first look: enough for the widest header and some rows."""
_WIDE = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


def check_data_file(path: Path) -> None:
    """Raises `DataNotFoundError`, `DataFormatError` unless a regular file is there, `PermissionDeniedError`."""
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "not a regular file"
        raise DataFormatError(f"{path} is {what}.", hint="Give the path of the data file itself to --data.")
    try:
        with os_errors_as_ours("read the data", path):
            path.open("rb").close()
    except FileNotFoundError as error:
        raise DataNotFoundError(f"No data file at {path}.", hint="Check the path given to --data.") from error


def read_head(path: Path) -> bytes:
    """The first `HEAD_BYTES` of a text file, with its byte order mark where it has one.

    Raises as `check_data_file` does, `DataEmptyError` where there is nothing but white space, and
    `DataFormatError` on what is no UTF-8.
    """
    check_data_file(path)
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    _refuse_wide(path, head)
    with CheckedBytes(path) as checked:
        checked.read(HEAD_BYTES)
    if not head.removeprefix(BOM).strip() and len(head) < HEAD_BYTES:
        raise DataEmptyError(
            f"{path} is empty ({len(head)} bytes).", hint="Give a file with at least one row of data."
        )
    return head


def _refuse_wide(path: Path, head: bytes) -> None:
    name = next((name for mark, name in _WIDE if head.startswith(mark)), None)
    if name is None and len(head) >= 4:  # UTF-16 without a mark: every second byte of Latin text is zero
        for begin, called in ((1, "UTF-16LE"), (0, "UTF-16BE")):
            some = head[begin:200:2]
            if some.count(0) > 0.6 * len(some):
                name = called
    if name is not None:
        raise DataFormatError(
            f"{path} is text in {name}, from its first line on; expected UTF-8.",
            hint=f'Convert it: iconv -f {name} -t UTF-8 "{path.name}" > data{path.suffix or ".csv"}',
        )


class CheckedBytes(io.RawIOBase):
    """A text file read in pieces; a byte that no text holds is a `DataFormatError` with its line.

    Made for parsers that would take such bytes for something, or stop without a line.
    """

    def __init__(self, path: Path, begin: int = 0) -> None:
        """Starts at byte `begin`, which is the start of a line."""
        super().__init__()
        self._path = path
        self._file = path.open("rb")
        self._line = _count_lines(self._file.read(begin)) + 1
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def readable(self) -> bool:
        """True."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes. Raises `DataFormatError`."""
        data = self._file.read(size)
        held = len(self._decoder.getstate()[0])
        try:
            self._decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            raise self._not_utf8(error, data, held) from error
        zero = data.find(b"\0")
        if zero >= 0:
            raise DataFormatError(
                f"{self._path}, line {self._line + _count_lines(data[:zero])}: a NUL byte, which text files "
                "do not hold; the file is damaged or binary.",
                hint="Save the file again; a file cut off while it was written looks like this.",
            )
        self._line += _count_lines(data)
        return data

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
        super().close()

    def _not_utf8(self, error: UnicodeDecodeError, data: bytes, held: int) -> DataFormatError:
        line = self._line + _count_lines(data[: max(0, error.start - held)])
        where = f"{self._path}, line {line}"
        if not data:
            return DataFormatError(
                f"{where}: the file ends inside a character.",
                hint="Copy or save the file again; a copy that was cut off looks like this.",
            )
        byte = error.object[error.start]
        return DataFormatError(
            f"{where}: the byte 0x{byte:02X} is no UTF-8; text in Windows-1252 (Latin-1) looks like this.",
            hint=f'Convert it: iconv -f WINDOWS-1252 -t UTF-8 "{self._path.name}" > data{self._path.suffix}, '
            'or write it with encoding="utf-8".',
        )


def _count_lines(data: bytes) -> int:
    """Line ends in it: LF, CR LF, and CR alone, as old Macs wrote."""
    return data.count(b"\n") or data.count(b"\r")
