"""Sets too large to hold: the same rows in every pass, in parts, in memory that does not grow with them."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from shipway.errors import DataEmptyError, DataValueError, LabelError, UsageError
from shipway.evaluation.data import dataset as dataset_module
from shipway.evaluation.data.base import Reading
from shipway.evaluation.data.dataset import load_dataset
from shipway.evaluation.data.split import PARTS
from shipway.types import DType, TensorSpec

SPECS = (TensorSpec("x", DType.FP32, ("batch", 3)),)
ROWS = 10_000
X = np.random.default_rng(7).normal(size=(ROWS, 3)).astype("float32")
Y = np.arange(ROWS) % 4


@pytest.fixture(params=["held", "streamed"])
def load(request, tmp_path, monkeypatch):
    if request.param == "streamed":
        monkeypatch.setattr(dataset_module, "HELD_BYTES", 0)

    def load(x=X, y=Y, reading=None, **more):
        path = tmp_path / "data.npz"
        np.savez(path, x=x, y=y, **more)
        return load_dataset(path, SPECS, reading=reading)

    return load


def test_every_pass_gives_the_same_rows_in_order(load):
    dataset = load()
    for _ in range(2):
        blocks = list(dataset.blocks())
        assert len(blocks) > 1
        assert np.array_equal(np.concatenate([block["x"] for block in blocks]), X)
    assert np.array_equal(dataset.inputs["x"], X)
    assert np.array_equal(dataset.require_labels(), Y)
    assert dataset.row_bytes == 12


@pytest.mark.parametrize(
    "rows",
    [
        slice(5, 9),
        slice(0, 0),
        np.array([9_999, 0, 4_096, 4_095, 0]),
        np.arange(ROWS) % 3 == 1,
    ],
)
def test_some_rows_are_taken_in_the_order_asked_for(load, rows):
    taken = load().take(rows)
    assert np.array_equal(taken.inputs["x"], X[rows])
    assert np.array_equal(taken.require_labels(), Y[rows])
    assert np.array_equal(taken.row_numbers, np.arange(ROWS)[rows])
    assert taken.rows == len(X[rows])


def test_a_selection_of_a_selection(load):
    even = load().select(np.arange(ROWS) % 2 == 0)
    tenth = even.select(np.arange(even.rows) % 5 == 0)
    assert np.array_equal(tenth.inputs["x"], X[::10])
    assert np.array_equal(tenth.row_numbers, np.arange(ROWS)[::10])


def test_the_parts_are_all_rows_once_and_do_not_mind_the_order(load):
    parts = [load(reading=Reading(part=part)) for part in PARTS]
    numbers = np.concatenate([part.row_numbers for part in parts])
    assert sorted(numbers.tolist()) == list(range(ROWS))
    for name, part in zip(PARTS, parts, strict=True):
        assert part.to_json()["part"] == name
        assert part.to_json()["parts"][name]["rows"] == part.rows
    order = np.random.default_rng(0).permutation(ROWS)
    assert load(X[order], Y[order]).parts == parts[0].parts


def test_a_part_that_does_not_exist_or_has_no_row(load):
    with pytest.raises(UsageError, match="'test'") as failure:
        load(reading=Reading(part="test"))
    assert "gate" in failure.value.hint
    with pytest.raises(DataEmptyError, match="No row"):
        for number in range(50):  # one row lies in one part only
            for part in PARTS:
                load(X[number : number + 1], Y[:1], reading=Reading(part=part))


def test_bad_rows_are_refused_all_at_once_or_left_out(load):
    x = X.copy()
    x[17, 1], x[9_000] = np.nan, np.inf
    with pytest.raises(
        DataValueError, match=r"1 NaN and 3 infinite values, in 2 of 10000 rows \(rows 17, 9000\)"
    ) as e:
        load(x)
    assert "--drop-bad" in e.value.hint
    dataset = load(x, reading=Reading(drop_bad=True))
    assert dataset.rows == ROWS - 2
    assert np.array_equal(dataset.inputs["x"], np.delete(X, [17, 9_000], axis=0))
    dropped = dataset.to_json()["dropped"]
    assert dropped["rows"] == 2
    assert [example["row"] for example in dropped["examples"]] == [17, 9_000]
    with pytest.raises(DataEmptyError, match="None of the 10000 rows"):
        load(np.full_like(X, np.nan), reading=Reading(drop_bad=True))


def test_columns_are_kept_where_asked_for(load):
    age = np.arange(ROWS)
    dataset = load(reading=Reading(columns=("age",)), age=age, other=age)
    assert np.array_equal(dataset.columns["age"], age)
    assert dataset.notes == ("not used: other",)
    with pytest.raises(UsageError, match="no column 'height'") as failure:
        load(reading=Reading(columns=("height",)), age=age)
    assert "age" in failure.value.hint


def test_the_labels_column_may_be_named(load):
    assert np.array_equal(load(reading=Reading(label="kind"), kind=Y[::-1]).require_labels(), Y[::-1])
    with pytest.raises(LabelError, match="no column 'sort'"):
        load(reading=Reading(label="sort"))


PEAK = """
import json, sys
from pathlib import Path
from shipway.evaluation.data.dataset import load_dataset
from shipway.types import DType, TensorSpec
import shipway.evaluation.data.dataset as module
module.HELD_BYTES = 0
with load_dataset(Path(sys.argv[1]), (TensorSpec("x", DType.FP32, ("batch", 1000)),)) as dataset:
    total = sum(float(block["x"].sum()) for block in dataset.blocks())
status = Path("/proc/self/status").read_text()  # getrusage counts what the parent held at the fork
print(json.dumps([int(status.split("VmHWM:")[1].split()[0]) / 1024, total]))
"""


def test_memory_stays_flat(tmp_path):
    peaks = []
    for rows in (10_000, 60_000):
        np.savez(tmp_path / "big.npz", x=np.ones((rows, 1000), np.float32), y=np.zeros(rows, np.int8))
        done = subprocess.run(
            [sys.executable, "-c", PEAK, str(tmp_path / "big.npz")],
            capture_output=True,
            text=True,
            check=True,
        )
        peak, total = json.loads(done.stdout)
        assert total == rows * 1000
        peaks.append(peak)
    assert peaks[1] - peaks[0] < 60  # MB; the larger file holds 200 MB more


def test_missing_values_are_values_where_the_model_takes_them(load):
    x = X.copy()
    x[17, 1], x[18, 0] = np.nan, np.inf
    with pytest.raises(DataValueError, match="0 NaN and 1 infinite"):
        load(x, reading=Reading(allow_missing=True))
    x[18, 0] = np.nan
    dataset = load(x, reading=Reading(allow_missing=True))
    assert dataset.allows_missing
    assert np.array_equal(dataset.inputs["x"], x, equal_nan=True)
