"""Any bytes and any header are an answer or a `RequestError`, never another exception."""

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shipway.errors import RequestError
from shipway.server.http.v2.large import LargeReader
from shipway.server.http.v2.request import RequestReader
from shipway.types import DType, Signature, TensorSpec

SIGNATURES = [
    Signature(tuple(TensorSpec(name, dtype, shape) for name in names), (TensorSpec("y", dtype, shape),))
    for dtype in DType
    for names, shape in (
        ("x", ("batch", 2)),
        ("xw", ("batch",)),
        ("x", ()),
        ("x", ("a", "b")),
        ("x", (2, "n")),
    )
]
scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=4)
anything = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4), max_leaves=12)
sizes = st.integers(-2, 5) | st.sampled_from([2**31, 2**63, 2**64])
PARAMETERS = [
    "binary_data_size",
    "binary_data",
    "binary_data_output",
    "shared_memory_region",
    "sequence_id",
    "other",
]
parameters = st.none() | st.dictionaries(st.sampled_from(PARAMETERS), scalars | sizes, max_size=2)


@st.composite
def tensors(draw):
    kinds = st.sampled_from([str(dtype) for dtype in DType])
    made = {
        "name": draw(st.sampled_from("xxwyq")),
        "shape": draw(st.lists(sizes, max_size=3)),
        "datatype": draw(kinds),
        "parameters": draw(parameters),
    }
    if draw(st.booleans()):
        made["data"] = draw(anything)
    if draw(st.integers(0, 9)) == 0:
        made[draw(st.sampled_from(sorted(made)))] = draw(anything)
    return made


@st.composite
def requests(draw):
    request = {"inputs": draw(st.lists(tensors(), max_size=3)), "parameters": draw(parameters)}
    names = st.sampled_from("yyq")
    outputs = st.builds(lambda name, given: {"name": name, "parameters": given}, names, parameters)
    request["outputs"] = draw(st.none() | st.lists(outputs, max_size=2))
    head = json.dumps(request).encode()
    data = draw(st.binary(max_size=40))
    header = draw(
        st.sampled_from([None, b"0", str(len(head)).encode(), str(len(head) + 1).encode(), b"-1", b"1"])
    )
    return head + (data if header is not None else b""), header


def read(signature, body, header):
    try:
        call = RequestReader(signature).read(body, header)
    except RequestError:
        return
    for name, array in call.inputs.items():
        assert array.dtype == signature.input(name).dtype.numpy


@given(st.sampled_from(SIGNATURES), requests())
def test_broken_requests(signature, request_):
    read(signature, *request_)
    LargeReader(signature).read(request_[0])


@given(st.sampled_from(SIGNATURES), st.binary(max_size=60), st.none() | st.binary(max_size=6))
def test_any_bytes(signature, body, header):
    read(signature, body, header)
    LargeReader(signature).read(body)


@given(st.sampled_from(SIGNATURES), st.binary(max_size=60), st.lists(sizes, max_size=3), st.integers(0, 60))
def test_any_binary_data(signature, data, shape, size):
    spec = signature.inputs[0]
    tensor = {"name": "x", "shape": shape, "datatype": spec.dtype, "parameters": {"binary_data_size": size}}
    head = json.dumps({"inputs": [tensor]}).encode()
    read(signature, head + data, str(len(head)).encode())
    read(signature, np.resize(np.frombuffer(b"\1\0\0\0", np.uint8), size).tobytes(), b"0")
