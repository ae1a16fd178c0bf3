"""The reader's problems as findings: by column and kind, each row once."""

from shipway.evaluation.data.base import Problem
from shipway.evaluation.inspection.problems import ProblemLog


def test_rows_are_counted_by_column_and_kind():
    log = ProblemLog()
    log.note([Problem(row, "age", "not-a-number", f"'{row}x' is no number") for row in range(3, 10)])
    log.note(
        [
            Problem(9, "age", "not-a-number", "again"),
            Problem(4, "image", "unreadable", "cat/4.png is no image"),
        ]
    )
    age, image = log.findings(50, without=frozenset())
    assert (age.kind, age.where, age.count, age.of, age.severity) == ("not-a-number", "age", 7, 50, "error")
    assert age.examples[0] == "row 3: '3x' is no number"
    assert len(age.examples) == 5
    assert "--drop-bad" in age.remedy
    assert image.words == "image: 1 row of 50 cannot be read."


def test_nan_that_the_values_told_is_not_told_again():
    log = ProblemLog()
    log.note([Problem(1, "x", "not-finite", "NaN or infinity"), Problem(1, "x", "missing", "no value")])
    assert [finding.kind for finding in log.findings(5, without=frozenset({"x"}))] == ["missing"]


def test_counts_stand_in_for_problems_that_were_not_kept():
    log = ProblemLog()
    log.note([Problem(1, "x", "missing", "no value")], {("x", "missing"): 70_000, ("y", "unreadable"): 2})
    assert [(f.where, f.count, len(f.examples)) for f in log.findings(90_000, without=frozenset())] == [
        ("x", 70_000, 1),
        ("y", 2, 0),
    ]
