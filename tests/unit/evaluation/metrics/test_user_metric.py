"""A user's own metric: right, with an interval, and blamed by its own lines where it fails."""

from __future__ import annotations

import numpy as np
import pytest

from shipway.errors import SourceNotFoundError, UsageError
from shipway.evaluation.metrics.user_metric import measure_user_metric
from shipway.sources.base import Limits

LABELS = np.arange(200) % 2
SCORES = (LABELS * 0.6 + np.linspace(0, 0.3, 200)).astype(np.float32)
CODE = """
import numpy as np

def cost(labels, outputs):
    return float(np.abs(labels - outputs).mean())

def several(labels, outputs):
    return {"first": outputs["a"].mean(), "nothing": float("nan")}

def text(labels, outputs):
    return "high"

def breaks(labels, outputs):
    return outputs["missing"]

def of_names(labels, outputs):
    return (labels == "cat").mean()
"""


@pytest.fixture
def measure(tmp_path):
    (tmp_path / "mine.py").write_text(CODE)

    def measure(name, labels=LABELS, **outputs):
        return measure_user_metric(
            f"{tmp_path / 'mine.py'}:{name}",
            labels,
            outputs or {"y": SCORES},
            python=None,
            limits=Limits(timeout_seconds=60),
            progress=lambda _: None,
        )

    return measure


def test_a_number_with_its_interval(measure):
    found, notes = measure("cost")
    value = float(np.abs(LABELS - SCORES).mean())
    assert found["cost"].value == pytest.approx(value)
    assert found["cost"].low < value < found["cost"].high
    half = 1.96 * np.abs(LABELS - SCORES).std() / np.sqrt(200)
    assert (found["cost"].high - found["cost"].low) / 2 == pytest.approx(half, rel=0.2)
    assert notes == ()
    assert measure("cost")[0] == found


def test_several_numbers_of_several_outputs_and_one_undefined(measure):
    found, notes = measure("several", a=SCORES, b=SCORES)
    assert found["first"].value == pytest.approx(SCORES.mean())
    assert found["nothing"].value is None
    assert notes == ("nothing is undefined: the function returned no finite number",)


def test_labels_may_be_names(measure):
    labels = np.array(["cat", "dog", "cat", "eel"] * 10, object)
    assert measure("of_names", labels, y=np.zeros((40, 3)))[0]["of_names"].value == 0.5


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("text", "returned str for 'text', no number"),
        ("breaks", "line 14"),
        ("absent", "has no function 'absent'"),
    ],
)
def test_what_is_no_metric(measure, name, words):
    with pytest.raises(UsageError, match=words) as failure:
        measure(name)
    assert failure.value.hint


def test_a_path_that_is_none():
    limits = Limits()
    with pytest.raises(UsageError, match=r"module\.py:function"):
        measure_user_metric("accuracy", LABELS, {}, python=None, limits=limits, progress=print)
    with pytest.raises(SourceNotFoundError):
        measure_user_metric("none.py:f", LABELS, {}, python=None, limits=limits, progress=print)
