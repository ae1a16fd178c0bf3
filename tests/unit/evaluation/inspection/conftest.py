"""Feeds an inspector as a reading does, a block at a time, and gives what it found by kind."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from shipway.evaluation.data.base import Finding
from shipway.evaluation.data.split import hash_rows
from shipway.evaluation.inspection.inspector import Inspector
from shipway.types import Array, DType, TensorSpec


@pytest.fixture
def inspect() -> Callable[..., tuple[Finding, ...]]:
    """`inspect(x or {name: array}, labels, task=..., block=..., first_row=..., trained=..., …)`."""

    def inspect(
        inputs: Array | Mapping[str, Array],
        labels: Array | list | None = None,
        *,
        block: int = 400,
        first_row: int = 0,
        settings: dict | None = None,
        **more,
    ) -> tuple[Finding, ...]:
        arrays = dict(inputs) if isinstance(inputs, Mapping) else {"x": inputs}
        labels = None if labels is None else np.asarray(labels)
        specs = tuple(TensorSpec(n, DType.of(a.dtype), ("batch", *a.shape[1:])) for n, a in arrays.items())
        inspector = Inspector(specs, **(settings or {}))
        rows = len(next(iter(arrays.values())))
        for start in range(0, rows, block):
            part = {name: array[start : start + block] for name, array in arrays.items()}
            mine = None if labels is None else labels[start : start + block]
            numbers = np.arange(start, min(rows, start + block)) + first_row
            inspector.see(part, mine, hash_rows(part), numbers)
        return inspector.findings(**more)

    return inspect
