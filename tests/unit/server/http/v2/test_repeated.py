"""A JSON that was seen before is read as it was then, with the new tensors behind it."""

import json

import numpy as np
import pytest

from shipway.errors import RequestError
from shipway.server.http.v2.request import RequestReader
from shipway.types import DType, Signature, TensorSpec


def reader(*dtypes):
    inputs = tuple(TensorSpec(f"x{index}", dtype, ("batch", 3)) for index, dtype in enumerate(dtypes))
    return RequestReader(Signature(inputs, (TensorSpec("y", DType.FP32, ("batch", 1)),)))


def request(*arrays, pad=0, **more):
    tensors = [
        {
            "name": f"x{index}",
            "shape": list(array.shape),
            "datatype": str(DType.of(array.dtype)),
            "parameters": {"binary_data_size": array.nbytes},
        }
        for index, array in enumerate(arrays)
    ]
    text = (json.dumps({"inputs": tensors, **more}) + " " * pad).encode()
    return text + b"".join(array.tobytes() for array in arrays), b"%d" % len(text)


DTYPES = [dtype for dtype in DType if dtype not in (DType.BYTES, DType.BF16)]


@pytest.mark.parametrize("pad", range(8))  # every alignment that a tensor may begin with
@pytest.mark.parametrize("dtype", DTYPES)
def test_again_is_as_the_first_time(dtype, pad):
    made, random = reader(dtype, DType.FP64), np.random.default_rng(0)
    for _ in range(3):
        first = random.integers(0, 2, (2, 3)).astype(dtype.numpy)
        second = random.normal(size=(2, 3))
        call = made.read(*request(first, second, pad=pad, parameters={"binary_data_output": True}))
        np.testing.assert_array_equal(call.inputs["x0"], first)
        np.testing.assert_array_equal(call.inputs["x1"], second)
        assert [array.dtype for array in call.inputs.values()] == [dtype.numpy, np.float64]
        assert all(array.flags.aligned for array in call.inputs.values())
        assert call.outputs == [("y", True)]


def test_it_is_really_taken_from_there():
    made, x = reader(DType.FP32), np.ones((1, 3), np.float32)
    body, length = request(x)
    made.read(body, length)
    assert made._repeated.find(body[: int(length)], body) is not None


def test_a_known_json_with_another_body_is_refused_as_ever():
    made, x = reader(DType.FP32), np.ones((1, 3), np.float32)
    body, length = request(x)
    made.read(body, length)
    for wrong in (body[:-1], body + b"\0"):
        with pytest.raises(RequestError, match=r"binary"):
            made.read(wrong, length)


def test_ids_are_not_mixed_up():
    made, x = reader(DType.FP32), np.ones((1, 3), np.float32)
    for name in ("a", "b"):
        assert made.read(*request(x, id=name)).id == name
    assert made.read(*request(x)).id == ""
    assert made.read(*request(x)).id == ""


def test_a_refused_json_is_refused_again():
    made, x = reader(DType.FP32), np.ones((1, 3), np.float32)
    for _ in range(2):
        with pytest.raises(RequestError, match="'z' is not the model's"):
            made.read(*request(x, outputs=[{"name": "z"}]))


def test_many_shapes_do_not_fill_memory():
    made = reader(DType.FP32)
    for rows in range(1000):
        made.read(*request(np.ones((rows, 3), np.float32)))
    assert len(made._repeated._known) <= 256
