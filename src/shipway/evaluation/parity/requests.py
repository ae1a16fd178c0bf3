"""The cases of a model without rows: every one is a request that is asked whole.

A scalar beside a batch or a mean over it leaves nothing that could be cut into rows, so what varies here is the
request: its values, and the size of each free dimension in turn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from shipway.evaluation.data.dataset import Dataset
from shipway.evaluation.parity.probes import (
    BATCH_SIZES,
    CASE_BYTES,
    DEFAULT_IMAGE_SIZE,
    DEFAULT_SIZE,
    FEWEST_GENERATED,
    GENERATED_BYTES,
    SHORT,
    Cases,
)
from shipway.evaluation.parity.values import EDGE_KINDS, Spread, spread_of_data, spread_of_spec
from shipway.sources.workers.loaded import REQUEST
from shipway.types import Array, TensorSpec

REQUESTS = 48
DEFAULT_ROWS = 4
"""Of a free first axis, without data to tell. Unequal to every size in `BATCH_SIZES`, so all of those are new."""
Request = dict[str, Array]
Sizes = Mapping[str, int]
"""Free dimension → its size in a request."""


def make_requests(
    inputs: tuple[TensorSpec, ...],
    dataset: Dataset | None,
    *,
    seed: int = 0,
    value_ranges: Mapping[str, tuple[float, float]] | None = None,
) -> Cases:
    """Cases for a model with these inputs, equal for equal arguments; the counterpart of `probes.make_cases`.

    `dataset` holds `[requests, *shape]` by input (`load_dataset(…, has_rows=False)`). The requests of the main
    kind have equal sizes; `batch-N` has N along every free first axis, `short` and `long` other sizes of the
    other free dimensions, `uneven` unequal ones of first axes that go by unequal names.
    """
    generator = np.random.default_rng(seed)
    real = [] if dataset is None else _choose(dataset, generator)
    spreads = _spreads(inputs, real, value_ranges or {})
    request_bytes = max(1, sum(spread.row_bytes for spread in spreads.values()))
    wanted = min(REQUESTS - len(real), max(FEWEST_GENERATED, GENERATED_BYTES // request_bytes))
    made = _generate(spreads, wanted, generator)
    edges = [{name: np.asarray(spread.edge(kind)) for name, spread in spreads.items()} for kind in EDGE_KINDS]
    cases = dict(_numbered((("real", real), ("generated", made), ("edge", edges))))
    cases.update(_other_sizes(inputs, [*real, *made]))
    return Cases(
        inputs=cases,
        main=next(iter(cases)),
        described=_describe(len(real), len(made), len(edges), cases, has_ranges=bool(value_ranges)),
        has_data=bool(real),
    )


def _choose(dataset: Dataset, generator: np.random.Generator) -> list[Request]:
    count = min(REQUESTS, dataset.rows, max(1, CASE_BYTES // dataset.row_bytes))
    chosen = dataset.take(np.sort(generator.choice(dataset.rows, count, replace=False))).inputs
    return [{name: array[number, ...] for name, array in chosen.items()} for number in range(count)]


def _spreads(
    inputs: tuple[TensorSpec, ...], real: list[Request], ranges: Mapping[str, tuple[float, float]]
) -> dict[str, Spread]:
    if real:
        return {
            spec.name: spread_of_data(np.stack([request[spec.name] for request in real]), spec)
            for spec in inputs
        }
    sizes = _default_sizes(inputs)
    return {
        spec.name: spread_of_spec(
            spec,
            tuple(dim if isinstance(dim, int) else sizes[dim] for dim in spec.shape),
            ranges.get(spec.name),
        )
        for spec in inputs
    }


def _default_sizes(inputs: tuple[TensorSpec, ...]) -> Sizes:
    sizes: dict[str, int] = {}
    for spec in inputs:
        other = DEFAULT_IMAGE_SIZE if len(spec.shape) >= 4 else DEFAULT_SIZE
        for axis, dim in enumerate(spec.shape):
            if isinstance(dim, str):
                sizes.setdefault(dim, other if axis else DEFAULT_ROWS)
    return sizes


def _generate(spreads: Mapping[str, Spread], count: int, generator: np.random.Generator) -> list[Request]:
    arrays = {name: spread.sample(max(0, count), generator) for name, spread in spreads.items()}
    return [{name: array[number, ...] for name, array in arrays.items()} for number in range(max(0, count))]


def _numbered(kinds: tuple[tuple[str, list[Request]], ...]) -> Iterator[tuple[str, Request]]:
    for kind, requests in kinds:
        for number, request in enumerate(requests, start=1):
            yield f"{REQUEST}{kind}-{number:03}", request


def _other_sizes(inputs: tuple[TensorSpec, ...], requests: list[Request]) -> Iterator[tuple[str, Request]]:
    """Requests cut and repeated along free dimensions, so that every value stays one the input can hold."""
    for number, (case, sizes) in enumerate(_sizes_to_try(inputs, _sizes_of(inputs, requests[0]))):
        request = requests[number % len(requests)]
        yield f"{REQUEST}{case}", {spec.name: _resize(request[spec.name], spec, sizes) for spec in inputs}


def _sizes_of(inputs: tuple[TensorSpec, ...], request: Request) -> Sizes:
    """As a request has them, but for dimensions of which it has nothing that could be cut or repeated."""
    return {
        dim: size
        for spec in inputs
        for dim, size in zip(spec.shape, request[spec.name].shape, strict=True)
        if isinstance(dim, str) and size
    }


def _sizes_to_try(inputs: tuple[TensorSpec, ...], usual: Sizes) -> Iterator[tuple[str, Sizes]]:
    firsts = [spec.shape[0] for spec in inputs if spec.shape and isinstance(spec.shape[0], str)]
    first = [dim for dim in dict.fromkeys(map(str, firsts)) if dim in usual]
    others = [dim for dim in usual if dim not in first]
    if first:
        for size in BATCH_SIZES:
            yield f"batch-{size}", dict.fromkeys(first, size)
    if len(first) > 1:
        yield "uneven", {dim: 2 + number for number, dim in enumerate(first)}
    images = {dim for spec in inputs if len(spec.shape) >= 4 for dim in spec.shape}
    # Half an image is still pooled down to something; two pixels are not.
    short = {dim: max(SHORT, usual[dim] // 2) if dim in images else SHORT for dim in others}
    short = {dim: min(size, usual[dim]) for dim, size in short.items()}
    if any(short[dim] != usual[dim] for dim in others):
        yield "short", short
    if others:
        yield "long", {dim: 2 * usual[dim] for dim in others}


def _resize(array: Array, spec: TensorSpec, sizes: Sizes) -> Array:
    for axis, dim in enumerate(spec.shape):
        if isinstance(dim, str) and dim in sizes:
            array = array.take(np.arange(sizes[dim]) % array.shape[axis], axis=axis)
    return array


def _describe(real: int, made: int, edge: int, cases: Mapping[str, object], *, has_ranges: bool) -> str:
    parts = [f"{real} requests of the data"] if real else []
    if made and real:
        parts.append(f"{made} generated in their range and spread")
    elif made:
        known = "in the known ranges" if has_ranges else "random"
        parts.append(f"{made} generated requests ({known}; no data was given)")
    parts.append(f"{edge} edge requests")
    sizes = {
        "batch-1": f"{', '.join(map(str, BATCH_SIZES))} along the first axis",
        "uneven": "unequal first axes",
        "short": "cut short",
        "long": "doubled in length",
    }
    parts.extend(words for case, words in sizes.items() if f"{REQUEST}{case}" in cases)
    return ", ".join(parts)
