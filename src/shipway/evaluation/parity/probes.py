"""The cases that parity is judged on: the user's rows first, generated ones where those are few, and the edges.

Real rows are what the model was trained for, and what a verdict should rest on; generated rows follow their
range and spread. Edge rows and odd batch sizes find what real rows hide: a batch size or a sequence length baked
into the converted file (pytorch/pytorch#157621, hqucms/weaver-core#29).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from shipway.evaluation.data.dataset import Dataset
from shipway.evaluation.parity.values import EDGE_KINDS, Spread, spread_of_data, spread_of_spec
from shipway.sources.workers.loaded import REQUEST
from shipway.types import Array, TensorSpec

ROWS = 256
CASE_BYTES = 160_000_000
"""256 rows of 224 × 224 × 3 float32 are 154 MB."""
GENERATED_BYTES = 32_000_000
"""Generated rows are made up to this; a model on large images is judged on its real rows, not on noise."""
FEWEST_GENERATED = 8
BATCH_SIZES = (1, 2, 3, 7)
SHORT = 2
"""The shortest size that free dimensions other than the rows are tried with; 1 is special to exporters and is
seen where the data has it."""
DEFAULT_SIZE = 16
DEFAULT_IMAGE_SIZE = 64
"""Free dimensions of inputs of rank 4 and more, without data to tell: nets pool such inputs several times."""

_OTHER_SIZES = ("short", "long", "uneven")


@dataclass(frozen=True)
class Cases:
    """Named sets of inputs. `described` says in words what they are, for verdicts to repeat."""

    inputs: dict[str, dict[str, Array]]
    """Case name → input name → `[rows, ...]`. Names: `real`, `generated`, `edge`, `batch-1` …, `short`,
    `long`; for a model with a fixed number of rows `real-001`, `real-002` …, one per run. For a model without
    rows each is one request, `[...]` as the model takes it: `request-real-001`, `request-edge-001` …"""
    main: str
    """The case with the rows to look at first: real ones where there are."""
    described: str
    has_data: bool
    """False: every row was generated."""

    @property
    def optional(self) -> frozenset[str]:
        """Cases that may be dropped where the source itself refuses them: sizes that nobody asked for."""
        return frozenset(name for name in self.inputs if kind_of(name) in _OTHER_SIZES)

    def main_like(self, tensors: Mapping[str, Mapping[str, Array]]) -> list[Mapping[str, Array]]:
        """Of tensors by case and name (inputs, or answers to them), those of `main` and its like, in order."""
        return [found for case, found in tensors.items() if kind_of(case) == kind_of(self.main)]

    def main_rows(self, tensors: Mapping[str, Mapping[str, Array]]) -> dict[str, Array]:
        """The rows of `main_like`, joined; for a model that has rows.

        With a fixed number of rows each run is a case of its own: `real-001`, `real-002` …
        """
        alike = self.main_like(tensors)
        if len(alike) == 1:
            return dict(alike[0])
        return {name: np.concatenate([found[name] for found in alike]) for name in alike[0]}


def kind_of(case: str) -> str:
    """The kind of a case by its name: `real`, `generated`, `edge`, `batch`, `short`, `long`, `uneven`."""
    return case.removeprefix(REQUEST).partition("-")[0]


def is_typical(case: str) -> bool:
    """True for rows as the model sees them in use, False for edges and unusual sizes."""
    return kind_of(case) not in ("edge", *_OTHER_SIZES)


def make_cases(
    inputs: tuple[TensorSpec, ...],
    dataset: Dataset | None,
    *,
    seed: int = 0,
    value_ranges: Mapping[str, tuple[float, float]] | None = None,
) -> Cases:
    """Cases for a model that has rows (`Signature.has_rows`) with these inputs, equal for equal arguments.

    `dataset` fits the inputs (`load_dataset`); `value_ranges` gives inclusive ranges by input name and serves
    only without data. Up to 256 rows a case and 160 MB; where the model's first axis is fixed, each case has
    just that many rows.
    """
    generator = np.random.default_rng(seed)
    real = {} if dataset is None else _choose_rows(dataset, generator)
    if real:
        spreads = {spec.name: spread_of_data(real[spec.name], spec) for spec in inputs}
    else:
        sizes = {spec.name: _sizes_without_data(spec) for spec in inputs}
        ranges = value_ranges or {}
        spreads = {
            spec.name: spread_of_spec(spec, sizes[spec.name], ranges.get(spec.name)) for spec in inputs
        }
    made = _generate(spreads, _rows_to_generate(spreads, _rows(real)), generator)
    edge = _edge_rows(spreads)
    pool = _concatenate(real, made)
    fixed = _fixed_rows(inputs)
    if fixed is None:
        cases = {
            **({"real": real} if real else {}),
            **({"generated": made} if _rows(made) else {}),
            "edge": edge,
        }
        cases.update(_batches(pool))
        cases.update(_other_sizes(inputs, pool))
    else:
        cases = {}
        for kind, rows in (("real", real), ("generated", made), ("edge", edge)):
            cases.update(_runs(kind, rows, fixed))
    words = _describe(_rows(real), _rows(made), _rows(edge), cases, fixed, value_ranges if not real else None)
    return Cases(inputs=cases, main=next(iter(cases)), described=words, has_data=bool(real))


def _edge_rows(spreads: Mapping[str, Spread]) -> dict[str, Array]:
    """One row for each kind of edge; every input takes the same kind in a row."""
    return {
        name: np.concatenate([spread.edge(kind)[None] for kind in EDGE_KINDS])
        for name, spread in spreads.items()
    }


def _choose_rows(dataset: Dataset, generator: np.random.Generator) -> dict[str, Array]:
    count = min(ROWS, dataset.rows, max(1, CASE_BYTES // dataset.row_bytes))
    if count == dataset.rows:
        return dict(dataset.inputs)
    return dataset.take(np.sort(generator.choice(dataset.rows, count, replace=False))).inputs


def _sizes_without_data(spec: TensorSpec) -> tuple[int, ...]:
    free = DEFAULT_IMAGE_SIZE if len(spec.shape) >= 4 else DEFAULT_SIZE
    return tuple(dim if isinstance(dim, int) else free for dim in spec.shape[1:])


def _rows_to_generate(spreads: Mapping[str, Spread], real_rows: int) -> int:
    row_bytes = max(1, sum(spread.row_bytes for spread in spreads.values()))
    bounded = max(FEWEST_GENERATED, GENERATED_BYTES // row_bytes)
    return max(0, min(ROWS - real_rows, bounded))


def _generate(spreads: Mapping[str, Spread], rows: int, generator: np.random.Generator) -> dict[str, Array]:
    return {name: spread.sample(rows, generator) for name, spread in spreads.items()}


def _batches(pool: dict[str, Array]) -> Iterator[tuple[str, dict[str, Array]]]:
    rows, start = _rows(pool), 0
    for size in BATCH_SIZES:
        chosen = (start + np.arange(size)) % rows
        yield f"batch-{size}", {name: array[chosen] for name, array in pool.items()}
        start += size


def _other_sizes(
    inputs: tuple[TensorSpec, ...], pool: dict[str, Array]
) -> Iterator[tuple[str, dict[str, Array]]]:
    """The rows cut and repeated along free dimensions, so that every value stays one the input can hold."""
    axes = {
        spec.name: [axis for axis, dim in enumerate(spec.shape) if axis and isinstance(dim, str)]
        for spec in inputs
    }
    if not any(axes.values()):
        return
    few = {name: array[:8] for name, array in pool.items()}
    for case in ("short", "long"):
        resized = dict(few)
        for spec in inputs:
            for axis in axes[spec.name]:
                resized[spec.name] = _resize(resized[spec.name], axis, case, image=len(spec.shape) >= 4)
        if any(resized[name].shape != few[name].shape for name in few):
            yield case, resized


def _resize(array: Array, axis: int, case: str, *, image: bool) -> Array:
    size = array.shape[axis]
    if case == "long":
        return np.concatenate([array, array], axis=axis)
    # Half an image is still pooled down to something; two pixels are not.
    shortest = max(SHORT, size // 2) if image else SHORT
    return array.take(range(min(size, shortest)), axis=axis)


def _fixed_rows(inputs: tuple[TensorSpec, ...]) -> int | None:
    """How many rows a run takes where the model says so: its fixed first axis."""
    return next((spec.shape[0] for spec in inputs if isinstance(spec.shape[0], int)), None)


def _runs(kind: str, rows: dict[str, Array], size: int) -> Iterator[tuple[str, dict[str, Array]]]:
    """Pieces of exactly `size` rows; the last is filled up with its last row."""
    count = _rows(rows)
    for number, start in enumerate(range(0, count, max(1, size)), start=1):
        chosen = np.minimum(np.arange(start, start + size), count - 1)
        yield f"{kind}-{number:03}", {name: array[chosen] for name, array in rows.items()}


def _rows(arrays: Mapping[str, Array]) -> int:
    return len(next(iter(arrays.values()))) if arrays else 0


def _concatenate(first: dict[str, Array], second: dict[str, Array]) -> dict[str, Array]:
    if not _rows(second):
        return first
    return second if not first else {name: np.concatenate([first[name], second[name]]) for name in first}


def _describe(
    real: int,
    made: int,
    edge: int,
    cases: Mapping[str, object],
    fixed: int | None,
    ranges: Mapping[str, tuple[float, float]] | None,
) -> str:
    parts = [f"{real} rows of the data"] if real else []
    if made and real:
        parts.append(f"{made} generated in their range and spread")
    elif made:
        parts.append(
            f"{made} generated rows ({'in the known ranges' if ranges else 'random'}; no data was given)"
        )
    parts.append(f"{edge} edge rows")
    if fixed is not None:
        parts.append(f"in runs of {fixed}, which the model's first axis is fixed at")
    else:
        parts.append(f"batches of {', '.join(str(size) for size in BATCH_SIZES)}")
    sizes = {"short": "cut short", "long": "doubled in length"}
    parts.extend(words for case, words in sizes.items() if case in cases)
    return ", ".join(parts)
