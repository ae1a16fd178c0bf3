"""How the suites of the torch formats ask a source and what was made of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from shipway.sources.detect import open_source
from shipway.types import Tensors

SIZES = ((1, 1), (2, 9), (3, 30), (7, 2))
"""Rows and length of the cases; a model of fixed sizes gets its own."""


def quiet(text: str) -> None:
    assert text


def cases_for(inputs, sizes=SIZES) -> dict[str, Tensors]:
    return {f"{rows}x{length}": _case(inputs, rows, length) for rows, length in sizes}


def _case(inputs, rows: int, length: int) -> Tensors:
    rng = np.random.default_rng(100 * rows + length)
    found = {}
    for spec in inputs:
        shape = [rows if axis == 0 else length for axis in range(len(spec.shape))]
        shape = [s if isinstance(s, int) else free for s, free in zip(spec.shape, shape, strict=True)]
        kind = spec.dtype.numpy
        if kind.kind == "b":
            found[spec.name] = np.arange(np.prod(shape)).reshape(shape) % 5 == 4
        elif kind.kind in "iu":
            found[spec.name] = rng.integers(0, 50, shape).astype(kind)
        else:
            found[spec.name] = rng.normal(size=shape).astype(kind)
    return found


def edge_of(source, end: str, name: str):
    """The edge of that name from the source's format, as the ladder finds it."""
    ways = source.ways(end)
    return next(way.edges[0] for way in ways if way.name == name)


def assert_same(model: Path, reference, cases, *, atol: float = 2e-6):
    """The file answers as the reference did, and has its signature; gives its source."""
    source = open_source(model)
    try:
        answers = source.answer(cases, quiet)
    finally:
        source.close()
    assert answers.signature == reference.signature
    for case in cases:
        for name, array in reference.outputs[case].items():
            found = answers.outputs[case][name]
            assert found.dtype == array.dtype
            np.testing.assert_allclose(found, array, rtol=1e-4, atol=atol, err_msg=f"{case} {name}")
    return source
