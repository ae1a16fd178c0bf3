"""Decisions between tied scores may fall either way, and no others."""

from __future__ import annotations

import numpy as np
import pytest

from shipway.bundle.closeness import scores_beside, tied_rows
from shipway.bundle.evidence import Result
from shipway.bundle.golden import Golden, Tolerance, judge_golden
from shipway.evaluation.parity.noise import measure_noise
from shipway.evaluation.parity.numeric import answer_parity, numeric_parity
from shipway.sources.base import Reference
from shipway.types import DType, Signature, TensorSpec

SCORES = np.array([[0.5, 0.5, 0.0], [0.9, 0.1, 0.0], [0.2, 0.3, 0.5]], np.float32)
LABELS = np.array(["a", "a", "c"], object)
TOLERANCES = {"scores": Tolerance(1.0, 1.5e-5)}


def otherwise(row, name):
    found = LABELS.copy()
    found[row] = name
    return {"scores": SCORES, "label": found}


REFERENCE = {"scores": SCORES, "label": LABELS}
CASES = [
    (0, "b", Result.PASS),
    (1, "b", Result.FAIL),
    (2, "b", Result.FAIL),
]


def test_which_rows_are_ties():
    assert tied_rows(SCORES, scale=1.0, budget=1.5e-5).tolist() == [True, False, False]
    assert tied_rows(SCORES, scale=1.0, budget=0.21).tolist() == [True, False, True]


def test_what_is_a_decision_beside_scores():
    assert scores_beside(REFERENCE, "label") == "scores"
    assert scores_beside(REFERENCE, "scores") is None
    assert scores_beside({**REFERENCE, "more": SCORES}, "label") is None  # which of the two, nobody knows
    assert scores_beside({"label": LABELS, "one": SCORES[:, :1]}, "label") is None


@pytest.mark.parametrize(("row", "name", "result"), CASES)
def test_a_golden_sample(row, name, result):
    golden = Golden(
        inputs={"x": np.zeros((3, 1), np.float32)}, outputs=REFERENCE, tolerances=TOLERANCES, origin="data"
    )
    assert judge_golden(golden, otherwise(row, name), subject="m").result is result


@pytest.mark.parametrize(("row", "name", "result"), CASES)
def test_an_endpoints_answer(row, name, result):
    verdict = answer_parity(REFERENCE, otherwise(row, name), tolerances=TOLERANCES, subject="m")
    assert verdict.result is result


@pytest.mark.parametrize(("row", "name", "result"), CASES)
def test_a_converted_models_answer(row, name, result):
    signature = Signature(
        (TensorSpec("x", DType.FP32, ("batch", 1)),),
        (TensorSpec("scores", DType.FP32, ("batch", 3)), TensorSpec("label", DType.BYTES, ("batch",))),
    )
    reference = Reference(signature=signature, outputs={"real": REFERENCE})
    verdict = numeric_parity(
        reference.outputs, {"real": otherwise(row, name)}, noise=measure_noise(reference), subject="m"
    )
    assert verdict.result is result
