"""The findings in one line, as every evaluation ends with it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from shipway.evaluation.data.base import Finding
from shipway.evaluation.inspection.wording import counted

_MOST_TOLD: Final = 3
_PHRASES: Final = {
    "duplicates": "{count} duplicate rows",
    "near-duplicates": "{count} near-duplicate rows",
    "contradicting-labels": "{count} equal rows with different labels",
    "leakage": "{count} rows also in the {where}",
    "constant": "{count} constant in {where}",
    "constant-rows": "{count} rows of one value",
    "not-finite": "{count} rows with NaN or infinity",
    "missing": "{count} rows without {where}",
    "unreadable": "{count} unreadable rows",
    "not-a-number": "{count} rows of no number in {where}",
    "range": "range of {where}",
    "absent-class": "{count} classes absent",
    "class-balance": "unbalanced classes",
    "label-range": "{count} labels out of range",
    "label-form": "{count} labels of no class",
    "label-leak": "a column gives the label away",
    "empty-text": "{count} empty texts",
    "damaged-text": "{count} damaged texts",
    "mojibake": "{count} texts in a wrong encoding",
    "image-mode": "mixed color modes",
}


def short(findings: Iterable[Finding]) -> str:
    """`data: 2 warnings (12 duplicate rows, class 7 has 3 rows); see --inspect-data`; errors come first.

    Notes are counted only where there is nothing else; empty where nothing was found.
    """
    found = list(findings)
    grave = [finding for finding in found if finding.severity != "note"]
    if not grave:
        return f"data: {counted(len(found), 'note')}; see --inspect-data" if found else ""
    counts = [
        counted(sum(finding.severity == severity for finding in grave), severity)
        for severity in ("error", "warning")
        if any(finding.severity == severity for finding in grave)
    ]
    ordered = sorted(grave, key=lambda finding: finding.severity != "error")
    phrases = [_phrase(finding) for finding in ordered[:_MOST_TOLD]]
    more = ", …" if len(ordered) > _MOST_TOLD else ""
    return f"data: {' and '.join(counts)} ({', '.join(phrases)}{more}); see --inspect-data"


def _phrase(finding: Finding) -> str:
    if finding.kind == "rare-class" and finding.where != "labels":
        return f"{finding.where} has {counted(finding.count, 'row')}"
    if finding.kind == "rare-class":
        return f"{finding.count} classes have few rows"
    words = _PHRASES.get(finding.kind, "{count} × {kind} in {where}")
    told = words.format(count=finding.count, where=finding.where, kind=finding.kind)
    return _singular(told) if finding.count == 1 else told


def _singular(told: str) -> str:
    """`1 duplicate rows` → `1 duplicate row`."""
    for many, one in ((" rows", " row"), (" classes", " class"), (" labels", " label"), (" texts", " text")):
        told = told.replace(many, one, 1)
    return told
