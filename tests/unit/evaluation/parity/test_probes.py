"""The cases that verdicts rest on: real rows first, edges and odd sizes, no value the model can't take."""

import numpy as np
import pytest

from shipway.evaluation.data.dataset import in_memory
from shipway.evaluation.parity.probes import is_typical, kind_of, make_cases
from shipway.types import DType, TensorSpec

X = TensorSpec("x", DType.FP32, ("batch", 4))
TOKENS = (
    TensorSpec("ids", DType.INT64, ("batch", "length")),
    TensorSpec("mask", DType.BOOL, ("batch", "length")),
)


def dataset(tmp_path, **inputs):
    return in_memory(inputs, path=tmp_path)


def assert_fit(cases, specs):
    for case, inputs in cases.inputs.items():
        rows = {len(array) for array in inputs.values()}
        assert len(rows) == 1, case
        for spec in specs:
            assert spec.explain_mismatch(inputs[spec.name].dtype, inputs[spec.name].shape) is None, case
            if spec.dtype.is_float:
                assert np.isfinite(inputs[spec.name]).all()


@pytest.mark.parametrize("rows", [1, 5, 100, 256, 1000])
def test_real_rows_come_first_and_are_made_up_to_256(tmp_path, rows):
    data = np.random.default_rng(0).normal([0, 5, -3, 100], [1, 0, 2, 50], size=(rows, 4)).astype(np.float32)
    cases = make_cases((X,), dataset(tmp_path, x=data))
    assert_fit(cases, (X,))
    assert cases.main == "real"
    assert cases.has_data
    real = cases.inputs["real"]["x"]
    assert len(real) == min(rows, 256)
    assert {row.tobytes() for row in real} <= {row.tobytes() for row in data}
    assert len({row.tobytes() for row in real}) == len(real)
    assert f"{len(real)} rows of the data" in cases.described
    if rows >= 256:
        assert "generated" not in cases.inputs
        return
    made = cases.inputs["generated"]["x"]
    assert len(real) + len(made) == 256
    assert f"{256 - rows} generated" in cases.described
    assert (made >= data.min(axis=0)).all()
    assert (made <= data.max(axis=0)).all()
    if rows == 100:  # column by column: a spread over all would be dominated by the last
        assert made.std(axis=0) == pytest.approx(data.std(axis=0), rel=0.25)


def test_batches_of_1_2_3_and_7_are_always_there(tmp_path):
    for data in (None, dataset(tmp_path, x=np.ones((1, 4), np.float32))):
        cases = make_cases((X,), data)
        assert {case: len(inputs["x"]) for case, inputs in cases.inputs.items() if kind_of(case) == "batch"} == {
            "batch-1": 1, "batch-2": 2, "batch-3": 3, "batch-7": 7
        }  # fmt: skip


def test_edges_are_those_of_the_data(tmp_path):
    data = np.random.default_rng(0).uniform(2, 3, size=(50, 4)).astype(np.float32)
    edge = make_cases((X,), dataset(tmp_path, x=data)).inputs["edge"]["x"]
    assert (edge[0] == 0).all()
    assert np.array_equal(edge[1], data.min(axis=0))
    assert np.array_equal(edge[2], data.max(axis=0))
    assert len(np.unique(edge, axis=0)) == len(edge)


