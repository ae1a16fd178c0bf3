"""The whole inspection: silence on clean data, everything planted is found, and the order of what is told."""

import json

import numpy as np
import pytest
from sklearn import datasets

from shipway.evaluation.data.base import Problem
from shipway.evaluation.inspection.inspector import Inspector
from shipway.types import DType, TensorSpec

rng = np.random.default_rng(5)


def kinds(findings) -> set[str]:
    return {finding.kind for finding in findings}


@pytest.mark.parametrize("name", ["iris", "digits", "breast_cancer", "wine"])
def test_clean_classification_data_has_nothing_but_notes(inspect, name):
    data = getattr(datasets, f"load_{name}")()
    for dtype in (np.float32, np.float64):
        found = inspect(data.data.astype(dtype), data.target)
        assert {finding.severity for finding in found} <= {"note"}
        expected = {"iris": {"duplicates"}, "digits": {"constant"}}
        assert kinds(found) == expected.get(name, set())


def test_iris_has_one_pair_of_equal_rows(inspect):
    (found,) = inspect(datasets.load_iris().data, datasets.load_iris().target)
    assert (found.count, found.of, found.examples) == (1, 150, ("rows 101 and 142",))


def test_clean_regression_images_and_noise_are_silent(inspect):
    diabetes = datasets.load_diabetes()
    assert not inspect(diabetes.data, diabetes.target, settings={"task": "regression"})
    digits = datasets.load_digits()
    assert not inspect(digits.images.astype(np.float32), digits.target)
    pixels = rng.integers(0, 256, (2_000, 28, 28), dtype=np.uint8)
    assert not inspect(pixels, rng.integers(0, 10, 2_000))
    assert not inspect(pixels.astype(np.float32) / 255, rng.integers(0, 10, 2_000))


@pytest.mark.parametrize(
    "table",
    [
        rng.random((30_000, 2)),
        rng.normal(size=(30_000, 6)),
        np.exp(2 * rng.normal(size=(30_000, 12))),
        rng.normal(size=(30_000, 3)) @ rng.normal(size=(3, 20)),
        np.concatenate([rng.integers(0, 2, (30_000, 9)), rng.normal(size=(30_000, 1))], axis=1),
        rng.poisson(0.3, (30_000, 40)).astype(float) + rng.normal(size=(30_000, 40)) * 0.01,
    ],
    ids=["uniform 2", "normal 6", "lognormal 12", "rank 3 of 20", "flags and one figure", "counts"],
)
def test_rows_that_are_near_by_chance_are_no_copies(inspect, table):
    assert not inspect(table.astype(np.float32), rng.integers(0, 3, 30_000), block=4_096)


def test_blocks_do_not_matter(inspect):
    data = datasets.load_wine()
    table = np.concatenate([data.data, data.data[:20], data.data[:5] * (1 + 1e-6)])
    labels = np.concatenate([data.target, data.target[:20], [0] * 5])
    assert inspect(table, labels, block=400) == inspect(table, labels, block=7)


def test_errors_come_first_and_rows_are_numbered_as_in_the_file(inspect):
    table = rng.normal(size=(300, 5))
    table[7, 2], table[100, 0] = np.nan, np.inf
    table[200] = table[3]
    found = inspect(table, rng.permutation([0] * 290 + [1] * 10), first_row=1_000)
    severities = [finding.severity for finding in found]
    assert severities == sorted(severities, key=["error", "warning", "note"].index)
    assert found[0].kind == "not-finite"
    assert found[0].examples == ("row 1007", "row 1100")
    assert "1 NaN and 1 infinite values, in 2 rows" in found[0].words


