"""Which task it is, and when that cannot be told."""

import numpy as np
import pytest

from shipway.errors import LabelError, UsageError
from shipway.evaluation.metrics.task import check_task, find_task
from shipway.types import DType, Signature, TensorSpec

SOFTMAX = [[0.2, 0.8], [0.6, 0.4], [0.5, 0.5]]
SIGMOIDS = [[0.9, 0.8], [0.6, 0.4], [0.1, 0.2]]


def find(labels, values):
    spec = TensorSpec("y", DType.FP32, ("batch", "n"))
    return find_task(np.asarray(labels), {"y": np.asarray(values)}, Signature((), (spec,)))


@pytest.mark.parametrize(
    ("labels", "values", "task"),
    [
        ([0, 1, 1], SOFTMAX, "classification"),
        ([0.0, 1.0, 1.0], SOFTMAX, "classification"),
        (["a", "b", "a"], SOFTMAX, "classification"),
        ([0, 1, 1], [[0.2], [0.8], [0.1]], "classification"),
        ([0, 1, 1], [[-3.0], [2.0], [0.3]], "classification"),
        ([-1, 1, 1], [[-3.0], [2.0], [0.3]], "classification"),
        ([2, 0, 7], np.array([2, 0, 6]), "classification"),
        ([[1, 0], [0, 1], [1, 0]], SOFTMAX, "classification"),
        ([[1, 0], [0, 1], [1, 0]], SIGMOIDS, "multilabel"),
        ([[1, 1], [0, 1], [1, 0]], SOFTMAX, "multilabel"),
        ([[0, 0], [0, 1], [1, 0]], [[-1.0, 2.0]] * 3, "multilabel"),
        ([0.5, 1.25, 3.0], [[1.0], [2.0], [3.0]], "regression"),
        ([[0.5], [1.25], [3.0]], [1.0, 2.0, 3.0], "regression"),
        ([0.5, 0.25, 0.75], [[0.1], [0.2], [0.3]], "regression"),
        ([20, 31, 45], [[19.5], [30.2], [44.9]], "regression"),
        ([[0.5, 3.0], [1.0, 2.0], [1.0, 2.0]], [[1.0, 2.0]] * 3, "regression"),
        ([[5, 3], [1, 2], [1, 2]], [[1.0, 2.0]] * 3, "regression"),
    ],
)
def test_tasks(labels, values, task):
    assert find(labels, values) == task


@pytest.mark.parametrize(
    ("labels", "values"),
    [
        ([3, 7, 3], [[2.9], [7.1], [3.3]]),
        ([[0.5, 0.5], [0.1, 0.9], [1, 0]], SOFTMAX),
        ([[5, 3, 1], [1, 2, 1], [1, 2, 2]], SOFTMAX),
    ],
)
def test_what_could_be_two_things_is_asked(labels, values):
    with pytest.raises(LabelError) as caught:
        find(labels, values)
    assert "--task" in caught.value.hint


def test_names():
    check_task("auto")
    with pytest.raises(UsageError, match="'ranking'") as caught:
        check_task("ranking")
    assert "multilabel" in caught.value.hint