def test_equal_seeds_give_equal_cases_and_others_do_not(tmp_path):
    data = dataset(tmp_path, x=np.random.default_rng(0).normal(size=(400, 4)).astype(np.float32))
    first, again, other = (make_cases((X,), data, seed=seed).inputs["real"]["x"] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_without_data_it_says_so_and_keeps_to_the_ranges():
    specs = (TensorSpec("ids", DType.INT32, ("batch", 20)), X)
    cases = make_cases(specs, None, value_ranges={"ids": (1, 4999)})
    assert_fit(cases, specs)
    assert (cases.main, cases.has_data) == ("generated", False)
    assert "no data was given" in cases.described
    ids = np.concatenate([inputs["ids"].ravel() for inputs in cases.inputs.values()])
    assert (ids.min(), ids.max()) == (1, 4999)
    x = cases.inputs["generated"]["x"]
    assert abs(x.mean()) < 0.15
    assert 0.85 < x.std() < 1.15


@pytest.mark.parametrize("dtype", [dtype for dtype in DType if dtype is not DType.BYTES])
def test_every_dtype_can_be_generated(dtype):
    specs = (TensorSpec("x", dtype, ("batch", 3)),)
    cases = make_cases(specs, None)
    assert_fit(cases, specs)
    assert len(np.unique(cases.inputs["generated"]["x"])) > 1


def test_whole_numbers_stay_within_each_columns_own_range(tmp_path):
    data = np.stack([np.arange(40) % 3 + 1, np.arange(40) * 25], axis=1)
    cases = make_cases((TensorSpec("x", DType.INT64, ("n", 2)),), dataset(tmp_path, x=data))
    for case, inputs in cases.inputs.items():
        assert (inputs["x"] >= [1, 0]).all(), case
        assert (inputs["x"] <= [3, 975]).all(), case


@pytest.mark.parametrize("value", [np.iinfo(np.int64).max, np.iinfo(np.int64).min, np.iinfo(np.uint64).max])
def test_the_largest_whole_numbers_do_not_wrap(tmp_path, value):
    dtype = np.uint64 if value > 2**63 else np.int64
    spec = TensorSpec("x", DType.of(np.dtype(dtype)), ("n", 2))
    cases = make_cases((spec,), dataset(tmp_path, x=np.full((3, 2), value, dtype)))
    assert abs(float(cases.inputs["edge"]["x"][2, 0]) / float(value) - 1) < 1e-9


def test_free_sizes_are_cut_and_doubled_in_step(tmp_path):
    ids = np.arange(60).reshape(6, 10) + 7
    cases = make_cases(TOKENS, dataset(tmp_path, ids=ids, mask=np.ones((6, 10), bool)))
    assert_fit(cases, TOKENS)
    assert {case: cases.inputs[case]["ids"].shape[1] for case in ("real", "short", "long")} == {
        "real": 10, "short": 2, "long": 20
    }  # fmt: skip
    for case in cases.inputs:
        assert cases.inputs[case]["mask"].shape == cases.inputs[case]["ids"].shape
    assert set(cases.inputs["long"]["ids"].ravel()) <= set(range(7, 67))
    assert cases.optional == {"short", "long"}
    assert "doubled in length" in cases.described


def test_free_image_sizes_are_halved_not_cut_to_nothing():
    specs = (TensorSpec("x", DType.FP32, ("batch", "h", "w", 3)),)
    cases = make_cases(specs, None)
    assert cases.inputs["generated"]["x"].shape[1:] == (64, 64, 3)
    assert cases.inputs["short"]["x"].shape[1:] == (32, 32, 3)


@pytest.mark.parametrize("fixed", [1, 4])
def test_a_fixed_batch_makes_every_case_that_many_rows(tmp_path, fixed):
    specs = (TensorSpec("x", DType.FP32, (fixed, 4)),)
    data = np.random.default_rng(0).normal(size=(10, 4)).astype(np.float32)
    cases = make_cases(specs, dataset(tmp_path, x=data))
    assert {inputs["x"].shape for inputs in cases.inputs.values()} == {(fixed, 4)}
    assert {kind_of(case) for case in cases.inputs} == {"real", "generated", "edge"}
    assert f"runs of {fixed}" in cases.described
    seen = np.concatenate([inputs["x"] for case, inputs in cases.inputs.items() if kind_of(case) == "real"])
    assert np.array_equal(np.unique(seen, axis=0), np.unique(data, axis=0))


@pytest.mark.parametrize(
    "given", [None, np.array(["cat", "a longer text"], dtype=object), np.array([b"x"], dtype=object)]
)
def test_text_inputs_get_texts(tmp_path, given):
    specs = (TensorSpec("t", DType.BYTES, ("batch", 1)),)
    cases = make_cases(specs, None if given is None else dataset(tmp_path, t=given[:, None]))
    for inputs in cases.inputs.values():
        assert {type(item) for item in inputs["t"].ravel()} == {
            bytes if given is not None and len(given) == 1 else str
        }


def test_memory_is_bounded_for_large_inputs(tmp_path):
    specs = (TensorSpec("x", DType.FP32, ("batch", 1000, 1000, 3)),)
    data = np.broadcast_to(np.float32(0.5), (20, 1000, 1000, 3))
    cases = make_cases(specs, dataset(tmp_path, x=data))
    for case, inputs in cases.inputs.items():
        assert inputs["x"].nbytes <= 160_000_000, case
    assert len(cases.inputs["real"]["x"]) == 13


def test_kinds_tell_typical_rows_from_edges():
    typical = ("real", "real-001", "generated", "batch-7", "request-real-001", "request-batch-2")
    assert all(is_typical(case) for case in typical)
    others = ("edge", "edge-002", "short", "long", "request-edge-001", "request-short", "request-uneven")
    assert not any(is_typical(case) for case in others)
