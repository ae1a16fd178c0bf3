"""Data files that are damaged, hostile or merely odd: each is told by file and place, with what to do about it.

A file ends in an error of the data's own, or in rows that cannot be used; never in a crash, and never in silence.
"""

import io
import json
import random
import struct
import subprocess
import sys
import textwrap
import time
import zlib
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from shipway.errors import DataEmptyError, DataError, DataFormatError, DataMismatchError, ShipwayError
from shipway.evaluation.data.bad_rows import BadRows
from shipway.evaluation.data.base import Reading
from shipway.evaluation.data.readers import open_reader
from shipway.types import DType, TensorSpec

IMAGE = TensorSpec("image", DType.UINT8, ("batch", 4, 4, 3))


@dataclass(frozen=True)
class Case:
    """A file, and what has to be said of it."""

    content: bytes
    ends: type[DataError] | str
    """The error; or the kind of problem that its rows have."""
    place: str
    """Words of the message that say where."""
    hint: str
    """Words of what to do."""
    dtypes: dict[str, str] = field(default_factory=lambda: {"x": "f4", "label": "i8"})


def read_all(path, dtypes, *, spec=IMAGE, reading=None):
    """Raises what opening and reading raise, and `DataValueError` for rows that cannot be used."""
    reader = open_reader(path, (spec,), reading or Reading())
    asked = {name: np.dtype(dtype) for name, dtype in dtypes.items() if name in reader.columns}
    bad = BadRows()
    rows = 0
    for block in reader.blocks(tuple(asked) or tuple(reader.columns), asked, rows=7):
        for problem in block.problems:
            bad.note(problem)
        rows += len(next(iter(block.arrays.values())))
    bad.refuse(path, rows, "row")
    return rows, bad


def check(path, case, **options):
    ends = case.ends if isinstance(case.ends, type) else DataError
    with pytest.raises(ends) as caught:
        read_all(path, case.dtypes, **options)
    if isinstance(case.ends, type):
        assert type(caught.value) is case.ends
    assert str(path) in caught.value.message
    assert case.place in caught.value.message
    assert case.hint in caught.value.hint
    assert len(caught.value.message) < 1000


def table(*lines):
    return "\n".join(("x,label", *lines, "")).encode()


