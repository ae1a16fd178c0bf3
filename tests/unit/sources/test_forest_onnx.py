"""Small forests by hand: what each split, link and missing value means in ONNX."""

from __future__ import annotations

import math

import numpy as np
import onnxruntime
import pytest

from shipway.sources.workers.frameworks.forest_onnx import Forest, Split, Tree, forest_model

NAN = float("nan")


def answers(forest: Forest, rows: list[list[float]], kind: str = "value") -> list[np.ndarray]:
    features = len(rows[0])
    model = forest_model(forest, input_name="x", features=features, kind=kind)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {"x": np.array(rows, np.float32)})


def stump(split: Split) -> Tree:
    return Tree({0: split, 1: 1.0, 2: 2.0}, 0)


def test_less_and_missing() -> None:
    forest = Forest([stump(Split(0, "BRANCH_LT", 3.0, 1, 2, missing_is_yes=False))], [0.5], "identity")
    (found,) = answers(forest, [[2.0], [3.0], [NAN]])
    assert found.ravel().tolist() == [1.5, 2.5, 2.5]


def test_a_float64_threshold_is_rounded_down() -> None:
    """0.1 in float32 is above 0.1 in float64, so it is not at or below it."""
    forest = Forest([stump(Split(0, "BRANCH_LEQ", 0.1, 1, 2, missing_is_yes=True))], [0.0], "identity")
    (found,) = answers(forest, [[0.1], [0.0999999], [NAN]])
    assert found.ravel().tolist() == [2.0, 1.0, 1.0]


@pytest.mark.parametrize(("truncates", "minus_half"), [(True, 1.0), (False, 2.0)])
def test_a_set_of_categories(truncates: bool, minus_half: float) -> None:
    split = Split(0, "BRANCH_EQ", 0.0, 1, 2, missing_is_yes=False, categories=(0, 2, 5))
    forest = Forest([stump(split)], [0.0], "identity", truncates=truncates)
    (found,) = answers(forest, [[0], [1], [2], [5], [5.9], [6], [-1], [NAN], [-0.5]])
    assert found.ravel().tolist() == [1, 2, 1, 1, 1, 2, 2, 2, minus_half]


def test_zeros_that_count_as_missing() -> None:
    split = Split(1, "BRANCH_LEQ", 5.0, 1, 2, missing_is_yes=False)
    forest = Forest([stump(split)], [0.0], "identity", zero_is_missing=frozenset({1}))
    (found,) = answers(forest, [[0.0, 0.0], [0.0, 1.0], [0.0, NAN], [0.0, 9.0]])
    assert found.ravel().tolist() == [2.0, 1.0, 2.0, 2.0]


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("sigmoid", 1 / (1 + math.exp(-3.0))),
        ("exp", math.exp(1.5)),
        ("softplus", math.log1p(math.exp(1.5))),
        ("square", 2.25),
        ("step", 1.0),
    ],
)
def test_links(link: str, expected: float) -> None:
    forest = Forest([Tree({0: 1.0}, 0)], [0.5], link, sharpness=2.0)
    (found,) = answers(forest, [[0.0], [1.0]])
    assert found.shape == (2, 1)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_classes() -> None:
    forest = Forest([Tree({0: 0.0}, 0), Tree({0: 3.0}, 1), Tree({0: 1.0}, 2)], [0.0] * 3, "softmax")
    label, probabilities = answers(forest, [[0.0], [0.0]], kind="multi")
    assert label.tolist() == [1, 1]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    even = Forest([Tree({0: 0.0}, 0)], [0.0], "sigmoid")
    label, probabilities = answers(even, [[0.0]], kind="binary")
    assert label.tolist() == [0]  # above one half only, as both libraries decide
    assert probabilities.tolist() == [[0.5, 0.5]]
