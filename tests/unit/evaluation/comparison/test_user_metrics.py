"""A metric of the user's, of both models: each with its own interval, the difference without one."""

import numpy as np
import pytest

from shipway.errors import UsageError
from shipway.evaluation.comparison.quality import compare_numbers
from shipway.evaluation.comparison.user_metrics import with_user_metrics

CODE = """
import numpy as np

def worst(labels, outputs):
    return {"worst": np.abs(labels - outputs[:, 0]).max()}

def taken(labels, outputs):
    return {"mae": 1.0}

def of_few(labels, outputs):
    return {"share": float("nan") if outputs.min() < -5 else 0.5}
"""
LABELS = np.linspace(0, 1, 60)
A = LABELS[:, None] + 0.1 * np.sin(np.arange(60))[:, None]
B = np.where(np.arange(60)[:, None] == 7, -9.0, A)


@pytest.fixture
def measured(tmp_path):
    (tmp_path / "mine.py").write_text(CODE)
    quality = compare_numbers(
        LABELS, A, B, decision_rule="", output_names=(), margin=0.01, subject="test", are_same=False
    )

    def measured(*names):
        asked = [f"{tmp_path / 'mine.py'}:{name}" for name in names]
        return with_user_metrics(
            quality, asked, LABELS, {"y": A}, {"y": B}, python=None, progress=lambda _: None
        )

    return measured


def test_both_models_are_measured(measured):
    found = measured("worst")
    own = found.differences[-1]
    assert (own.metric, own.bounds.low) == ("worst", None)
    assert own.a == pytest.approx(np.abs(LABELS - A[:, 0]).max())
    assert own.b == pytest.approx(np.abs(LABELS - B[:, 0]).max())
    assert found.b.metrics["worst"].low < found.b.metrics["worst"].value == own.b
    assert "worst: your metric is measured for one model at a time" in found.notes[-1]
    assert [one.metric for one in measured().differences] == [one.metric for one in found.differences[:-1]]


def test_undefined_for_one_of_them(measured):
    found = measured("of_few")
    own = found.differences[-1]
    assert (own.a, own.b, own.change) == (0.5, None, None)
    assert "B: share is undefined: the function returned no finite number" in found.notes


def test_a_name_that_is_taken(measured):
    with pytest.raises(UsageError, match="returns mae"):
        measured("taken")
