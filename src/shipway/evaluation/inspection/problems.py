"""Rows that the reader could not use, as findings: missing, unreadable, no number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from shipway.evaluation.data.base import Finding, Problem
from shipway.evaluation.inspection.wording import MOST_EXAMPLES, counted

_WORDS: Final = {
    "missing": "without a value",
    "unreadable": "cannot be read",
    "not-a-number": "with something that is no number",
    "not-finite": "with NaN or infinity",
}
_REMEDIES: Final = {
    "missing": "Fill them in as for training, or go on without these rows: --drop-bad.",
    "unreadable": "Copy the files again, or go on without them: --drop-bad.",
    "not-a-number": "Mend the cells, or go on without these rows: --drop-bad.",
    "not-finite": "Fill them in as for training, or go on without these rows: --drop-bad.",
}


@dataclass
class _Group:
    count: int = 0
    last_row: int = -1
    examples: list[str] = field(default_factory=list)


class ProblemLog:
    """Counts rows by column and kind; keeps a few of each with their words."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str], _Group] = {}

    def note(self, problems: Iterable[Problem], counts: Mapping[tuple[str, str], int] | None = None) -> None:
        """In the file's order, so that a row with two in one column counts once.

        `counts`: (column, kind) → rows, where `problems` are only the first of them.
        """
        for problem in problems:
            group = self._groups.setdefault((problem.column, problem.kind), _Group())
            if problem.row == group.last_row:
                continue
            group.last_row = problem.row
            group.count += 1
            if len(group.examples) < MOST_EXAMPLES:
                group.examples.append(f"row {problem.row}: {problem.words}")
        for key, count in (counts or {}).items():
            group = self._groups.setdefault(key, _Group())
            group.count = max(group.count, count)

    def findings(self, total: int, *, without: frozenset[str]) -> Iterator[Finding]:
        """`without`: columns whose NaN and infinity the values themselves have told already."""
        for (column, kind), group in self._groups.items():
            if kind == "not-finite" and column in without:
                continue
            yield Finding(
                kind,
                "error",
                column,
                count=group.count,
                of=total,
                examples=tuple(group.examples),
                words=f"{column}: {counted(group.count, 'row')} of {total} {_WORDS.get(kind, 'cannot be used')}.",
                remedy=_REMEDIES.get(kind, "Mend them, or go on without these rows: --drop-bad."),
            )
