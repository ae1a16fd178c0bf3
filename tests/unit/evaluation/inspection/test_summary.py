"""The one line that every evaluation ends with."""

import numpy as np
import pytest

from shipway.evaluation.data.base import Finding
from shipway.evaluation.inspection.summary import short

rng = np.random.default_rng(12)


def finding(kind: str, severity: str = "warning", *, where: str = "rows", count: int = 12) -> Finding:
    return Finding(kind, severity, where, count, 100, (), "words", "remedy")


@pytest.mark.parametrize(
    ("findings", "line"),
    [
        ([], ""),
        ([finding("duplicates", "note")], "data: 1 note; see --inspect-data"),
        (
            [
                finding("duplicates"),
                finding("rare-class", where="class 7", count=3),
                finding("dtype", "note"),
            ],
            "data: 2 warnings (12 duplicate rows, class 7 has 3 rows); see --inspect-data",
        ),
        (
            [finding("near-duplicates", count=1), finding("label-range", "error", count=2)],
            "data: 1 error and 1 warning (2 labels out of range, 1 near-duplicate row); see --inspect-data",
        ),
        (
            [finding("leakage", where="other parts", count=1)],
            "data: 1 warning (1 row also in the other parts); see --inspect-data",
        ),
        (
            [finding("something-new", where="x")],
            "data: 1 warning (12 × something-new in x); see --inspect-data",
        ),
        (
            [finding(kind) for kind in ("constant-rows", "empty-text", "damaged-text")],
            "data: 3 warnings (12 rows of one value, 12 empty texts, 12 damaged texts); see --inspect-data",
        ),
        (
            [finding(kind, where="x") for kind in ("missing", "constant", "image-mode", "leakage")],
            "data: 4 warnings (12 rows without x, 12 constant in x, mixed color modes, …); see --inspect-data",
        ),
    ],
)
def test_lines(findings, line):
    assert short(findings) == line


def test_real_findings_make_a_line(inspect):
    table = rng.normal(size=(200, 4))
    table[100:112] = table[:12]
    labels = np.arange(200) % 2
    labels[100:112] = labels[:12]
    assert short(inspect(table, labels)) == "data: 1 warning (12 duplicate rows); see --inspect-data"
