"""`module.py:function` as data: every form of a batch, errors by the user's lines, limits, nothing left."""

import textwrap
from pathlib import Path

import numpy as np
import pytest

from shipway.errors import (
    DataEmptyError,
    DataFormatError,
    DataMismatchError,
    DataNotFoundError,
    MissingDependencyError,
    WorkerDiskError,
    WorkerTimeoutError,
)
from shipway.evaluation.data.base import Reading
from shipway.evaluation.data.python_function import PythonFunctionReader, open_python_function
from shipway.sources.base import Limits


@pytest.fixture
def opened(tmp_path):
    """Opens the function `make` of the code; readers are closed after the test."""
    readers = []

    def opened(
        code: str, *, name: str = "make", reading: Reading | None = None, **limits
    ) -> PythonFunctionReader:
        file = tmp_path / "some_data.py"
        file.write_text("import numpy as np\n" + textwrap.dedent(code))
        scratch = tmp_path / "scratch"
        scratch.mkdir(exist_ok=True)
        reader = open_python_function(
            f"{file}:{name}", reading or Reading(), Limits(scratch=scratch, **limits)
        )
        readers.append(reader)
        return reader

    yield opened
    for reader in readers:
        reader.close()
    assert not list((tmp_path / "scratch").glob("*")), "temporary files are left"


def read(reader: PythonFunctionReader, rows: int = 3) -> dict[str, np.ndarray]:
    blocks = list(reader.blocks(tuple(reader.columns), {}, rows=rows))
    assert [block.first_row for block in blocks] == list(range(0, blocks[-1].first_row + 1, rows))
    return {name: np.concatenate([block.arrays[name] for block in blocks]) for name in reader.columns}


def test_dicts_pairs_arrays_and_frames_are_batches(opened):
    expected = np.arange(24, dtype=np.float32).reshape(6, 4)
    for code in (
        "def make():\n    for i in range(3): yield {'x': X[2*i:2*i+2], 'labels': Y[2*i:2*i+2]}",
        "def make():\n    for i in range(3): yield X[2*i:2*i+2], Y[2*i:2*i+2]",
        "def make():\n    for i in range(3): yield [{'x': X[2*i:2*i+2]}, list(map(int, Y[2*i:2*i+2]))]",
        "def make():\n    return {'x': X, 'labels': Y}",
        "def make():\n    return X, Y",
        "make = [(X[:2], Y[:2]), (X[2:2], Y[2:2]), (X[2:], Y[2:])]",
    ):
        reader = opened(f"X = np.arange(24, dtype='>f4').reshape(6, 4)\nY = np.arange(6)\n{code}")
        assert reader.format == "python"
        assert {name: str(column) for name, column in reader.columns.items()} == {
            "x": "x float32[rows, 4]",
            "labels": "labels int64[rows]",
        }
        found = read(reader)
        np.testing.assert_array_equal(found["x"], expected)
        np.testing.assert_array_equal(found["labels"], np.arange(6))
        np.testing.assert_array_equal(read(reader, rows=5)["x"], expected)  # again, from the first row


def test_what_has_a_length_and_items_ends_at_its_length(opened):
    code = """
    class make:  # as keras.utils.PyDataset
        def __len__(self): return 3
        def __getitem__(self, number): return np.full((2, 4), number), [number, number]
    """
    assert read(opened(code))["labels"].tolist() == [0, 0, 1, 1, 2, 2]


def test_one_array_is_data_without_labels(opened):
    assert list(opened("def make(): yield np.zeros((3, 2), bool)").columns) == ["x"]


def test_texts_of_any_length_keep_their_place_and_missing_ones_are_problems(opened):
    reader = opened(
        """
        def make():
            yield {"text": ["ä", "", "long " * 900], "pair": np.array([["a", "b"]] * 3)}
            yield {"text": np.array([b"bytes", None, float("nan")], object), "pair": np.array([["c", ""]] * 3)}
        """
    )
    assert str(reader.columns["text"]) == "text text[rows]"
    assert read(reader, rows=2)["text"].tolist() == ["ä", "", "long " * 900, "bytes", "", ""]
    assert read(reader, rows=4)["pair"].tolist() == [["a", "b"]] * 3 + [["c", ""]] * 3
    blocks = list(reader.blocks(("text",), {}, rows=4))
    problems = [problem for block in blocks for problem in block.problems]
    assert [(problem.row, problem.column, problem.kind) for problem in problems] == [
        (4, "text", "missing"),
        (5, "text", "missing"),
    ]


