"""What an action gives back: one value that Python callers read and that `--json` prints.

`docs/reference/json.md` is its page; scripts rely on its form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from shipway.bundle.evidence import Estimate, Json, Result, Verdict, overall
from shipway.bundle.store import Bundle

Word = Literal["PASS", "FAIL", "INCONCLUSIVE", "DONE"]


@dataclass(frozen=True)
class BundleRef:
    """Which bundle an outcome speaks of."""

    id: str
    path: Path

    @classmethod
    def of(cls, bundle: Bundle) -> BundleRef:
        """The reference to an open bundle."""
        return cls(id=bundle.id, path=bundle.path)


@dataclass(frozen=True)
class Outcome:
    """The result of a command."""

    verdicts: tuple[Verdict, ...] = ()
    metrics: Mapping[str, Estimate] = field(default_factory=dict)
    """Names as scikit-learn has them; per class `precision[NAME]`."""
    measurements: Mapping[str, Json] = field(default_factory=dict)
    bundle: BundleRef | None = None
    details: Mapping[str, Json] = field(default_factory=dict)
    """More that the command found, under the command's own keys."""
    accepted: frozenset[Result] = frozenset()
    """Verdicts other than PASS that the user decided to live with (`--accept`)."""

    @property
    def result(self) -> Word:
        """The worst verdict; `DONE` for a command that judges nothing."""
        if not self.verdicts:
            return "DONE"
        return overall(self.verdicts).value

    @property
    def is_fine(self) -> bool:
        """False when a verdict is not PASS and was not accepted."""
        return all(verdict.result in {Result.PASS} | self.accepted for verdict in self.verdicts)

    def to_json(self) -> dict[str, Json]:
        """The one document that `--json` prints."""
        return {
            "result": self.result,
            "verdicts": [verdict.to_json() for verdict in self.verdicts],
            "metrics": {name: estimate.to_json() for name, estimate in self.metrics.items()},
            "measurements": dict(self.measurements),
            "bundle": None if self.bundle is None else {"id": self.bundle.id, "path": str(self.bundle.path)},
            **self.details,
        }
