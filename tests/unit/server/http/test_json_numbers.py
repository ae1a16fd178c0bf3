"""Which numbers a datatype takes: as numpy has it, and no number that would become infinity or wrap around."""

from __future__ import annotations

import numpy as np
import pytest

from shipway.server.http import json_numbers
from shipway.server.http.json_numbers import DO_NOT_FIT, LARGEST_FP16, OVER_FP32, Packer, element_type, nested
from shipway.types import DType, TensorSpec


def packer(dtype):
    return Packer(TensorSpec("x", dtype, ("batch",)))


def test_the_bounds_are_where_a_number_becomes_infinity():
    assert np.finfo(np.float16).max == LARGEST_FP16
    below = np.nextafter(OVER_FP32, 0)
    with np.errstate(over="ignore"):
        assert np.isfinite(np.float64(below).astype(np.float32))
        assert np.isinf(np.float64(OVER_FP32).astype(np.float32))


@pytest.mark.parametrize("dtype", [dtype for dtype in DType if dtype.is_integer])
def test_whole_numbers_end_where_their_datatype_does(dtype):
    bounds = np.iinfo(dtype.numpy)
    ends = [int(bounds.min), int(bounds.max)]
    assert packer(dtype).pack(ends, [2]).tolist() == ends
    for beyond in (ends[0] - 1, ends[1] + 1):
        with pytest.raises(DO_NOT_FIT):
            packer(dtype).pack([beyond], [1])


@pytest.mark.parametrize(
    ("dtype", "largest", "beyond"), [(DType.FP16, LARGEST_FP16, 65520.0), (DType.FP32, 3.4e38, OVER_FP32)]
)
def test_no_fraction_becomes_infinity(dtype, largest, beyond):
    assert np.isfinite(packer(dtype).pack([largest, -largest], [2])).all()
    with pytest.raises(DO_NOT_FIT):
        packer(dtype).pack([beyond], [1])


def test_text_is_packed_and_bf16_is_not():
    assert packer(DType.BYTES).pack(["ü", ""], [1, 2]).tolist() == [["ü", ""]]
    assert packer(DType.BF16).pack([1.0], [1]) is None


def test_lengths_may_change_from_request_to_request(monkeypatch):
    monkeypatch.setattr(json_numbers, "_PIECE", 3)
    one = packer(DType.INT16)
    for count in (2, 2, 0, 7, 3, 8, 1):
        assert one.pack(list(range(count)), [count]).tolist() == list(range(count))


def test_types_for_a_decoder():
    assert nested(element_type(DType.FP16), 2) == list[list[float]]
    assert [element_type(dtype) for dtype in (DType.BOOL, DType.BYTES, DType.UINT8)] == [bool, str, int]