def test_the_digest_is_of_the_rows_and_not_of_their_order(opened):
    one = opened("def make(): return np.arange(6), np.arange(6) % 2")
    shuffled = opened("def make():\n    yield np.arange(6)[::-1], np.arange(6)[::-1] % 2")
    other = opened("def make(): return np.arange(6), np.zeros(6, int)")
    assert one.sha256() == shuffled.sha256() != other.sha256()
    assert len(one.sha256()) == 64


def test_what_it_draws_is_the_same_each_time(opened):
    code = (
        "import random\ndef make(): yield np.random.normal(size=(4, 2)), [random.random() for _ in range(4)]"
    )
    assert opened(code).sha256() == opened(code).sha256()


@pytest.mark.parametrize(
    ("code", "error", "words", "hint"),
    [
        ("def other(): pass", DataFormatError, "some_data.py has no 'make'", "some_data.py has: other."),
        ("def make(path): pass", DataFormatError, "make needs the arguments path", "some_data.py:batches"),
        ("def make(): return None", DataFormatError, "returned None, which cannot be iterated", "a pair"),
        ("def make(): return []", DataEmptyError, "some_data.py:make gave no row", "at least one batch"),
        ("def make(): yield np.zeros((0, 3))", DataEmptyError, "gave no row", "at least one batch"),
        ("def make(): yield 'abc'", DataFormatError, "batch 0, 'x' is a str, and no array", "dict of arrays"),
        (
            "def make(): yield 1, 2, 3",
            DataFormatError,
            r"batch 0 is a tuple of 3 \(int, int, int\)",
            "a pair",
        ),
        ("def make(): yield np.zeros(3), 1", DataFormatError, "'labels' is a single value", "batch_size=64"),
        (
            "def make(): yield {'x': {'y': 1}}",
            DataFormatError,
            "'x' is a dict, and no array",
            "dict of arrays",
        ),
        (
            "def make(): yield [[[1, 2], [3]], [0, 1]]",
            DataMismatchError,
            "'x' is a list that makes no",
            "pad",
        ),
        (
            "def make(): yield {'x': np.array([{}, 1], object)}",
            DataFormatError,
            r"Python objects \(element 0 is a dict\), which are never stored",
            "padding",
        ),
        ("def make(): yield {'x': [b'\\xff']}", DataFormatError, "element 0 is not UTF-8", "Decode"),
        ("def make(): yield {'x': ['\\ud800']}", DataFormatError, "element 0 is no text", "replace"),
        ("def make(): yield np.zeros(2, 'M8[s]')", DataFormatError, "dtype datetime64", "Cast"),
        (
            "def make(): yield {'x': [1.0], 'y': [1, 2]}",
            DataMismatchError,
            "unequal .*: x 1, y 2",
            "Every row",
        ),
        (
            "def make(): yield {'labels': [1.0]}, [1]",
            DataFormatError,
            "batch 0 has labels twice",
            "Yield the dict alone",
        ),
        (
            "def make():\n    yield np.zeros((2, 4))\n    yield np.zeros((2, 5))",
            DataMismatchError,
            r"batch 1, 'x' has rows of the shape \[5\]; earlier batches have \[4\]",
            "pad, crop or resize",
        ),
        (
            "def make():\n    yield np.zeros(2, int)\n    yield np.zeros(2)",
            DataMismatchError,
            "batch 1, 'x' is of dtype float64; earlier batches are of int64",
            "astype",
        ),
        (
            "def make():\n    yield ['a']\n    yield [1.0]",
            DataFormatError,
            "batch 0 is a list of 1",
            "dict of arrays",
        ),
        (
            "def make():\n    yield {'t': ['a']}\n    yield {'t': [1.0]}",
            DataMismatchError,
            "of dtype float64; earlier batches are of text",
            "one dtype",
        ),
        (
            "def make():\n    yield {'x': [1]}\n    yield {'y': [1]}",
            DataMismatchError,
            "batch 1 has the arrays y; earlier batches have x",
            "same arrays",
        ),
        ("1 +", DataFormatError, "some_data.py, line 2: SyntaxError", "python some_data.py"),
        ("import sys\nsys.exit(3)", DataFormatError, "line 3: SystemExit: 3", "python some_data.py"),
        (
            "import no_such_package",
            DataFormatError,
            "line 2: ModuleNotFoundError",
            "pip install no_such_package",
        ),
        (
            "def make():\n    yield np.zeros(1)\n    raise KeyError('label')",
            DataFormatError,
            "some_data.py, line 4: KeyError: 'label'",
            "python some_data.py",
        ),
        (
            "def make(): return open('rows.bin')",
            DataFormatError,
            "line 2: FileNotFoundError",
            "Path",
        ),
        (
            "import urllib.request\ndef make(): return urllib.request.urlopen('http://127.0.0.1:9/')",
            DataFormatError,
            "line 3: URLError",
            "without a network",
        ),
    ],
)
def test_errors_say_what_was_found_where_and_what_to_do(opened, code, error, words, hint):
    with pytest.raises(error, match=words) as caught:
        opened(code)
    assert hint in caught.value.hint


