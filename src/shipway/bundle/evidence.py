"""Verdicts and measurements, bound by digest to the files and the data that they speak of.

The words only: rules that reach a verdict live in `evaluation/`, and nothing here imports more than the
standard library.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Json = Any
"""A value that JSON can hold: None, bool, int, float (finite), str, list or dict of these."""


class Result(StrEnum):
    """What a verdict says. There is no "succeeded with warnings"."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a password
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"


@dataclass(frozen=True)
class Verdict:
    """One judgement: by which rule, on what, with which figures and why."""

    rule: str
    subject: str
    result: Result
    reason: str
    figures: Mapping[str, Json] = field(default_factory=dict)

    def to_json(self) -> dict[str, Json]:
        """The form that `--json` prints and evidence files hold."""
        return {
            "rule": self.rule,
            "subject": self.subject,
            "result": str(self.result),
            "figures": dict(self.figures),
            "reason": self.reason,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> Verdict:
        """Reads what `to_json` wrote. Raises `KeyError` or `ValueError` on another form."""
        return cls(
            rule=value["rule"],
            subject=value["subject"],
            result=Result(value["result"]),
            reason=value["reason"],
            figures=dict(value["figures"]),
        )


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval; None where the figure is undefined (never 0 or 1 in silence)."""

    value: float | None
    low: float | None = None
    high: float | None = None

    def to_json(self) -> dict[str, float | None]:
        """`{"value", "low", "high"}`."""
        return {"value": self.value, "low": self.low, "high": self.high}


def overall(verdicts: Iterable[Verdict]) -> Result:
    """The worst of several: FAIL over INCONCLUSIVE over PASS; PASS for none."""
    results = {verdict.result for verdict in verdicts}
    for result in (Result.FAIL, Result.INCONCLUSIVE):
        if result in results:
            return result
    return Result.PASS


@dataclass(frozen=True)
class Evidence:
    """One finding, bound to what it speaks of. In a bundle: `evidence/SHA.json`."""

    kind: str
    """`"verdict"`, `"metrics"` or `"measurement"`."""
    subject: Mapping[str, Json]
    """The variant's id and its files' digests: `{"variant": ..., "files": {path: sha256}}`."""
    data: Mapping[str, Json] | None
    """What it was judged on: `{"sha256", "rows", "origin"}`; None where no data took part."""
    content: Mapping[str, Json]
    """The verdict, the metrics or the measurements."""

    def to_json(self) -> dict[str, Json]:
        """As the evidence file holds it."""
        return {
            "kind": self.kind,
            "subject": dict(self.subject),
            "data": None if self.data is None else dict(self.data),
            "content": dict(self.content),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> Evidence:
        """Reads what `to_json` wrote. Raises `KeyError` or `TypeError` on another form."""
        return cls(
            kind=value["kind"],
            subject=dict(value["subject"]),
            data=None if value["data"] is None else dict(value["data"]),
            content=dict(value["content"]),
        )
