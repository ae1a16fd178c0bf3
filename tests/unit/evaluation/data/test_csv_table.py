"""Tables of text cells: what comes out is what was written; bad cells are told with their row."""

import csv
import io
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipway.evaluation.data.csv_table import open_csv

FLOAT = np.dtype(np.float32)


def table(tmp_path, text, name="d.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return open_csv(path)


def read(reader, dtypes=None, *, rows=4096, names=None):
    names = tuple(reader.columns) if names is None else names
    wanted = {name: np.dtype(dtype) for name, dtype in (dtypes or {}).items()}
    blocks = list(reader.blocks(names, wanted, rows=rows))
    assert [block.first_row for block in blocks] == list(
        np.cumsum([0, *(len(block.arrays[names[0]]) for block in blocks)])[:-1]
    )
    arrays = {name: np.concatenate([block.arrays[name] for block in blocks]) for name in names}
    return arrays, [problem for block in blocks for problem in block.problems]


def test_columns_have_the_dtypes_of_what_they_hold(tmp_path):
    reader = table(tmp_path, "i,f,b,t,e\n1,0.5,True,x,\n2,1e3,False,2 b,\n")
    assert {name: column.dtype for name, column in reader.columns.items()} == {
        "i": np.int64,
        "f": np.float64,
        "b": np.bool_,
        "t": np.dtype(object),
        "e": np.float64,
    }
    assert reader.label_names[0] == "label"
    arrays, problems = read(reader)
    assert problems == []
    assert arrays["i"].tolist() == [1, 2]
    assert arrays["f"].tolist() == [0.5, 1000]
    assert arrays["b"].tolist() == [True, False]
    assert arrays["t"].tolist() == ["x", "2 b"]
    assert np.isnan(arrays["e"]).all()


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_delimiters_line_ends_and_the_byte_order_mark_are_told(tmp_path, delimiter, newline, mark):
    text = newline.join(["a,b", "1,2", "", '"3",4', ""]).replace(",", delimiter)
    arrays, problems = read(table(tmp_path, mark + text.encode()))
    assert arrays["a"].tolist() == [1, 3]
    assert arrays["b"].tolist() == [2, 4]
    assert problems == []


def test_texts_keep_their_delimiters_quotes_newlines_and_spaces(tmp_path):
    texts = ["a,b", 'say "yes"', "two\nlines", " space ", "é≠𝄞", "NA", "1", "0x1F"]
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(["text", "label"])
    writer.writerows((text, number) for number, text in enumerate(texts))
    arrays, problems = read(table(tmp_path, stream.getvalue()), {"text": object, "label": np.int64})
    assert arrays["text"].tolist() == texts
    assert arrays["text"].dtype == object
    assert problems == []


def test_bad_cells_are_problems_with_row_column_and_reason(tmp_path):
    reader = table(
        tmp_path,
        'f,i,b,t\n1,1,true,x\nabc,1.5,maybe,\n,,,y\n"1,5",0x1F,2,z\n"1,234.5",300,0,z\n12%,3.0,1,z\nNA,+7,TRUE,z\n'
        "1e400,-1,false,z\n inf ,007,0,z\n",
    )
    arrays, problems = read(reader, {"f": np.float32, "i": np.uint8, "b": np.bool_, "t": object})
    found = {(problem.row, problem.column): (problem.kind, problem.words) for problem in problems}
    assert {place: kind for place, (kind, _) in found.items()} == {
        (1, "f"): "not-a-number",
        (1, "i"): "not-a-number",
        (1, "b"): "not-a-number",
        (1, "t"): "missing",
        (2, "f"): "missing",
        (2, "i"): "missing",
        (2, "b"): "missing",
        (3, "f"): "not-a-number",
        (3, "i"): "not-a-number",
        (3, "b"): "not-a-number",
        (4, "f"): "not-a-number",
        (4, "i"): "out-of-range",
        (5, "f"): "not-a-number",
        (6, "f"): "missing",
        (7, "f"): "out-of-range",
        (7, "i"): "out-of-range",
    }
    assert found[1, "f"][1] == "'abc' is no number"
    assert found[1, "i"][1] == "'1.5' is no whole number"
    assert found[1, "b"][1] == "'maybe' is neither true nor false"
    assert "decimal comma" in found[3, "f"][1]
    assert "hexadecimal" in found[3, "i"][1]
    assert "thousands" in found[4, "f"][1]
    assert "0 to 255" in found[4, "i"][1]
    assert "percentage" in found[5, "f"][1]
    assert arrays["f"].dtype == np.float32
    assert np.isnan(arrays["f"][1:8]).all()
    assert arrays["f"][[0, 8]].tolist() == [1, np.inf]
    assert arrays["i"].tolist() == [1, 0, 0, 0, 0, 3, 7, 0, 7]
    assert [problem.row for problem in problems] == sorted(problem.row for problem in problems)


def test_indicator_columns_that_pandas_writes_as_true_and_false_are_numbers(tmp_path):
    arrays, problems = read(table(tmp_path, "a\nTrue\nFalse\n"), {"a": np.float32})
    assert arrays["a"].tolist() == [1.0, 0.0]
    assert problems == []


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint16, np.uint64])
def test_whole_numbers_are_exact_up_to_the_limits_of_their_dtype(tmp_path, dtype):
    limits = np.iinfo(dtype)
    cells = [limits.min, limits.max, limits.min - 1, limits.max + 1]
    arrays, problems = read(table(tmp_path, "a\n" + "\n".join(map(str, cells)) + "\n"), {"a": dtype})
    assert arrays["a"].tolist() == [limits.min, limits.max, 0, 0]
    assert arrays["a"].dtype == dtype
    assert [(problem.row, problem.kind) for problem in problems] == [(2, "out-of-range"), (3, "out-of-range")]


