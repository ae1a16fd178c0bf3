"""Which values are probabilities, which logits, and which only rank."""

import numpy as np
import pytest

from shipway.evaluation.metrics.decisions import DecisionRule
from shipway.evaluation.metrics.scores import read_scores


def read(values, kind="argmax", threshold=0.0):
    values = np.asarray(values)
    count = values.shape[1] if kind != "threshold" else 2
    return read_scores(DecisionRule("y", kind, count, threshold).apply({"y": values}))


@pytest.mark.parametrize(
    ("values", "kind", "threshold", "found"),
    [
        ([[0.2, 0.8], [0.5, 0.5]], "argmax", 0, "probabilities"),
        ([[-2.0, 1.0, 0.5]], "argmax", 0, "logits"),
        ([[3.0, 5.0, 2.0]], "argmax", 0, "scores"),
        ([[0.9, 0.8, 0.1]], "argmax", 0, "scores"),
        ([[0.2], [0.9]], "threshold", 0.5, "probabilities"),
        ([[-1.0], [3.0]], "threshold", 0.0, "logits"),
        ([[0.2, 0.9, 0.9]], "each", 0.5, "probabilities"),
        ([[-0.2, 0.9, 4.0]], "each", 0.0, "logits"),
        ([[0.2, np.nan]], "argmax", 0, "none"),
        ([[np.inf]], "threshold", 0.0, "none"),
        ([[3], [1]], "label", 0.0, "none"),
    ],
)
def test_kinds(values, kind, threshold, found):
    scores = read(values, kind, threshold)
    assert scores.kind == found
    assert (scores.probabilities is not None) == (found in ("probabilities", "logits"))
    assert bool(scores.notes) == (found != "probabilities")
    if scores.probabilities is not None and kind != "each":
        assert scores.probabilities.sum(axis=1) == pytest.approx(1, abs=1e-15)


def test_probabilities_that_went_through_8_bits_are_scaled_with_a_note():
    generator = np.random.default_rng(0)
    exact = generator.dirichlet(np.ones(10), size=50)
    eight_bits = np.round(exact * 256) / 256
    scores = read(eight_bits.astype(np.float32))
    assert scores.kind == "probabilities"
    assert "divided by its sum" in scores.notes[0]
    assert scores.probabilities == pytest.approx(exact, abs=0.02)


def test_two_logits_that_saturate_still_rank():
    scores = read([[0.0, 50.0], [0.0, 60.0], [-700.0, 0.0]])
    assert scores.ranking[:, 0].tolist() == [50, 60, 700]
    assert scores.probabilities[:, 1].tolist() == [1, 1, 1]


def test_a_column_is_the_probability_of_class_1():
    scores = read([[0.25]], "threshold", 0.5)
    assert scores.probabilities.tolist() == [[0.75, 0.25]]