def test_a_generator_without_end_is_stopped_and_the_flag_named(opened):
    with pytest.raises(WorkerDiskError, match=r"some_data.py:make was still giving batches") as full:
        opened("def make():\n    while True: yield np.zeros(1_000_000)", disk_bytes=50_000_000)
    assert "--disk-limit" in full.value.hint
    assert "islice" in full.value.hint
    with pytest.raises(WorkerTimeoutError, match="still giving batches") as late:
        opened(
            "import time\ndef make():\n    while True: time.sleep(1); yield np.ones(3)", timeout_seconds=1.5
        )
    assert "--timeout" in late.value.hint


def test_what_is_no_function_of_a_file(tmp_path):
    with pytest.raises(DataFormatError, match=r"not of the form module\.py:function"):
        open_python_function("data.py", Reading(), Limits())
    with pytest.raises(DataNotFoundError, match="No file"):
        open_python_function(str(tmp_path / "absent.py:make"), Reading(), Limits())


def test_it_runs_in_the_python_that_is_named(opened, tmp_path):
    with pytest.raises(MissingDependencyError, match="does not exist"):
        opened("def make(): return [1.0]", reading=Reading(python=tmp_path / "no-python"))


def test_an_array_larger_than_a_block_is_read_in_pieces(opened):
    reader = opened("def make():\n    for i in range(20): yield {'x': np.full((5_000, 8), i, 'f4')}")
    sums = [float(block.arrays["x"].sum()) for block in reader.blocks(("x",), {}, rows=4_096)]
    assert len(sums) == 25
    assert sum(sums) == 190 * 5_000 * 8


@pytest.mark.framework
def test_loaders_of_torch(opened):
    pytest.importorskip("torch")
    code = """
    import torch
    from torch.utils.data import DataLoader, TensorDataset
    X = torch.arange(40.0).reshape(10, 4)
    DATA = TensorDataset(X, torch.arange(10))
    def make(): return DataLoader(DATA, batch_size=4)
    def samples(): return DATA
    def half(): yield {"x": X.to(torch.bfloat16).requires_grad_(), "labels": torch.arange(10)}
    """
    found = read(opened(code))
    np.testing.assert_array_equal(found["x"], np.arange(40, dtype=np.float32).reshape(10, 4))
    np.testing.assert_array_equal(found["labels"], np.arange(10))
    assert read(opened(code, name="half"))["x"].dtype == np.float32
    with pytest.raises(DataFormatError, match="single value") as caught:
        opened(code, name="samples")
    assert "DataLoader(dataset, batch_size=64)" in caught.value.hint


@pytest.mark.framework
def test_datasets_of_tensorflow(opened):
    pytest.importorskip("tensorflow")
    code = """
    import tensorflow as tf
    def make():
        whole = ({"image": np.arange(24.0).reshape(6, 4), "text": [b"a", b"b"] * 3}, np.arange(6))
        return tf.data.Dataset.from_tensor_slices(whole).batch(4)
    """
    found = read(opened(code))
    np.testing.assert_array_equal(found["image"], np.arange(24.0).reshape(6, 4))
    assert found["text"].tolist() == ["a", "b"] * 3
    np.testing.assert_array_equal(found["labels"], np.arange(6))


def test_frames_are_batches(opened):
    pytest.importorskip("pandas")
    reader = opened(
        "import pandas\ndef make(): yield pandas.DataFrame({'a': [1.5, 2.5], 'name': ['x', None]})"
    )
    assert read(reader)["a"].tolist() == [1.5, 2.5]
    assert read(reader)["name"].tolist() == ["x", ""]


def test_the_reader_takes_the_files_path_and_name_for_messages(opened, tmp_path):
    assert opened("def make(): return np.ones(3)").path == Path(f"{tmp_path}/some_data.py:make")
