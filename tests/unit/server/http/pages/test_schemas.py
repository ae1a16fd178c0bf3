"""Schemas say of elements and sizes what the readers take."""

from __future__ import annotations

import jsonschema
import numpy as np
import pytest

from shipway.server.http.pages.schemas import element_schema, nested_schema, tensor_schema
from shipway.types import DType, TensorSpec


def fits(value, schema) -> bool:
    return jsonschema.Draft202012Validator(schema).is_valid(value)


@pytest.mark.parametrize("dtype", [dtype for dtype in DType if dtype.is_integer])
def test_whole_numbers_have_their_datatypes_range(dtype) -> None:
    bounds = np.iinfo(dtype.numpy)
    schema = element_schema(dtype)
    assert fits(int(bounds.min), schema)
    assert fits(int(bounds.max), schema)
    assert not fits(int(bounds.min) - 1, schema)
    assert not fits(int(bounds.max) + 1, schema)


@pytest.mark.parametrize(("dtype", "largest"), [(DType.FP16, 65504.0), (DType.FP32, 3.4028234663852886e38)])
def test_floats_end_where_they_would_become_infinity(dtype, largest) -> None:
    assert fits(largest, element_schema(dtype))
    assert not fits(largest * 1.001, element_schema(dtype))


def test_nested_lists_have_the_models_sizes() -> None:
    schema = nested_schema(TensorSpec("x", DType.INT8, ("batch", 2)))
    assert fits([[1, 2], [3, 4]], schema)
    for wrong in ([], [[1]], [1, 2], [[1, 2.5]], [[1, 300]]):
        assert not fits(wrong, schema)


def test_a_tensor_has_its_own_name_datatype_and_rank() -> None:
    schema = tensor_schema(TensorSpec("x", DType.FP32, ("batch", 2)), is_input=True)
    right = {"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}
    assert fits(right, schema)
    for wrong in ({"name": "y"}, {"datatype": "FP64"}, {"shape": [2]}, {"shape": [1, 3]}, {"data": ["1"]}):
        assert not fits({**right, **wrong}, schema)
