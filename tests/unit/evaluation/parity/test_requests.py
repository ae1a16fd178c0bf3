"""Requests as cases: whole, of every size that the model leaves free, real ones first, equal ones to stack."""

import numpy as np
import pytest

from shipway.evaluation.data.dataset import in_memory
from shipway.evaluation.parity.probes import is_typical, kind_of
from shipway.evaluation.parity.requests import REQUESTS, make_requests
from shipway.sources.workers.loaded import is_request
from shipway.types import DType, TensorSpec

X = TensorSpec("x", DType.FP32, ("n", 4))
TEMPERATURE = TensorSpec("temperature", DType.FP32, ())
SPECS = (X, TEMPERATURE)


def dataset(tmp_path, **inputs):
    return in_memory(inputs, path=tmp_path, has_rows=False)


def assert_fit(cases, specs):
    for case, inputs in cases.inputs.items():
        assert is_request(case)
        sizes = {}
        for spec in specs:
            array = inputs[spec.name]
            assert isinstance(array, np.ndarray)
            assert spec.explain_mismatch(array.dtype, array.shape) is None, case
            for dim, size in zip(spec.shape, array.shape, strict=True):
                assert not isinstance(dim, str) or sizes.setdefault(dim, size) == size, case


def sizes(cases, kind):
    return [inputs["x"].shape for case, inputs in cases.inputs.items() if kind_of(case) == kind]


def test_generated_requests_have_one_size_and_the_others_are_tried_too():
    cases = make_requests(SPECS, None)
    assert_fit(cases, SPECS)
    assert kind_of(cases.main) == "generated"
    assert not cases.has_data
    assert sizes(cases, "generated") == [(4, 4)] * REQUESTS
    assert sizes(cases, "batch") == [(1, 4), (2, 4), (3, 4), (7, 4)]
    assert len({float(inputs["temperature"]) for inputs in cases.main_like(cases.inputs)}) == REQUESTS
    assert "48 generated requests (random; no data was given)" in cases.described
    assert "1, 2, 3, 7 along the first axis" in cases.described


def test_edges_take_one_kind_in_every_input_of_a_request():
    cases = make_requests(
        (X, TensorSpec("step", DType.INT64, ())), None, value_ranges={"x": (2, 3), "step": (5, 9)}
    )
    edges = [inputs for case, inputs in cases.inputs.items() if not is_typical(case)]
    assert [(float(i["x"].max()), int(i["step"])) for i in edges[:3]] == [(0.0, 5), (2.0, 5), (3.0, 9)]


@pytest.mark.parametrize("count", [1, 5, REQUESTS, 300])
def test_real_requests_come_first(tmp_path, count):
    random = np.random.default_rng(0)
    x = random.normal(size=(count, 5, 4)).astype(np.float32)
    given = np.arange(count, dtype=np.float32)
    cases = make_requests(SPECS, dataset(tmp_path, x=x, temperature=given))
    assert_fit(cases, SPECS)
    real = cases.main_like(cases.inputs)
    assert kind_of(cases.main) == "real"
    assert cases.has_data
    assert len(real) == min(count, REQUESTS)
    assert len(real) + len(sizes(cases, "generated")) == REQUESTS
    for request in real:  # what came together stays together
        assert np.array_equal(request["x"], x[int(request["temperature"])])
    assert sizes(cases, "batch") == [(1, 4), (2, 4), (3, 4), (7, 4)]
    for inputs in cases.inputs.values():
        assert 0 <= inputs["temperature"] < count


def test_first_axes_of_unequal_names_are_tried_uneven():
    specs = (X, TensorSpec("others", DType.FP32, ("m", 4)), TEMPERATURE)
    cases = make_requests(specs, None)
    assert_fit(cases, specs)
    uneven = cases.inputs["request-uneven"]
    assert (len(uneven["x"]), len(uneven["others"])) == (2, 3)
    assert "request-uneven" in cases.optional


def test_other_free_dimensions_are_cut_and_doubled():
    specs = (TensorSpec("x", DType.INT32, ("n", "length")), TEMPERATURE)
    cases = make_requests(specs, None)
    assert_fit(cases, specs)
    assert [cases.inputs[f"request-{case}"]["x"].shape[1] for case in ("generated-001", "short", "long")] == [
        16, 2, 32
    ]  # fmt: skip
    assert cases.optional == {"request-short", "request-long"}


def test_fixed_sizes_are_never_touched():
    specs = (TensorSpec("x", DType.FP32, (2, 4)), TensorSpec("w", DType.FP32, (4, 3)))
    cases = make_requests(specs, None)
    assert_fit(cases, specs)
    assert {kind_of(case) for case in cases.inputs} == {"generated", "edge"}


def test_an_empty_dimension_of_the_data_is_left_as_it_is(tmp_path):
    cases = make_requests(
        (X, TEMPERATURE), dataset(tmp_path, x=np.zeros((3, 0, 4), "f4"), temperature=np.ones(3, "f4"))
    )
    assert {inputs["x"].shape for inputs in cases.inputs.values()} == {(0, 4)}


@pytest.mark.parametrize("dtype", DType)
def test_every_dtype_has_scalars(dtype):
    specs = (TensorSpec("s", dtype, ()),)
    cases = make_requests(specs, None)
    assert_fit(cases, specs)
    assert len({inputs["s"].item() for inputs in cases.inputs.values()}) > 1


def test_equal_seeds_give_equal_requests():
    first, again, other = (make_requests(SPECS, None, seed=seed).inputs for seed in (1, 1, 2))
    assert all(np.array_equal(first[case]["x"], again[case]["x"]) for case in first)
    assert not np.array_equal(first["request-generated-001"]["x"], other["request-generated-001"]["x"])


def test_memory_is_bounded_for_large_requests():
    specs = (TensorSpec("x", DType.FP32, (2, 1000, 1000, 3)), TEMPERATURE)
    cases = make_requests(specs, None)
    assert len(cases.main_like(cases.inputs)) == 8
