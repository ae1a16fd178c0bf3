"""Paired bootstrap of two models' figures: both are judged on the same resampled rows, so that what is hard
for both cancels.

Rows are not drawn one by one but counted: all that matters of a row is its label and the two decisions, and
drawing the table of those counts, label by label, is the same as drawing rows with replacement within each label.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from shipway.evaluation.comparison.differences import (
    UNBOUNDED,
    PairedDifference,
    acceleration_of,
    bootstrap_bounds,
    finite,
)

SEED = 20_261
REPLICATES = 10_000
FEWER_REPLICATES = 2_000
MANY_KINDS = 5_000
"""Kinds of rows (label, decision, decision) above which fewer replicates are drawn."""
MANY_ROWS = 5_000
"""Rows above which means of errors are drawn from their normal limit."""
BLOCK_BYTES = 16 << 20

SCORES = ("precision", "recall", "f1")
DECISION_METRICS = (
    *(f"{score}_{average}" for score in SCORES for average in ("macro", "weighted")),
    "balanced_accuracy",
    "mcc",
)
"""What `bootstrap_decisions` gives."""

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Values = dict[str, Floats]
"""By metric, one value for each replicate."""


def bootstrap_decisions(
    labels: Integers, a: Integers, b: Integers, *, class_count: int, replicates: int | None = None
) -> dict[str, PairedDifference]:
    """Macro and weighted precision, recall and F1, balanced accuracy and MCC of two models' decisions: class
    indices, `[rows]`, at least one.

    Values are scikit-learn's with `zero_division=0`; MCC is None where one side has one class only. Stratified
    by label; 10,000 replicates, 2,000 where rows are of more than 5,000 kinds. One row is one draw, whatever a
    row of the other model is.
    """
    table = _Table.of(labels, a, b, class_count)
    count = replicates or (REPLICATES if len(table.counts) <= MANY_KINDS else FEWER_REPLICATES)
    drawn = _joined([table.changes(counts) for counts in table.draw(count)])
    left_out = table.changes_without_each()
    before, after = table.values(table.counts[None], 0), table.values(table.counts[None], 1)
    found = {}
    for name, changes in drawn.items():
        a_value, b_value = (finite(float(side[name][0])) for side in (before, after))
        bounds = UNBOUNDED
        if a_value is not None and b_value is not None:
            skew = acceleration_of(left_out[name], table.counts, table.strata)
            bounds = bootstrap_bounds(b_value - a_value, changes, skew)
        found[name] = PairedDifference(name, a_value, b_value, bounds)
    return found


@dataclass(frozen=True)
class _Table:
    """How many rows there are of each kind, the kinds ordered by label."""

    label: Integers
    decisions: tuple[Integers, Integers]
    """Of A and of B."""
    counts: Integers
    strata: Integers
    """The labels, counted from 0 without gaps."""
    classes: int

    @classmethod
    def of(cls, labels: Integers, a: Integers, b: Integers, classes: int) -> _Table:
        kinds, counts = np.unique((labels * classes + a) * classes + b, return_counts=True)
        label = kinds // (classes * classes)
        strata = np.unique(label, return_inverse=True)[1]
        return cls(label, (kinds // classes % classes, kinds % classes), counts, strata, classes)

    def draw(self, replicates: int) -> Iterator[Integers]:
        """Tables of as many rows of each label, `[some, kinds]` at a time."""
        generator = np.random.default_rng(SEED)
        ends = np.flatnonzero(np.diff(self.strata)) + 1
        groups = np.split(self.counts, ends)
        size = self._block_rows()
        for start in range(0, replicates, size):
            some = min(size, replicates - start)
            yield np.concatenate(
                [generator.multinomial(group.sum(), group / group.sum(), size=some) for group in groups],
                axis=1,
            )

    def values(self, counts: Integers, side: int) -> Values:
        """One model's figures in each table of `counts`, `[some, kinds]`."""
        decision = self.decisions[side]
        return _averages(
            self._sum(counts, self.label, self.label == decision),
            self._sum(counts, self.label),
            self._sum(counts, decision),
        )

    def changes(self, counts: Integers) -> Values:
        """B's figures less A's."""
        before, after = self.values(counts, 0), self.values(counts, 1)
        return {name: after[name] - before[name] for name in after}

    def changes_without_each(self) -> Values:
        """The same with one row less, for each kind of row."""
        size = self._block_rows()
        blocks = [np.arange(start, len(self.counts))[:size] for start in range(0, len(self.counts), size)]
        return _joined([self._changes_without(kinds) for kinds in blocks])

    def _changes_without(self, kinds: Integers) -> Values:
        every, each = self.counts[None], np.arange(len(kinds))
        sides = []
        for decision in self.decisions:
            right = np.repeat(self._sum(every, self.label, self.label == decision), len(kinds), axis=0)
            labelled = np.repeat(self._sum(every, self.label), len(kinds), axis=0)
            decided = np.repeat(self._sum(every, decision), len(kinds), axis=0)
            right[each, self.label[kinds]] -= self.label[kinds] == decision[kinds]
            labelled[each, self.label[kinds]] -= 1
            decided[each, decision[kinds]] -= 1
            sides.append(_averages(right, labelled, decided))
        return {name: sides[1][name] - sides[0][name] for name in sides[0]}

    def _block_rows(self) -> int:
        return max(1, BLOCK_BYTES // (8 * max(len(self.counts), self.classes)))

    def _sum(self, counts: Integers, into: Integers, mask: NDArray[np.bool_] | None = None) -> Floats:
        """Counts by class, `[some, classes]`."""
        kinds = np.flatnonzero(mask) if mask is not None else np.arange(len(into))
        matrix = csr_matrix(
            (np.ones(len(kinds)), (kinds, into[kinds])), shape=(len(into), self.classes), dtype=np.float64
        )
        return np.asarray(counts @ matrix)


def _averages(right: Floats, labelled: Floats, decided: Floats) -> Values:
    """Macro and weighted precision, recall and F1, 0 where one has no denominator, as in scikit-learn's
    scorers; balanced accuracy and MCC."""
    present = (labelled + decided) > 0
    classes, rows = np.maximum(present.sum(axis=1), 1), np.maximum(labelled.sum(axis=1), 1)
    found = {}
    scores = (
        right / np.maximum(decided, 1),
        right / np.maximum(labelled, 1),
        2 * right / np.maximum(labelled + decided, 1),
    )
    for score, values in zip(SCORES, scores, strict=True):
        found[f"{score}_macro"] = (values * present).sum(axis=1) / classes
        found[f"{score}_weighted"] = (values * labelled).sum(axis=1) / rows
    found["balanced_accuracy"] = scores[1].sum(axis=1) / np.maximum((labelled > 0).sum(axis=1), 1)
    found["mcc"] = _matthews(right, labelled, decided)
    return found


def _matthews(right: Floats, labelled: Floats, decided: Floats) -> Floats:
    """Gorodkin's R_K (2004), which is scikit-learn's `matthews_corrcoef`; NaN where a side has one class."""
    total = labelled.sum(axis=1)
    spread = (total**2 - (labelled**2).sum(axis=1)) * (total**2 - (decided**2).sum(axis=1))
    above_chance = right.sum(axis=1) * total - (labelled * decided).sum(axis=1)
    root = np.sqrt(np.maximum(spread, 0))
    return np.asarray(np.divide(above_chance, root, out=np.full_like(root, np.nan), where=root > 0))


def _joined(blocks: list[Values]) -> Values:
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


@dataclass(frozen=True)
class ErrorDifference:
    """How much larger B's error is than A's."""

    absolute: PairedDifference
    """In the label's unit."""
    relative: PairedDifference
    """As a share of A's error: A is 1. None where A makes none."""


def bootstrap_errors(a: Floats, b: Floats, *, replicates: int = REPLICATES) -> dict[str, ErrorDifference]:
    """`mae` and `rmse` of two models' errors (prediction less label), `[rows]` or `[rows, outputs]`, finite.

    Of several outputs both are the means over the outputs, as scikit-learn's are; RMSE is then linear in the
    squares near its value (delta method). Above 5,000 rows the means are drawn from the normal distribution that
    they tend to, which takes no longer for more rows.
    """
    several = a.ndim == 2 and a.shape[1] > 1
    squares = [_root_terms(side) if several else _row_mean(side**2) for side in (a, b)]
    terms = np.stack([_row_mean(np.abs(a)), _row_mean(np.abs(b)), *squares], axis=1)
    means, drawn, left_out = _resampled(terms, replicates)
    roots = [
        part[..., 2:] if several else np.sqrt(np.maximum(part[..., 2:], 0))
        for part in (means, drawn, left_out)
    ]
    return {
        "mae": _error_difference("mae", means[:2], drawn[:, :2], left_out[:, :2]),
        "rmse": _error_difference("rmse", *roots),
    }


def bootstrap_means(metric: str, a: Floats, b: Floats, *, replicates: int = REPLICATES) -> PairedDifference:
    """A figure that is the mean of one term a row, `[rows]` each, finite: log loss, Brier, Hamming loss."""
    means, drawn, left_out = _resampled(np.stack([a, b], axis=1), replicates)
    return _error_difference(metric, means, drawn, left_out).absolute


def _resampled(terms: Floats, replicates: int) -> tuple[Floats, Floats, Floats]:
    """Means of the columns, the same of resampled rows `[replicates, terms]`, and without each row."""
    means = terms.mean(axis=0)
    drawn = _normal_means(terms, replicates) if len(terms) > MANY_ROWS else _drawn_means(terms, replicates)
    return means, drawn, (means * len(terms) - terms) / max(len(terms) - 1, 1)


def _root_terms(errors: Floats) -> Floats:
    """Terms, `[rows]`, whose mean is the mean over the outputs of their RMSE, and moves with the rows as it
    does."""
    squares = errors**2
    roots = np.sqrt(squares.mean(axis=0))
    shares = np.divide(squares, roots, out=np.zeros_like(squares), where=roots > 0)
    return np.asarray((shares + roots).mean(axis=1) / 2)


def _error_difference(metric: str, values: Floats, drawn: Floats, left_out: Floats) -> ErrorDifference:
    a, b = values.tolist()

    def difference(
        before: float | None, after: float | None, drawn: Floats, left_out: Floats
    ) -> PairedDifference:
        infinite = np.inf if b > a else 0.0
        value = infinite if before is None or after is None else after - before
        once = np.zeros(len(left_out), dtype=np.int64)
        skew = acceleration_of(left_out, np.ones_like(once), once) if np.isfinite(left_out).all() else np.nan
        return PairedDifference(metric, before, after, bootstrap_bounds(value, drawn, skew))

    return ErrorDifference(
        absolute=difference(a, b, drawn[:, 1] - drawn[:, 0], left_out[:, 1] - left_out[:, 0]),
        relative=difference(
            1.0 if a else None, b / a if a else None, _relative(drawn) - 1, _relative(left_out) - 1
        ),
    )


def _relative(pairs: Floats) -> Floats:
    """B's error as a share of A's; 1 where neither has any, infinite where only A has none."""
    before, after = pairs[:, 0], pairs[:, 1]
    share = np.where(after > 0, np.inf, 1.0)
    return np.divide(after, before, out=share, where=before > 0)


def _row_mean(values: Floats) -> Floats:
    return np.asarray(values.reshape(len(values), -1).mean(axis=1), dtype=np.float64)


def _drawn_means(terms: Floats, replicates: int) -> Floats:
    """Means over rows drawn with replacement, `[replicates, terms]`."""
    generator = np.random.default_rng(SEED)
    rows, size = len(terms), max(1, BLOCK_BYTES // (8 * len(terms)))
    columns, found = np.ascontiguousarray(terms.T), []
    for start in range(0, replicates, size):
        picked = generator.integers(rows, size=(min(size, replicates - start), rows), dtype=np.int32)
        found.append(np.stack([column[picked].mean(axis=1) for column in columns], axis=1))
    return np.concatenate(found)


def _normal_means(terms: Floats, replicates: int) -> Floats:
    """The same from the distribution that they tend to with many rows."""
    covariance = np.cov(terms, rowvar=False) / len(terms)
    generator = np.random.default_rng(SEED)
    return generator.multivariate_normal(terms.mean(axis=0), covariance, size=replicates, method="eigh")
