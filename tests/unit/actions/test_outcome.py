"""Outcomes: the worst verdict, what `accept` changes, and the document."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shipway.actions.outcome import BundleRef, Outcome
from shipway.bundle.evidence import Estimate, Result, Verdict

PASS, FAIL, INCONCLUSIVE = (Verdict("rule", "subject", result, "reason", {"n": 1}) for result in Result)


@pytest.mark.parametrize(
    ("verdicts", "accepted", "word", "is_fine"),
    [
        ((), (), "DONE", True),
        ((PASS, PASS), (), "PASS", True),
        ((PASS, INCONCLUSIVE), (), "INCONCLUSIVE", False),
        ((PASS, INCONCLUSIVE), (Result.INCONCLUSIVE,), "INCONCLUSIVE", True),
        ((INCONCLUSIVE, FAIL), (Result.INCONCLUSIVE,), "FAIL", False),
        ((FAIL,), (Result.FAIL,), "FAIL", True),
    ],
)
def test_the_word_is_the_worst_and_accepting_changes_only_whether_it_is_fine(
    verdicts: tuple[Verdict, ...], accepted: tuple[Result, ...], word: str, is_fine: bool
) -> None:
    outcome = Outcome(verdicts=verdicts, accepted=frozenset(accepted))
    assert outcome.result == word
    assert outcome.is_fine is is_fine
    assert outcome.to_json()["result"] == word


def test_the_document_is_plain_json() -> None:
    outcome = Outcome(
        verdicts=(PASS,),
        metrics={"accuracy": Estimate(0.5, 0.4, None)},
        measurements={"requests": 3},
        bundle=BundleRef("ab" * 32, Path("x.bundle")),
        details={"url": "http://x"},
    )
    assert json.loads(json.dumps(outcome.to_json(), allow_nan=False)) == {
        "result": "PASS",
        "verdicts": [
            {
                "rule": "rule",
                "subject": "subject",
                "result": "PASS",
                "figures": {"n": 1},
                "reason": "reason",
            }
        ],
        "metrics": {"accuracy": {"value": 0.5, "low": 0.4, "high": None}},
        "measurements": {"requests": 3},
        "bundle": {"id": "ab" * 32, "path": "x.bundle"},
        "url": "http://x",
    }
