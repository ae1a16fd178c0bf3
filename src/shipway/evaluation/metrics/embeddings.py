"""Do two variants embed alike? Angles between their vectors, and whether neighbors stay neighbors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

from shipway.bundle.evidence import Estimate, Json
from shipway.errors import DataEmptyError, DataMismatchError
from shipway.evaluation.metrics.bootstrap import SEED, RowBootstrap, mean_estimate, share_estimate
from shipway.evaluation.statistics import percentile_interval
from shipway.types import Array

RECALLS = (1, 10)
MOST_QUERIES = 2_000
BLOCK_ROWS = 256


@dataclass(frozen=True)
class EmbeddingAgreement:
    """How alike two arrays of vectors are."""

    metrics: dict[str, Estimate]
    """`cosine_mean`, `cosine_q1`, `cosine_min`, `recall_at[1]`, `recall_at[10]`."""
    rows: int
    queries: int
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """All of it."""
        return {
            "rows": self.rows,
            "queries": self.queries,
            "metrics": {name: estimate.to_json() for name, estimate in self.metrics.items()},
            "notes": list(self.notes),
        }


def embedding_agreement(first: Array, second: Array) -> EmbeddingAgreement:
    """Compares two variants' vectors of the same rows, `[rows, dim]` each.

    Cosines are those of a row's two vectors. `recall_at[k]` is the share of a row's k nearest other rows (by
    cosine) in `first` that are among its k nearest in `second`, over at most 2,000 rows drawn with a fixed seed.
    Zero vectors and those with NaN or infinity have no direction: their rows are left out, with a note. Raises
    `DataMismatchError`, `DataEmptyError`.
    """
    if first.ndim != 2 or first.shape != second.shape:
        raise DataMismatchError(
            f"Embeddings are compared as [rows, dim], both alike; found {list(first.shape)} and "
            f"{list(second.shape)}.",
            hint="Flatten further axes, and give both variants the same rows.",
        )
    if not len(first):
        raise DataEmptyError("There is no row to compare.", hint="Give data with at least one row.")
    kept = _has_direction(first) & _has_direction(second)
    notes = []
    if not kept.all():
        rows = np.flatnonzero(~kept)
        notes.append(
            f"{rows.size} rows (first: {rows[0]}) are answered with a zero vector, NaN or infinity: their cosine "
            "is undefined, and they are left out"
        )
    a, b = (_of_length_one(array[kept]) for array in (first, second))
    metrics = _cosines(np.clip(np.einsum("ij,ij->i", a, b), -1.0, 1.0))
    queries = _queries(len(a))
    for k in RECALLS:
        if len(a) <= k:
            metrics[f"recall_at[{k}]"] = Estimate(None)
            notes.append(f"recall_at[{k}] is undefined: it needs more than {k} rows with a direction")
            continue
        metrics[f"recall_at[{k}]"] = _recall(a, b, queries, k)
    return EmbeddingAgreement(metrics, len(first), len(queries), tuple(notes))


def _of_length_one(array: Array) -> NDArray[np.float64]:
    vectors = array.astype(np.float64)
    return np.asarray(normalize(vectors)) if len(vectors) else vectors


def _has_direction(array: Array) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(array).all(axis=1) & array.any(axis=1))


def _cosines(cosines: NDArray[np.float64]) -> dict[str, Estimate]:
    if not cosines.size:
        return {name: Estimate(None) for name in ("cosine_mean", "cosine_q1", "cosine_min")}
    mean = mean_estimate(float(cosines.mean()), cosines, RowBootstrap(cosines.size), limits=(-1, 1))
    low_tail = Estimate(*percentile_interval(np.sort(cosines), 1))
    # The least of the rows seen bounds no other row's: it has no interval.
    return {"cosine_mean": mean, "cosine_q1": low_tail, "cosine_min": Estimate(float(cosines.min()))}


def _queries(rows: int) -> NDArray[np.int64]:
    if rows <= MOST_QUERIES:
        return np.arange(rows)
    return np.sort(np.random.default_rng(SEED).choice(rows, MOST_QUERIES, replace=False))


def _recall(a: NDArray[np.float64], b: NDArray[np.float64], queries: NDArray[np.int64], k: int) -> Estimate:
    kept = _shared_neighbors(a, b, queries, k)
    if k == 1:
        return share_estimate(int(kept.sum()), kept.size)
    shares = kept / k
    return mean_estimate(float(shares.mean()), shares, RowBootstrap(shares.size), limits=(0, 1))


def _shared_neighbors(
    a: NDArray[np.float64], b: NDArray[np.float64], queries: NDArray[np.int64], k: int
) -> NDArray[np.float64]:
    """How many of each query's k nearest other rows in `a` are so in `b`, `[queries]`.

    Of vectors of length 1 the nearest by Euclid is the nearest by cosine; scikit-learn's brute force takes them
    block by block.
    """
    indexes = [NearestNeighbors(n_neighbors=k + 1, algorithm="brute").fit(side) for side in (a, b)]
    found = np.zeros(queries.size)
    for start in range(0, queries.size, BLOCK_ROWS):
        block = queries[start : start + BLOCK_ROWS]
        near = [
            _without_self(index.kneighbors(side[block], return_distance=False), block)
            for index, side in zip(indexes, (a, b), strict=True)
        ]
        found[start : start + BLOCK_ROWS] = (near[0][:, :, None] == near[1][:, None, :]).sum(axis=(1, 2))
    return found


def _without_self(neighbors: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The k nearest but the row itself, which equal vectors may push off the first place or off the list."""
    is_self = neighbors == rows[:, None]
    is_self[~is_self.any(axis=1), -1] = True
    return np.asarray(neighbors[~is_self].reshape(len(rows), -1))