def test_what_the_reader_could_not_use_is_told_once():
    inspector = Inspector((TensorSpec("x", DType.FP32, ("batch", 2)),))
    array = np.array([[1, np.nan], [2, 3]], np.float32)
    inspector.see({"x": array}, None, np.arange(32, dtype=np.uint8).reshape(2, 16), np.arange(2))
    inspector.note_problems(
        [Problem(0, "x", "not-finite", "NaN or infinity"), Problem(5, "age", "missing", "there is no value")]
    )
    found = inspector.findings(total=6, dtype_notes=("x: float64 became float32",))
    assert [(f.kind, f.where, f.count, f.of) for f in found] == [
        ("missing", "age", 1, 6),
        ("not-finite", "x", 1, 2),
        ("dtype", "x", 6, 6),
    ]
    assert found[0].examples == ("row 5: there is no value",)


def test_nothing_seen_is_nothing_found():
    assert Inspector((TensorSpec("x", DType.FP32, ("batch", 2)),)).findings() == ()


def test_images_that_cross_the_parts_leak(inspect):
    images = rng.integers(0, 256, (600, 16, 16, 3)).astype(np.float32)
    noisy = np.clip(images + rng.normal(0, 1.5, images.shape), 0, 255).astype(np.float32)
    found = {f.kind: f for f in inspect(np.concatenate([images, noisy]), None)}
    assert found["near-duplicates"].count == pytest.approx(600, abs=12)
    assert found["leakage"].where == "other parts"
    # a copy of a gate's row lies elsewhere in two of five cases
    assert found["leakage"].count / found["leakage"].of == pytest.approx(0.4, abs=0.08)
    assert found["leakage"].severity == "warning"


def test_columns_are_called_by_their_names(inspect):
    table = rng.normal(size=(60, 3))
    table[:, 1] = 7
    (found,) = inspect(table, None, settings={"column_names": {"x": ("age", "city", "income")}})
    assert found.examples == ("city is always 7",)


ROWS = 40
ODD_INPUTS = {
    "huge": rng.normal(size=(ROWS, 5)) * 1e307,
    "tiny": rng.random((ROWS, 5)) * 1e-320,
    "nan": np.full((ROWS, 5), np.nan),
    "infinite": np.where(rng.random((ROWS, 5)) < 0.5, np.inf, 1.0),
    "int64": rng.integers(-(2**63), 2**63 - 1, (ROWS, 5)),
    "float16": rng.normal(size=(ROWS, 5)).astype(np.float16),
    "bool": rng.random((ROWS, 5)) < 0.5,
    "scalars": rng.normal(size=ROWS),
    "no width": np.zeros((ROWS, 0), np.float32),
    "volumes": rng.random((ROWS, 2, 9, 9, 3)),
    "channels first": rng.random((ROWS, 1, 40, 50)),
    "missing texts": np.array(["a", None, "b", None] * 10, object),
    "bytes": np.array([b"abc", b"\xff"] * 20),
    "pairs of texts": np.array([["a", "b"]] * ROWS, object),
    "one row": rng.normal(size=(1, 5)),
}
ODD_LABELS = {
    "none": None,
    "nan": np.full(ROWS, np.nan),
    "huge": np.full(ROWS, 1e300),
    "uint64": np.full(ROWS, 2**64 - 1, np.uint64),
    "names": np.array(["a", None, "b", ""] * 10, object),
    "figures as objects": np.array([1, 2, 3, 4] * 10, object),
    "three axes": rng.integers(0, 2, (ROWS, 2, 2)),
    "no width": np.zeros((ROWS, 0)),
    "float16": rng.normal(size=ROWS).astype(np.float16),
}


@pytest.mark.parametrize("task", ["classification", "multilabel", "regression"])
@pytest.mark.parametrize("inputs", ODD_INPUTS)
def test_odd_values_give_findings_and_no_error(inspect, inputs, task):
    for labels in ODD_LABELS.values():
        array = ODD_INPUTS[inputs]
        mine = None if labels is None else labels[: len(array)]
        found = inspect(array, mine, block=25, settings={"task": task}, trained={"x": (0.0, 1.0, 0.5)})
        json.dumps([finding.to_json() for finding in found], allow_nan=False)
        assert all(len(finding.examples) <= 5 and finding.words and finding.remedy for finding in found)
