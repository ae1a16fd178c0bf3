"""Names, order, dtypes and free dimensions: what a converted file may not change, whatever its values are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shipway.evaluation.parity.contract import explain_breach
from shipway.types import DType, Signature, TensorSpec

TOKENS = TensorSpec("tokens", DType.INT64, ("batch", "tokens_1"))
MASK = TensorSpec("mask", DType.BOOL, ("batch", 8))
LOGITS = TensorSpec("logits", DType.FP32, ("batch", 3))
SOURCE = Signature(inputs=(TOKENS, MASK), outputs=(LOGITS,))


def test_the_same_contract_under_other_names_of_free_dimensions() -> None:
    found = Signature(
        inputs=(replace(TOKENS, shape=("n", "length")), MASK), outputs=(replace(LOGITS, shape=("n", 3)),)
    )
    assert explain_breach(SOURCE, found) is None


@pytest.mark.parametrize(
    ("inputs", "outputs", "says"),
    [
        ((MASK, TOKENS), (LOGITS,), "inputs are in another order: expected tokens, mask, found mask, tokens"),
        ((TOKENS, replace(MASK, name="m")), (LOGITS,), "called otherwise"),
        ((TOKENS,), (LOGITS,), "inputs are called otherwise: expected tokens, mask, found tokens"),
        (
            (replace(TOKENS, dtype=DType.INT32), MASK),
            (LOGITS,),
            "input 'tokens' is INT32, the source's is INT64",
        ),
        ((replace(TOKENS, shape=(1, "tokens_1")), MASK), (LOGITS,), "the size 1 baked in along axis 0"),
        ((TOKENS, replace(MASK, shape=("batch", 9))), (LOGITS,), "input 'mask' has 9 along axis 1"),
        ((TOKENS, MASK), (replace(LOGITS, shape=("batch", 3, 1)),), "output 'logits' has 3 dimensions"),
        ((TOKENS, MASK), (replace(LOGITS, shape=(1, 3)),), "output 'logits' has the size 1 baked in"),
    ],
    ids=["order", "name", "missing", "dtype", "batch", "size", "rank", "output"],
)
def test_a_breach_is_named(inputs, outputs, says: str) -> None:
    assert says in (explain_breach(SOURCE, Signature(inputs=inputs, outputs=outputs)) or "")


def test_what_a_format_cannot_keep_is_no_breach_and_the_rest_is() -> None:
    fixed = Signature(
        inputs=(replace(TOKENS, shape=(1, "tokens_1")), replace(MASK, shape=(1, 8))),
        outputs=(replace(LOGITS, shape=(1, 3)),),
    )
    assert explain_breach(SOURCE, fixed, fixes={"batch"}) is None
    both = replace(fixed, inputs=(replace(TOKENS, shape=(1, 16)), fixed.inputs[1]))
    assert "tokens_1" in (explain_breach(SOURCE, both, fixes={"batch"}) or "")