ROWS = [f"{number}.5,{number % 3}" for number in range(20)]
BAD = "Mend or fill in"
CSV = {
    "empty": Case(b"", DataEmptyError, "0 bytes", "at least one row"),
    "only white space": Case(b"\n\n  \n", DataEmptyError, "empty", "at least one row"),
    "only a byte order mark": Case(b"\xef\xbb\xbf", DataEmptyError, "3 bytes", "at least one row"),
    "only a header": Case(b"x,label\n", DataEmptyError, "no row below", "at least one row"),
    "a header without an end": Case(b"x,label", DataEmptyError, "no row below", "at least one row"),
    "no header": Case(b"5.1,3.5,0\n4.9,3.0,0\n", DataFormatError, "line 1 (the header)", "header=None"),
    "no header, classes by name": Case(
        b"5.1,3.5,setosa\n4.9,3,setosa\n", DataFormatError, "line 1 (the header)", "header=None"
    ),
    "a name twice": Case(b"x,x,label\n1,2,0\n", DataFormatError, "columns 1, 2", "name of its own"),
    "a name twice but for spaces": Case(
        b"x, x,label\n1,2,0\n", DataFormatError, "columns 1, 2", "name of its own"
    ),
    "a column without a name": Case(
        b"x,,label\n1,2,0\n", DataFormatError, "column 2 of 3", "Name every column"
    ),
    "a delimiter at each end": Case(
        b"x,label,\n1,2,\n", DataFormatError, "column 3 of 3", "end of each line"
    ),
    "other delimiter": Case(b"x|label\n1|2\n", DataFormatError, "line 1", 'sep="|"'),
    "a header that is never closed": Case(
        b'"x,label\n' + b"1,2\n" * 20000, DataFormatError, "line 1", "each quote closed"
    ),
    "too few cells": Case(
        table(*ROWS, "1", "2,0"), DataFormatError, "line 22 (row 20)", "ends at column 'x'"
    ),
    "too many cells": Case(
        table(*ROWS, "1,2,3"), DataFormatError, "line 22 (row 20)", "first too many is '3'"
    ),
    "decimal commas without quotes": Case(
        table("1,5,0", "2,5,1"), DataFormatError, "line 2 (row 0)", "first too many"
    ),
    "cut off": Case(table(*ROWS)[:-4], DataFormatError, "line 21 (row 19)", "cut off"),
    "ragged below texts with newlines": Case(
        table('"a\nb\nc",1', '"d\ne",2', "1"), DataFormatError, "line 7 (row 2)", "ends at column"
    ),
    "a quote that is never closed": Case(
        table(*ROWS, '"1,2', *ROWS), DataFormatError, "line 22 (row 20)", "Close the quote"
    ),
    "a quote over a large file": Case(
        table('"1,2', *ROWS * 20000), DataFormatError, "line 2 (row 0)", "Close the quote"
    ),
    "Latin-1": Case(
        table(*ROWS, "é,1").decode().encode("latin-1"), DataFormatError, "line 22: the byte 0xE9", "iconv"
    ),
    "Latin-1 in the header": Case("größe,label\n1,2\n".encode("latin-1"), DataFormatError, "line 1", "iconv"),
    "Latin-1 far below": Case(
        table(*ROWS * 20000, "é,1").decode().encode("latin-1"), DataFormatError, "line 400002", "iconv"
    ),
    "UTF-16": Case(table(*ROWS).decode().encode("utf-16"), DataFormatError, "UTF-16", "iconv -f UTF-16"),
    "UTF-16 without a mark": Case(
        table(*ROWS).decode().encode("utf-16-le"), DataFormatError, "UTF-16LE", "iconv -f UTF-16LE"
    ),
    "UTF-16, high byte first": Case(
        table(*ROWS).decode().encode("utf-16-be"), DataFormatError, "UTF-16BE", "iconv -f UTF-16BE"
    ),
    "UTF-32": Case(table(*ROWS).decode().encode("utf-32"), DataFormatError, "UTF-32", "iconv -f UTF-32"),
    "cut in a character": Case(
        table(*ROWS) + "é".encode()[:1], DataFormatError, "line 22: the file ends inside", "cut off"
    ),
    "a NUL": Case(table(*ROWS, "1\0,2"), DataFormatError, "line 22: a NUL", "Save the file again"),
    "a hole of NULs": Case(
        table(*ROWS) + bytes(5000), DataFormatError, "line 22: a NUL", "Save the file again"
    ),
    "a row without an end": Case(
        table("1,2", "1," + "9" * (65 << 20)), DataFormatError, "line 3 (row 1)", "line ends"
    ),
    "words among numbers": Case(table(*ROWS, "abc,1"), "not-a-number", "row 20, x: 'abc' is no number", BAD),
    "an empty cell": Case(table(*ROWS, ",1"), "missing", "row 20, x: the cell is empty", BAD),
    "an empty label": Case(table(*ROWS, "1,"), "missing", "row 20, label: the cell is empty", BAD),
    "NA": Case(table(*ROWS, "1,NA"), "missing", "row 20, label: the cell says NA", BAD),
    "NaN": Case(table(*ROWS, "nan,1"), "missing", "row 20, x: the cell says nan", BAD),
    "a question mark": Case(table(*ROWS, "?,1"), "missing", "row 20, x: the cell says ?", BAD),
    "hexadecimal": Case(table(*ROWS, "1,0x1F"), "not-a-number", "row 20, label: '0x1F' is hexadecimal", BAD),
    "decimal commas": Case(b"x;label\n1,5;0\n", "not-a-number", "row 0, x: '1,5' has a decimal comma", BAD),
    "thousands": Case(table('"1,234.5",0'), "not-a-number", "separators of thousands", BAD),
    "percent": Case(table(*ROWS, "12 %,0"), "not-a-number", "row 20, x: '12 %' is a percentage", BAD),
    "digits of another script": Case(table(*ROWS, "١٢,0"), "not-a-number", "row 20, x", BAD),
    "an underscore": Case(table(*ROWS, "1_000,0"), "not-a-number", "row 20, x: '1_000'", BAD),
    "a date": Case(table(*ROWS, "2026-01-02,0"), "not-a-number", "row 20, x: '2026-01-02'", BAD),
    "code": Case(table(*ROWS, "=cmd|' /C calc'!A0,0"), "not-a-number", "row 20, x", BAD),
    "a fraction as a label": Case(
        table(*ROWS, "1,1.5"), "not-a-number", "row 20, label: '1.5' is no whole", BAD
    ),
    "a number beyond float": Case(
        table(*ROWS, "1e999,1"), "out-of-range", "row 20, x: '1e999' is outside", BAD
    ),
    "a number beyond float32": Case(table(*ROWS, "1e39,1"), "out-of-range", "range of float32", BAD),
    "a whole number beyond 64 bits": Case(
        table(*ROWS, f"1,{2**63}"), "out-of-range", "row 20, label: '9223372036854775808'", BAD
    ),
    "a number of thousands of digits": Case(
        table(*ROWS, f"1,{'9' * 9000}"), "not-a-number", "row 20, label", BAD
    ),
    "a text that is missing": Case(
        b"text,label\nyes,1\n,0\n", "missing", "row 1, text: the cell is empty", BAD, {"text": "O"}
    ),
    "neither true nor false": Case(
        b"flag,label\ntrue,1\nmaybe,0\n",
        "not-a-number",
        "row 1, flag: 'maybe' is neither",
        BAD,
        {"flag": "?"},
    ),
}


