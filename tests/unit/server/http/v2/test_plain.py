"""The common request in one pass gives what the full reading gives, or nothing."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from shipway.errors import ShipwayError
from shipway.server.http import json_numbers
from shipway.server.http.v2.plain import PlainReader
from shipway.server.http.v2.request import RequestReader
from shipway.types import DType, Signature, TensorSpec

OUTPUTS = (TensorSpec("y", DType.FP32, ("batch", 1)),)
NUMBERS = [dtype for dtype in DType if dtype not in (DType.BYTES, DType.BF16)]
X = TensorSpec("x", DType.FP32, ("batch", 2))


def encode(*tensors, **more):
    return json.dumps({"inputs": tensors} | more).encode()


def tensor(data=(1, 2), **changes):
    return {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": list(data)} | changes


def full(body, signature):
    """The reading in two passes."""
    return RequestReader(signature)._read_parts(body, None)


@given(st.sampled_from(NUMBERS), st.booleans(), st.data())
def test_every_datatype(dtype, is_free, data):
    array = data.draw(
        hnp.arrays(
            dtype.numpy,
            hnp.array_shapes(min_dims=0, max_dims=3, min_side=0),
            elements={"allow_nan": False, "allow_infinity": False} if dtype.is_float else None,
        )
    )
    shape = tuple(f"d{axis}" if is_free else size for axis, size in enumerate(array.shape))
    if shape:
        shape = ("batch", *shape[1:])
    signature = Signature((TensorSpec("x", dtype, shape),), OUTPUTS)
    body = encode(
        tensor(array.ravel().tolist(), shape=list(array.shape), datatype=str(dtype)), id="7", outputs=None
    )
    request, inputs = PlainReader(signature).read(body)
    assert request.id == "7"
    assert inputs["x"].dtype is dtype.numpy
    np.testing.assert_array_equal(inputs["x"], array)
    assert inputs["x"].tobytes() == full(body, signature).inputs["x"].tobytes()


def test_text_and_two_inputs():
    name = TensorSpec("name", DType.BYTES, ("batch", "n"))
    signature = Signature((X, name), OUTPUTS)
    text = {"name": "name", "shape": [1, 2], "datatype": "BYTES", "data": ["ü", ""]}
    _, inputs = PlainReader(signature).read(encode(tensor(), text))
    assert inputs["name"].tolist() == [["ü", ""]]
    np.testing.assert_array_equal(inputs["x"], [[1, 2]])
    other_order = encode(text, tensor())
    assert PlainReader(signature).read(other_order) is None
    assert RequestReader(signature).read(other_order, None).inputs["name"].tolist() == [["ü", ""]]


@given(st.floats(-4e38, 4e38) | st.integers(-(2**70), 2**70), st.sampled_from([*NUMBERS, DType.BYTES]))
def test_one_number_is_taken_or_refused_alike(value, dtype):
    signature = Signature((TensorSpec("x", dtype, ("batch", 1)),), OUTPUTS)
    body = encode(tensor([value], shape=[1, 1], datatype=str(dtype)))
    plain = PlainReader(signature).read(body)
    try:
        expected = full(body, signature).inputs["x"]
    except ShipwayError:
        assert plain is None
    else:
        assert plain is not None
        assert plain[1]["x"].tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"inputs":' + b"[" * 100_000,
        b'{"inputs":[],"x":' + b"[" * 100_000,
        encode(),
        encode(tensor(), tensor()),
        encode(tensor(name="w")),
        encode(tensor(datatype="FP64")),
        encode(tensor([[1, 2]])),
        encode(tensor([1, "2"])),
        encode(tensor([1, None])),
        encode(tensor([True, False])),
        encode(tensor([1, 2, 3])),
        encode(tensor(shape=[-1, 2])),
        encode(tensor(shape=[-1, -2])),
        encode(tensor(shape=[2])),
        encode(tensor(shape=[1, 1, 2])),
        encode(tensor(shape=[])),
        encode(tensor([], shape=[10**30, 0])),
        encode(tensor([1e39, 0])),
        encode(tensor(parameters={"binary_data_size": 8})),
        encode(tensor(), parameters=3),
    ],
)
def test_everything_else_is_left_to_the_full_reading(body):
    assert PlainReader(Signature((X,), OUTPUTS)).read(body) is None


def test_parameters_and_outputs_are_read_along():
    signature = Signature((X,), OUTPUTS)
    body = encode(tensor(), parameters={"binary_data_output": True}, outputs=[{"name": "y"}])
    assert PlainReader(signature).read(body) is not None
    assert RequestReader(signature).read(body, None).outputs == [("y", True)]


def test_more_than_one_piece(monkeypatch):
    monkeypatch.setattr(json_numbers, "_PIECE", 3)
    signature = Signature((TensorSpec("x", DType.INT64, ("batch", 2)),), OUTPUTS)
    _, inputs = PlainReader(signature).read(encode(tensor(range(8), shape=[4, 2], datatype="INT64")))
    np.testing.assert_array_equal(inputs["x"], np.arange(8).reshape(4, 2))


@pytest.mark.parametrize("shape", [[1], [1, 1], [2], [-1]])
def test_a_scalar_has_no_axis(shape):
    signature = Signature((TensorSpec("x", DType.FP32, ()),), OUTPUTS)
    assert PlainReader(signature).read(encode(tensor([1], shape=[])))[1]["x"].shape == ()
    assert PlainReader(signature).read(encode(tensor([1, 2], shape=[]))) is None
    found = PlainReader(signature).read(encode(tensor([1], shape=shape)))
    assert found is None or found[1]["x"].shape == tuple(shape)  # which the model's own check then refuses
