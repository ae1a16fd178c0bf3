"""Names of classes that a model says itself."""

from __future__ import annotations

import numpy as np
import pytest

from shipway.evaluation.metrics.class_names import names_from_answers

LABELS = np.array(["cat", "dog", "eel", "cat"], object)


def scores(*columns):
    return np.eye(3, dtype=np.float32)[list(columns)] * 0.8 + 0.1


@pytest.mark.parametrize(
    ("columns", "said", "names"),
    [
        ((2, 0, 1, 2), ["cat", "dog", "eel", "cat"], ("dog", "eel", "cat")),
        ((0, 1, 1, 0), ["cat", "dog", "dog", "cat"], ("cat", "dog", "eel")),
        ((1, 0, 0, 1), ["cat", "dog", "dog", "cat"], ()),
        ((0, 0, 1, 2), ["cat", "dog", "eel", "cat"], ()),
    ],
    ids=["all decided", "one never decided", "not in order", "a column of two names"],
)
def test_the_text_beside_the_scores_names_the_columns(columns, said, names):
    answers = {"probabilities": scores(*columns), "label": np.array(said, object)}
    assert names_from_answers(answers, LABELS) == names
    as_bytes = {**answers, "label": np.array([name.encode() for name in said], object)}
    assert names_from_answers(as_bytes, LABELS) == names


def test_answers_without_a_text_tell_nothing():
    assert names_from_answers({"probabilities": scores(0, 1, 2, 0)}, LABELS) == ()
    two = {"a": LABELS, "b": LABELS, "probabilities": scores(0, 1, 2, 0)}
    assert names_from_answers(two, LABELS) == ()
