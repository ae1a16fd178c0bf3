"""Runs a predictor over many rows in pieces that fit in memory, and over the cases that verdicts need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from shipway.bundle.golden import stack_answers
from shipway.sources.workers.loaded import is_request
from shipway.types import Array, Signature, Tensors

Run = Callable[[Tensors], dict[str, Array]]
_PIECE_ROWS = 32
_PIECE_BYTES = 64 * 2**20


def run_rows(run: Run, signature: Signature, inputs: Tensors) -> dict[str, Array]:
    """All rows through `run`, a piece at a time; outputs joined along the first axis.

    Where the batch axis is fixed at k, pieces of k rows are run, the last one filled up with its last row.
    An output that a piece lacks is left out, and one whose pieces do not join is empty: no verdict passes either.
    """
    return run_blocks(run, signature, [inputs])


def run_blocks(run: Run, signature: Signature, blocks: Iterable[Tensors]) -> dict[str, Array]:
    """The same for rows that come a block at a time, so that only the answers need memory."""
    pieces = _pieces(signature, blocks)
    # map: the inputs of a piece are let go of before the next is made
    answers = list(map(lambda piece: (run(piece[0]), piece[1]), pieces))  # noqa: C417
    rows = sum(count for _, count in answers)
    joined = join_rows([answer for answer, _ in answers])
    return {name: array[:rows] for name, array in joined.items()}


def run_requests(run: Run, inputs: Tensors) -> dict[str, Array]:
    """Requests of a model without rows, `[requests, *shape]` by input, one by one; outputs stacked the same way.

    An output whose answers differ in shape is empty, as in `run_rows`.
    """
    count = len(next(iter(inputs.values())))
    return stack_answers([run({n: a[number, ...] for n, a in inputs.items()}) for number in range(count)])


def join_rows(answers: Sequence[Tensors]) -> dict[str, Array]:
    """Rows of several answers one under the other, output by output; see `run_rows` for answers that differ."""
    names = [name for name in answers[0] if all(name in answer for answer in answers)]
    return {name: _join([answer[name] for answer in answers]) for name in names}


def _join(pieces: Sequence[Array]) -> Array:
    if len({piece.shape[1:] for piece in pieces}) > 1 or pieces[0].ndim == 0:
        return np.empty(0, dtype=pieces[0].dtype)
    return np.concatenate(pieces)


def explain_answer(found: Tensors, signature: Signature, *, rows: int | None) -> str | None:
    """Says in one line why an answer to `rows` rows has not the form that the signature promises, or None.

    `rows` is None for a request of a model without rows.
    """
    for spec in signature.outputs:
        array = found.get(spec.name)
        if array is None:
            return f"output {spec.name!r} is missing"
        problem = spec.explain_mismatch(array.dtype, array.shape)
        if problem:
            return problem
        if rows is not None and array.shape[:1] != (rows,):
            return f"{spec.name}: the shape {list(array.shape)} to {rows} rows that were asked"
    return None


def run_cases(run: Run, signature: Signature, cases: Mapping[str, Tensors]) -> dict[str, dict[str, Array]]:
    """Every case; whole requests, and those named `batch-…`, whose point is the batch's size, in one piece."""
    return {
        name: run(inputs)
        if is_request(name) or name.startswith("batch-")
        else run_rows(run, signature, inputs)
        for name, inputs in cases.items()
    }


def _pieces(signature: Signature, blocks: Iterable[Tensors]) -> Iterator[tuple[Tensors, int]]:
    """What is run at once, and how many rows of it are real."""
    first = signature.inputs[0].shape[0] if signature.inputs[0].shape else None
    if isinstance(first, int):
        yield from _filled_pieces(blocks, first)
        return
    for block in blocks:
        rows = len(next(iter(block.values())))
        row_bytes = max(sum(array.nbytes for array in block.values()) // max(rows, 1), 1)
        size = max(1, min(_PIECE_ROWS, _PIECE_BYTES // row_bytes))
        for start in range(0, rows, size):
            piece = {name: array[start : start + size] for name, array in block.items()}
            yield piece, min(size, rows - start)


def _filled_pieces(blocks: Iterable[Tensors], size: int) -> Iterator[tuple[Tensors, int]]:
    """Pieces of `size` rows across the blocks; the last one is filled up with its last row."""
    left: Tensors = {}
    for block in blocks:
        joined = {n: np.concatenate([left[n], a]) for n, a in block.items()} if left else block
        rows = len(next(iter(joined.values())))
        whole = rows - rows % size
        for start in range(0, whole, size):
            yield {name: array[start : start + size] for name, array in joined.items()}, size
        left = {name: array[whole:] for name, array in joined.items()} if whole < rows else {}
    if left:
        count = len(next(iter(left.values())))
        yield (
            {n: np.concatenate([a, np.repeat(a[-1:], size - count, axis=0)]) for n, a in left.items()},
            count,
        )