@pytest.mark.parametrize("kind", CSV)
def test_hostile_tables_of_text(tmp_path, kind):
    path = tmp_path / "data.csv"
    path.write_bytes(CSV[kind].content)
    check(path, CSV[kind])


def lines(*records):
    return b"\n".join(
        record if isinstance(record, bytes) else json.dumps(record).encode() for record in records
    )


GOOD = [{"x": number + 0.5, "label": number % 3} for number in range(20)]
WHOLE = "one whole object a line"
JSONL = {
    "empty": Case(b"", DataEmptyError, "0 bytes", "at least one row"),
    "only blank lines": Case(b"\n\n\n", DataEmptyError, "3 bytes", "at least one row"),
    "no fields": Case(b"{}\n{}\n", DataFormatError, "line 1", '{"text"'),
    "one array": Case(b'[{"x": 1},\n {"x": 2}]', DataFormatError, "line 1", "jq -c"),
    "one array in one line": Case(b'[{"x": 1}]', DataFormatError, "line 1", "jq -c"),
    "printed over lines": Case(b'{\n  "x": 1\n}\n', DataFormatError, "line 1", WHOLE),
    "numbers": Case(lines(*GOOD, b"1"), DataFormatError, "line 21: expected an object", WHOLE),
    "cut off": Case(lines(*GOOD)[:-5], DataFormatError, "line 20", WHOLE),
    "two a line": Case(lines(*GOOD, b'{"x": 1} {"x": 2}'), DataFormatError, "line 21", WHOLE),
    "commas at the ends": Case(b'{"x": 1},\n{"x": 2},\n', DataFormatError, "line 1", WHOLE),
    "Python's quotes": Case(b"{'x': 1}\n", DataFormatError, "line 1", WHOLE),
    "NaN": Case(lines(*GOOD, b'{"x": NaN}'), DataFormatError, "line 21", "write null"),
    "Infinity": Case(lines(*GOOD, b'{"x": -Infinity}'), DataFormatError, "line 21", "write null"),
    "a number beyond float": Case(
        lines(*GOOD, b'{"x": 1e999}'), DataFormatError, "line 21", "float64 can hold"
    ),
    "a number of thousands of digits": Case(
        lines(*GOOD, b'{"x": ' + b"9" * 9000 + b"}"), DataFormatError, "line 21", "float64 can hold"
    ),
    "lists without a floor": Case(
        lines(*GOOD, b'{"x": ' + b"[" * 100_000), DataFormatError, "line 21", "lists of one shape"
    ),
    "objects without a floor": Case(
        lines(*GOOD, b'{"x":' * 50_000 + b"1" + b"}" * 50_000),
        DataFormatError,
        "line 21",
        "lists of one shape",
    ),
    "Latin-1": Case(lines(*GOOD, '{"x": "é"}'.encode("latin-1")), DataFormatError, "line 21", "iconv"),
    "Latin-1 far below": Case(
        lines(*GOOD * 4000, '{"x": "é"}'.encode("latin-1")), DataFormatError, "line 80001", "iconv"
    ),
    "UTF-16": Case(lines(*GOOD).decode().encode("utf-16"), DataFormatError, "UTF-16", "iconv"),
    "a NUL": Case(lines(*GOOD, b'{"x": "\0"}'), DataFormatError, "line 21: a NUL", "Save the file again"),
    "half a surrogate": Case(lines(*GOOD, b'{"x": "\\ud800"}'), DataFormatError, "line 21", WHOLE),
    "a line without an end": Case(
        lines(*GOOD, b'{"x": "' + b"a" * (65 << 20)), DataFormatError, "line 21 is longer", "one row a line"
    ),
    "lists of unequal length": Case(
        lines({"x": [1, 2]}, {"x": [1, 2, 3]}), DataMismatchError, "field 'x', row 1", "Pad or cut"
    ),
    "lists ragged inside": Case(
        lines({"x": [[1], [2]]}, {"x": [[1], [2, 3]]}), DataMismatchError, "field 'x', row 1", "Pad or cut"
    ),
    "a list among numbers": Case(
        lines(*GOOD, {"x": [1]}), DataMismatchError, "field 'x', row 20", "Pad or cut"
    ),
    "objects as values": Case(lines({"x": {"a": 1}}), DataMismatchError, "field 'x'", "fields of their own"),
    "lists nested too deep": Case(
        lines({"x": json.loads("[" * 40 + "1" + "]" * 40)}),
        DataMismatchError,
        "field 'x'",
        "fields of their own",
    ),
    "a field that is missing": Case(lines(*GOOD, {"label": 1}), "missing", "row 20, x: the line has no", BAD),
    "null": Case(lines(*GOOD, {"x": None, "label": 1}), "missing", "row 20, x: the value is null", BAD),
    "a text among numbers": Case(lines(*GOOD, {"x": "1", "label": 1}), "not-a-number", "row 20, x: '1'", BAD),
    "null in a list": Case(lines({"x": [1, 2]}, {"x": [1, None]}), "missing", "row 1, x: in the list", BAD),
    "a text in a list": Case(
        lines({"x": [1, 2]}, {"x": [1, "a"]}), "not-a-number", "row 1, x: in the list", BAD
    ),
    "a field twice": Case(
        lines(*GOOD, b'{"x": 1, "x": 2, "label": 0}'), "duplicate-key", "row 20, x: the line gives", BAD
    ),
    "a fraction as a label": Case(
        lines(*GOOD, {"x": 1, "label": 0.5}), "not-a-number", "row 20, label: 0.5", BAD
    ),
    "a number beyond float32": Case(lines(*GOOD, {"x": 1e39, "label": 0}), "out-of-range", "row 20, x", BAD),
    "a whole number beyond 64 bits": Case(
        lines(*GOOD, {"x": 1, "label": 2**64}), "out-of-range", "row 20, label", BAD
    ),
    "a number among texts": Case(
        lines({"text": "a"}, {"text": "b"}, {"text": 1}),
        "not-a-text",
        "row 2, text: 1 is no text",
        BAD,
        {"text": "O"},
    ),
}


