"""Tensors for checks: in JSON and binary, made from metadata, and told apart."""

from __future__ import annotations

import json

import numpy as np
import pytest

from served.zoo import VALUES
from shipway.conformance.check import InapplicableError, UndecidedError, UnmetError
from shipway.conformance.tensors import (
    NUMPY,
    Port,
    Tensor,
    differs,
    from_bytes,
    from_json,
    generate,
    to_bytes,
    to_json,
    variants,
)


def tensor(name: str) -> Tensor:
    datatype = "BYTES" if name == "text" else name.upper()
    data = VALUES[name][1]
    if name == "text":
        data = np.array([[item.encode() for item in data[0]]], dtype=object)
    return Tensor("x", datatype, data)


@pytest.mark.parametrize("name", VALUES)
class TestRoundTrips:
    def test_in_binary(self, name):
        given = tensor(name)
        found = from_bytes("x", given.datatype, list(given.data.shape), to_bytes(given))
        assert found.is_binary
        np.testing.assert_array_equal(found.data, given.data)
        assert found.data.dtype == given.data.dtype

    @pytest.mark.parametrize("nested", [True, False])
    def test_in_json(self, name, nested):
        given = tensor(name)
        if name == "fp16":
            with pytest.raises(InapplicableError, match="no JSON form"):
                to_json(given)
            return
        data = json.loads(json.dumps(to_json(given, nested=nested)))
        assert isinstance(data[0], list) is nested
        np.testing.assert_array_equal(from_json("x", given.datatype, [1, 2], data).data, given.data)


def test_bf16_is_the_upper_half_of_fp32():
    given = Tensor("x", "BF16", np.array([1.5, -2], np.float32))
    assert to_bytes(given) == b"\xc0\x3f\x00\xc0"
    np.testing.assert_array_equal(from_bytes("x", "BF16", [2], to_bytes(given)).data, given.data)


@pytest.mark.parametrize(
    ("datatype", "value"),
    [
        ("FP32", "1"),
        ("FP32", None),
        ("FP32", True),
        ("INT8", 128),
        ("UINT8", -1),
        ("INT64", 1.5),
        ("INT64", False),
        ("BOOL", 2),
        ("BYTES", 1),
        ("BYTES", {"b64": "YQ=="}),
    ],
)
def test_json_of_another_type_is_found(datatype, value):
    with pytest.raises(UnmetError, match=f"values of {datatype}"):
        from_json("y", datatype, [1], [value])


@pytest.mark.parametrize(("shape", "data"), [([3], [1, 2]), ([], []), ([1, 1], [1, 2])])
def test_json_of_another_size_is_found(shape, data):
    with pytest.raises(UnmetError, match="values in the output y"):
        from_json("y", "FP32", shape, data)


@pytest.mark.parametrize(
    ("datatype", "data"),
    [
        ("FP32", b"1234567"),
        ("BYTES", b""),
        ("BYTES", b"\x05\x00\x00\x00a\x00\x00\x00\x00"),
        ("BYTES", b"\x00" * 12),
        ("BYTES", b"\x00" * 9),
    ],
)
def test_bytes_that_do_not_add_up_are_found(datatype, data):
    with pytest.raises(UnmetError):
        from_bytes("y", datatype, [2], data)


class TestGenerated:
    def test_free_dimensions_have_the_size(self):
        ports = [Port("a", "FP32", (-1, 3, -1)), Port("b", "BYTES", ()), Port("c", "BOOL", (2,))]
        assert [one.data.shape for one in generate(ports, 2)] == [(2, 3, 2), (), (2,)]
        assert [one.data.shape for one in generate(ports, 2, rows=5)] == [(5, 3, 2), (), (2,)]

    @pytest.mark.parametrize("datatype", NUMPY)
    def test_values_are_of_their_type(self, datatype):
        (made,) = generate([Port("a", datatype, (-1, 4))], 2)
        again = from_bytes("a", datatype, [2, 4], to_bytes(made))
        np.testing.assert_array_equal(again.data, made.data)
        assert len(set(made.data.ravel().tolist())) > 1

    def test_each_try_is_another(self):
        tried = variants([Port("a", "INT64", (-1,))])
        assert [one[0].data.tolist() for one in tried[:3]] == [[0], [0, 1], [0, 1, 0]]
        assert tried[-1][0].data.tolist() == [1, 1, 1]
        assert len(variants([Port("a", "INT64", (2,))])) == 3

    def test_shapes_that_no_memory_holds(self):
        with pytest.raises(UndecidedError, match="--data"):
            variants([Port("a", "FP32", (2**40, 2**40))])

    def test_a_datatype_that_is_none(self):
        with pytest.raises(InapplicableError, match="float32"):
            generate([Port("a", "float32", (1,))], 1)


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        ([1.0, 2.0], [1.0, 2.00001], None),
        ([1.0, np.nan], [1.0, np.nan], None),
        ([1.0, 2.0], [1.0, 2.1], "y[1] is"),
        ([1.0], [1.0, 2.0], "FP32[1] in one and FP32[2]"),
    ],
)
def test_differences(a, b, said):
    one, other = (Tensor("y", "FP32", np.array(values, np.float32)) for values in (a, b))
    found = differs(one, other)
    assert found is None if said is None else said in found


def test_texts_differ_by_any_byte():
    one, other = (Tensor("y", "BYTES", np.array([b"a", text], object)) for text in (b"b", b"c"))
    assert differs(one, one) is None
    assert "y[1]" in differs(one, other)