def test_a_column_that_nobody_demands_loses_bad_cells_with_a_note(tmp_path):
    reader = table(tmp_path, "a,n\n1,1\n2,2\n3,x\n4,\n")
    for _ in range(2):  # a second pass counts nothing twice
        arrays, problems = read(reader, {"a": FLOAT}, rows=2)
        assert problems == []
        assert np.array_equal(arrays["n"], [1, 2, np.nan, np.nan], equal_nan=True)
    assert reader.notes == ("n: 1 cell left empty (row 2: 'x' is no whole number)",)


def test_the_index_that_pandas_writes_is_left_out_with_a_note(tmp_path):
    reader = table(tmp_path, ",a\n0,5\n1,6\n")
    assert list(reader.columns) == ["a"]
    assert read(reader)[0]["a"].tolist() == [5, 6]
    assert "index" in reader.notes[0]


def test_names_that_count_from_zero_are_a_header(tmp_path):
    """`pandas.DataFrame(array).to_csv` names columns so."""
    reader = table(tmp_path, "0,1,2,label\n5,6,7,a\n")
    assert list(reader.columns) == ["0", "1", "2", "label"]


def test_only_the_asked_columns_are_read_and_in_the_asked_order(tmp_path):
    reader = table(tmp_path, "a,b,c\n1,2,3\n")
    (block,) = reader.blocks(("c", "a"), {}, rows=10)
    assert list(block.arrays) == ["c", "a"]
    assert [array.tolist() for array in block.arrays.values()] == [[3], [1]]


def test_the_digest_is_that_of_the_bytes(tmp_path):
    first, second = table(tmp_path, "a\n1\n", "1.csv"), table(tmp_path, "a\n2\n", "2.csv")
    assert first.sha256() != second.sha256()
    assert first.sha256() == table(tmp_path, "a\n1\n", "3.csv").sha256()


CELL = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
NUMBER = st.floats(width=32, allow_nan=False, allow_infinity=False)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(NUMBER, CELL), min_size=1, max_size=40), size=st.integers(1, 50))
def test_blocks_of_any_size_give_the_rows_that_were_written(tmp_path, rows, size):
    stream = io.StringIO()
    writer = csv.writer(stream, quoting=csv.QUOTE_ALL)
    writer.writerow(["number", "text"])
    writer.writerows(rows)
    arrays, problems = read(
        table(tmp_path, stream.getvalue()), {"number": np.float32, "text": object}, rows=size
    )
    assert arrays["number"].tolist() == [number for number, _ in rows]
    assert arrays["text"].tolist() == [text for _, text in rows]
    assert {problem.row for problem in problems} == {row for row, (_, text) in enumerate(rows) if not text}


PEAK = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    import numpy as np
    from shipway.evaluation.data.csv_table import open_csv
    def peak():  # ru_maxrss would count the parent from before exec
        return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
    before = peak()
    reader = open_csv(Path(sys.argv[1]))
    names = tuple(reader.columns)
    rows = 0
    for block in reader.blocks(names, dict.fromkeys(names, np.dtype("float32")), rows=4096):
        rows += len(block.arrays["c0"])
    print(rows, peak() - before)
    """
)


def test_memory_stays_flat_whatever_the_size_of_the_file(tmp_path):
    line = ",".join(f"{number / 7:.6f}" for number in range(20)) + "\n"
    added = {}
    for megabytes in (20, 80):
        path = tmp_path / f"{megabytes}.csv"
        repeats = megabytes * 10**6 // len(line)
        path.write_text(",".join(f"c{number}" for number in range(20)) + "\n" + line * repeats)
        done = subprocess.run([sys.executable, "-c", PEAK, path], capture_output=True, check=True, text=True)
        rows, peak_mib = done.stdout.split()
        assert int(rows) == repeats
        added[megabytes] = float(peak_mib)
    assert added[80] < added[20] + 24
    assert added[80] < 150
