"""What breaks a caller of A, what is only told, and what forbids a comparison."""

import pytest

from shipway.bundle.evidence import Result
from shipway.evaluation.comparison.signatures import compare_signatures
from shipway.types import DType, Signature, TensorSpec

F32, F16, I64 = DType.FP32, DType.FP16, DType.INT64


def _signature(inputs, outputs):
    return Signature(
        *(
            tuple(TensorSpec(name, dtype, tuple(shape)) for name, dtype, shape in side)
            for side in (inputs, outputs)
        )
    )


X, Y = ("x", F32, ["batch", 8]), ("y", F32, ["batch", 10])
A = _signature([X], [Y])


@pytest.mark.parametrize(
    ("inputs", "outputs", "says", "is_comparable"),
    [
        ([("x", F32, ["n", 8])], [Y], None, True),
        ([("z", F32, ["batch", 8])], [Y], "the inputs are called x in A and z in B", False),
        ([X, ("mask", I64, ["batch"])], [Y], "the inputs are called x in A and x, mask in B", False),
        ([X], [("z", F32, ["batch", 10])], "the outputs are called y in A and z in B", False),
        ([("x", F16, ["batch", 8])], [Y], "input 'x' is FP32 in A and FP16 in B", False),
        ([X], [("y", F16, ["batch", 10])], "output 'y' is FP32 in A and FP16 in B", True),
        ([X], [("y", I64, ["batch", 10])], "output 'y' is FP32 in A and INT64 in B", False),
        ([X], [("y", F32, ["batch", 1000])], "output 'y' is 10 along axis 1 in A and 1000 in B", False),
        ([X], [("y", F32, ["batch"])], "output 'y' has 2 dimensions in A and 1 in B", False),
        (
            [("x", F32, [4, 8])],
            [("y", F32, [4, 10])],
            "input 'x' is free (batch) along axis 0 in A and 4 in B",
            True,
        ),
    ],
    ids=[
        "another name of a dimension",
        "another input",
        "one input more",
        "another output",
        "narrower input",
        "narrower output",
        "another kind of output",
        "another number of classes",
        "another rank",
        "a batch size baked in",
    ],
)
def test_each_difference(inputs, outputs, says, is_comparable):
    found = compare_signatures(A, _signature(inputs, outputs))
    verdict = found.verdict("B against A")
    assert found.is_comparable is is_comparable
    assert verdict.rule == "signature"
    if says is None:
        assert (verdict.result, found.differences) == (Result.PASS, ())
    else:
        assert verdict.result is Result.FAIL
        assert says in verdict.reason


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (_signature([X], [Y]), _signature([X], [Y, ("extra", F32, ["batch"])]), "B has more outputs: extra"),
        (
            _signature([("x", F32, [4, 8])], [("y", F32, [4, 10])]),
            A,
            "input 'x' is 4 along axis 0 in A and free (batch) in B",
        ),
        (
            _signature([X, ("w", F32, ["batch", 1])], [Y]),
            _signature([("w", F32, ["batch", 1]), X], [Y]),
            "the inputs are in another order: w, x in B",
        ),
    ],
    ids=["more outputs", "freer", "another order"],
)
def test_what_breaks_nobody_is_told(before, after, says):
    found = compare_signatures(before, after)
    verdict = found.verdict("B against A")
    assert (verdict.result, found.is_comparable) == (Result.PASS, True)
    assert says in verdict.reason


def test_a_model_without_rows_is_no_match_for_one_with_rows():
    scalar = _signature([("x", F32, ["batch", 8]), ("scale", F32, [])], [Y])
    found = compare_signatures(A, scalar)
    assert not found.is_comparable
    assert "whole requests" in found.breaches[0]