@pytest.mark.parametrize("kind", JSONL)
def test_hostile_lines_of_json(tmp_path, kind):
    path = tmp_path / "data.jsonl"
    path.write_bytes(JSONL[kind].content)
    check(path, JSONL[kind])


def stored(columns, **options):
    stream = io.BytesIO()
    parquet.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), stream, **options)
    return stream.getvalue()


def number_as_thrift(value):
    """Zigzag, seven bits a byte: as the footer has whole numbers."""
    value <<= 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def with_footer(data, change):
    size = struct.unpack("<I", data[-8:-4])[0]
    footer = change(data[-8 - size : -8])
    return data[: -8 - size] + footer + struct.pack("<I", len(footer)) + b"PAR1"


ODD_COUNT = 123_457
COUNTED = stored({"x": np.zeros(ODD_COUNT)}, write_statistics=False)
HONEST = stored({"x": np.arange(50.0), "label": np.arange(50) % 3}, compression="none", use_dictionary=False)


def claiming(rows):
    return with_footer(
        COUNTED, lambda footer: footer.replace(number_as_thrift(ODD_COUNT), number_as_thrift(rows))
    )


AGAIN = "Copy or save the file again"
PARQUET = {
    "only the mark": Case(b"PAR1", DataFormatError, "damaged", AGAIN),
    "cut off": Case(HONEST[: len(HONEST) // 2], DataFormatError, "damaged", AGAIN),
    "cut off by one byte": Case(HONEST[:-1], DataFormatError, "damaged", AGAIN),
    "encrypted": Case(HONEST[:-4] + b"PARE", DataFormatError, "damaged", AGAIN),
    "a footer of no length": Case(HONEST[:-8] + bytes(4) + b"PAR1", DataFormatError, "damaged", AGAIN),
    "a footer of 4 GB": Case(HONEST[:-8] + b"\xff" * 4 + b"PAR1", DataFormatError, "damaged", AGAIN),
    "a footer of zeros": Case(
        with_footer(HONEST, lambda f: bytes(len(f))), DataFormatError, "damaged", AGAIN
    ),
    "a footer of ones": Case(
        with_footer(HONEST, lambda f: b"\xff" * len(f)), DataFormatError, "damaged", AGAIN
    ),
    "a footer cut in two": Case(with_footer(HONEST, lambda f: f[: len(f) // 2]), DataFormatError, "", AGAIN),
    "pages of zeros": Case(b"PAR1" + bytes(500) + HONEST[504:], DataFormatError, "damaged", AGAIN),
    "pages of ones": Case(b"PAR1" + b"\xff" * 500 + HONEST[504:], DataFormatError, "damaged", AGAIN),
    "text behind the mark": Case(b"PAR1,b\n1,2\n", DataFormatError, "damaged", AGAIN),
    "claims a trillion rows": Case(claiming(10**12), DataFormatError, "row group 0", "row_group_size"),
    "claims more rows than a number holds": Case(
        claiming(2**62), DataFormatError, "row group 0", "row_group_size"
    ),
    "claims some rows more": Case(claiming(ODD_COUNT + 1), DataFormatError, "", AGAIN),
    "no rows": Case(stored({"x": np.zeros(0)}), DataEmptyError, "0 rows", "at least one row"),
    "no columns": Case(stored(pa.table({})), DataEmptyError, "0 columns", "at least one row"),
    "a name twice": Case(
        stored(pa.table([[1], [2]], names=["x", "x"])), DataFormatError, "columns 1, 2", "name of its own"
    ),
    "texts for numbers": Case(stored({"x": ["1", "b"]}), DataMismatchError, "column 'x'", "to_numeric"),
    "bytes": Case(stored({"x": [b"\x00\x01"]}), DataMismatchError, "column 'x'", "Convert"),
    "images of a hub": Case(
        stored({"x": [{"bytes": b"png", "path": "a.png"}]}),
        DataMismatchError,
        "column 'x'",
        "folder by class",
    ),
    "nothing but nulls": Case(stored({"x": pa.nulls(3)}), DataMismatchError, "column 'x'", "Convert"),
    "lists of unequal length": Case(
        stored({"x": [[1.0], [1.0, 2.0]]}), DataMismatchError, "column 'x', row 1", "Pad or cut"
    ),
    "unequal far below": Case(
        stored({"x": [[1.0, 2.0]] * 100 + [[1.0]]}), DataMismatchError, "column 'x', row 100", "Pad or cut"
    ),
    "null for an inner list": Case(
        stored({"x": [[[1.0]], [None]]}), DataMismatchError, "column 'x', row 1", "Pad or cut"
    ),
    "null": Case(stored({"x": [1.0, None]}), "missing", "row 1, x: the cell is empty", BAD),
    "null in a list": Case(stored({"x": [[1.0], [None]]}), "missing", "row 1, x: the cell is empty", BAD),
    "null for a list": Case(stored({"x": [[1.0], None]}), "missing", "row 1, x: the cell is empty", BAD),
    "null as a label": Case(
        stored({"x": [1.0, 2.0], "label": [1, None]}), "missing", "row 1, label: the cell is empty", BAD
    ),
}


@pytest.mark.parametrize("kind", PARQUET)
def test_hostile_parquet(tmp_path, kind):
    path = tmp_path / "data.parquet"
    path.write_bytes(PARQUET[kind].content)
    check(path, PARQUET[kind])


def image_bytes(suffix="PNG", size=(4, 4), **options):
    stream = io.BytesIO()
    values = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(values).save(stream, suffix, **options)
    return stream.getvalue()


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, *chunks):
    head = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + png_chunk(b"IEND", b"")


PNG = image_bytes()
IMAGES = {
    "empty": (b"", "unreadable", "is no image"),
    "text": (b"<html>404</html>", "unreadable", "is no image"),
    "cut in the header": (PNG[:20], "unreadable", ""),
    "cut in the pixels": (PNG[: len(PNG) // 2], "unreadable", "is damaged"),
    "a JPEG that is cut off": (image_bytes("JPEG", (4, 4))[:-30], "unreadable", "is damaged"),
    "no pixels": (png(4, 4), "unreadable", "is damaged"),
    "pixels of noise": (png(4, 4, png_chunk(b"IDAT", b"noise")), "unreadable", "is damaged"),
    "a checksum that is wrong": (PNG[:40] + bytes([PNG[40] ^ 1]) + PNG[41:], "unreadable", "is no image"),
    "a bomb by its header": (png(60_000, 60_000), "unreadable", "unpacks to more than"),
    "a size of 2^31": (png(2**31 - 1, 2**31 - 1), "unreadable", ""),
    "no size": (png(0, 0), "unreadable", ""),
    "PostScript, which a program would run": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n", "unreadable",
        "is no image"),
    "a pickle": (b"\x80\x04\x95\x00.", "unreadable", "is no image"),
    "another size": (image_bytes(size=(4, 3)), "image-size", "is 4 × 3, not 4 × 4"),
}  # fmt: skip


@pytest.mark.parametrize("kind", IMAGES)
def test_hostile_images(tmp_path, kind):
    content, problem_kind, words = IMAGES[kind]
    for number in range(3):
        path = tmp_path / "data" / "cat" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PNG)
    (tmp_path / "data" / "cat" / "x.png").write_bytes(content)
    reader = open_reader(tmp_path / "data", (IMAGE,), Reading())
    (block,) = reader.blocks(("image", "labels"), {}, rows=10)
    assert [(problem.row, problem.kind) for problem in block.problems] == [(3, problem_kind)]
    assert block.problems[0].words.startswith("cat/x.png ")
    case = Case(b"", problem_kind, f"row 3, image: cat/x.png {words}", BAD, {"image": "u1"})
    check(tmp_path / "data", case)


FUZZ = textwrap.dedent(
    """
    import random, resource, sys
    from pathlib import Path
    from shipway.errors import ShipwayError
    from shipway.evaluation.data.base import Reading
    from shipway.evaluation.data.readers import open_reader
    from shipway.types import DType, TensorSpec

    folder, seed, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
    chance = random.Random(seed)
    originals = sorted(path.read_bytes() for path in folder.glob("*.parquet"))
    damaged = folder / "damaged"
    outcomes = {}
    for _ in range(count):
        data = bytearray(chance.choice(originals))
        footer = int.from_bytes(data[-8:-4], "little")
        for _ in range(chance.randrange(1, 6)):
            in_footer = chance.random() < 0.5
            place = len(data) - 9 - chance.randrange(footer) if in_footer else chance.randrange(len(data))
            data[place] = chance.randrange(256)
        damaged.write_bytes(data)
        try:
            reader = open_reader(damaged, (), Reading())
            names = tuple(name for name, column in reader.columns.items() if column.dtype.kind != "V")
            for block in reader.blocks(names, {}, rows=64):
                pass
            outcome = "read"
        except ShipwayError as error:
            outcome = error.code
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    print(outcomes)
    status = Path("/proc/self/status").read_text()  # ru_maxrss would count the parent from before exec
    print(int(status.split("VmHWM:")[1].split()[0]) // 1024)
    """
)


def fuzz(tmp_path, seed, count):
    values = {
        "f": pa.array([1.5, None, 2.0] * 40, pa.float32()),
        "t": ["a", None, "bé"] * 40,
        "l": [[1, 2], None, [3, 4]] * 40,
        "n": [[[1.0], [2.0]]] * 120,
        "d": pa.array(["u", "v", "u"] * 40).dictionary_encode(),
        "s": [{"a": 1}] * 120,
        "b": [True, False, None] * 40,
    }
    for number, options in enumerate(
        [
            {},
            {"compression": "zstd"},
            {"use_dictionary": False},
            {"data_page_version": "2.0", "compression": "gzip"},
        ]
    ):
        (tmp_path / f"{number}.parquet").write_bytes(stored(values, row_group_size=50, **options))
    command = [sys.executable, "-c", FUZZ, tmp_path, str(seed), str(count)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    outcomes, peak_mib = done.stdout.splitlines()
    return outcomes, int(peak_mib)


def test_damaged_parquet_ends_in_an_error_of_ours_and_in_little_memory(tmp_path):
    """Arrow ends the process on some of these where a row group's columns are asked for their metadata."""
    outcomes, peak_mib = fuzz(tmp_path, 1, 600)
    assert "data.format" in outcomes
    assert peak_mib < 400


@pytest.mark.heavy
@pytest.mark.parametrize("seed", range(2, 6))
def test_damaged_parquet_at_length(tmp_path, seed):
    _, peak_mib = fuzz(tmp_path, seed, 5_000)
    assert peak_mib < 500


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_damaged_text_ends_in_rows_or_in_an_error_of_ours(tmp_path, suffix):
    chance = random.Random(0)
    original = (
        table(*ROWS, '"a ""b"" \n c",2', "é,3")
        if suffix == "csv"
        else lines(*GOOD, {"x": 1, "label": 2, "other": [1, {"a": "é\\\n"}]})
    )
    path = tmp_path / f"data.{suffix}"
    outcomes = set()
    for _ in range(300):
        data = bytearray(original)
        for _ in range(chance.randrange(1, 4)):
            data[chance.randrange(len(data))] = chance.choice(b'",;\n\r\0\t{}[]:0e-x\xe9\xff\xc3')
        path.write_bytes(data)
        try:
            read_all(path, {"x": "f4", "label": "i8"})
            outcomes.add("read")
        except ShipwayError as error:
            outcomes.add(error.code if error.hint else "without a hint")
    assert {"data.format", "data.value"} <= outcomes
    assert "without a hint" not in outcomes


@pytest.mark.parametrize("suffix", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
def test_damaged_images_are_problems_or_pixels(tmp_path, suffix):
    chance = random.Random(0)
    folder = tmp_path / "data" / "cat"
    folder.mkdir(parents=True)
    original = image_bytes(suffix)
    for number in range(100):
        data = bytearray(original)
        for _ in range(chance.randrange(1, 6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        (folder / f"{number:03}.{suffix.lower()}").write_bytes(data)
    reader = open_reader(tmp_path / "data", (IMAGE,), Reading(resize="nearest"))
    rows = 0
    for block in reader.blocks(("image", "labels"), {}, rows=16):
        rows += len(block.arrays["image"])
        assert {problem.kind for problem in block.problems} <= {"unreadable", "image-mode"}
    assert rows == 100


def test_a_quote_in_a_large_file_is_found_in_little_time(tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes(table(*ROWS * 10_000, '"1,2', *ROWS * 10_000))
    began = time.monotonic()
    with pytest.raises(DataFormatError, match="line 200002"):
        read_all(path, {"x": "f4"})
    assert time.monotonic() - began < 20
