"""Figures in words."""

import pytest

from shipway.evaluation.comparison.wording import (
    change_in_words,
    example_cells,
    flips_in_words,
    is_better,
    latency_in_words,
    output_in_words,
    size_in_words,
)


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (None, "unknown"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (8_060, "8.06 kB"),
        (97_800_000, "97.8 MB"),
        (1_500_000_000_000, "1.5e+03 GB"),
    ],
)
def test_sizes(size, words):
    assert size_in_words(size) == words


def _row(metric, difference, low=None, high=None):
    return {"metric": metric, "difference": difference, "low": low, "high": high}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (_row("accuracy", -0.002, -0.0085, 0.0041), "-0.002 (-0.0085 to +0.0041)"),
        (_row("mcc", 0.01), "+0.01"),
        (_row("f1_macro", 0), "0"),
        (_row("accuracy", 0.0, -0.01, 0.01), "0 (-0.01 to +0.01)"),
        (_row("roc_auc", None), "undefined"),
    ],
)
def test_changes(row, words):
    assert change_in_words(row) == words


@pytest.mark.parametrize(
    ("row", "better"),
    [
        (_row("accuracy", 0.2, 0.1, 0.3), True),
        (_row("accuracy", -0.2, -0.3, -0.1), False),
        (_row("log_loss", 0.2, 0.1, 0.3), False),
        (_row("mae", -0.2, -0.3, -0.1), True),
        (_row("accuracy", 0.1, -0.1, 0.3), None),
        (_row("mcc", 0.1), None),
    ],
)
def test_better_is_less_of_an_error_and_more_of_the_rest(row, better):
    assert is_better(row) is better


def test_sentences():
    ratio = {"ratio": 0.5, "low": 0.4, "high": 0.6, "blocks": 20}
    assert "0.50 times A's time for a request (95 % interval 0.40 to 0.60" in latency_in_words(ratio)
    assert "too few blocks" in latency_in_words({**ratio, "low": None, "high": None})
    assert flips_in_words({"rows": 10, "flips": 2, "lost": None, "won": None}) == "2 of 10 decisions differ"
    output = {"name": "y", "rows": 3, "rows_differing": 1, "is_same": False}
    assert output_in_words({**output, "max_difference": 0.5, "scale": 2}) == (
        "output y: 1 of 3 rows differ, by at most 0.5 (A's values reach 2)"
    )
    assert output_in_words({**output, "max_difference": None, "scale": 2}) == "output y: 1 of 3 rows differ"
    example = {"row": 3, "label": None, "a": "cat", "b": "dog", "a_confidence": 0.731, "b_confidence": None}
    assert example_cells(example) == ("3", "", "cat (73%)", "dog")
