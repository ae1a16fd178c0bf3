"""Ready means proven here: a version answers its golden samples on this machine before it answers anyone else.

Alone and in a batch, through the same check, queue, batcher and session that requests go through. A model without
rows is never batched: its golden requests are asked alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from shipway.bundle.evidence import Result
from shipway.bundle.golden import Golden, judge_golden, stack_answers
from shipway.errors import ShipwayError
from shipway.server.models.model import ServedModel
from shipway.server.scheduling.jobs import Outcome
from shipway.types import Array, Signature

ALONE = 3
"""So many samples are asked one by one; all of them then come in one turn of the loop."""


async def find_problem(model: ServedModel) -> str | None:
    """Why the version must not be served here; None where it is proven."""
    return _evidence_problem(model) or _contract_problem(model) or await _golden_problem(model)


def _evidence_problem(model: ServedModel) -> str | None:
    """What the bundle itself says against the model: no evidence but PASS, or what the user has accepted."""
    for verdict in model.card.verdicts:
        if verdict.result is Result.FAIL or verdict.result not in {Result.PASS, *model.card.accepted}:
            return f"its bundle carries {verdict.result} by the rule {verdict.rule}: {verdict.reason}"
    return None


def _contract_problem(model: ServedModel) -> str | None:
    """The file must have the tensors that the bundle promises, by name and dtype."""
    sides = (
        ("inputs", model.card.signature.inputs, model.file_signature.inputs),
        ("outputs", model.card.signature.outputs, model.file_signature.outputs),
    )
    for side, promised, found in sides:
        if {(spec.name, spec.dtype) for spec in promised} != {(spec.name, spec.dtype) for spec in found}:
            return (
                f"the bundle promises the {side} {', '.join(f'{spec.name} {spec}' for spec in promised)}; "
                f"the file has {', '.join(f'{spec.name} {spec}' for spec in found)}"
            )
    return None


async def _golden_problem(model: ServedModel) -> str | None:
    golden = model.golden
    if golden is None:
        return "its bundle holds no golden samples, so nothing shows that it answers as trained"
    step = rows_per_request(model.card.signature)
    for subject, sample, at_once in _proofs(golden, step):
        try:
            answers = await _ask(model, sample, step, at_once=at_once)
        except ShipwayError as error:
            return f"golden samples {subject}: {error.message}"
        verdict = judge_golden(sample, answers, subject=f"served {subject}")
        if verdict.result is not Result.PASS:
            return f"golden samples {subject}: {verdict.reason}"
    return None


def _proofs(golden: Golden, step: int) -> tuple[tuple[str, Golden, bool], ...]:
    """How it is asked, which samples, and whether all of them at once."""
    if not golden.has_rows:
        return (("alone", golden, False),)
    alone = min(ALONE * step, golden.count)
    return (("alone", golden.take(slice(0, alone)), False), ("in a batch", golden, True))


def rows_per_request(signature: Signature) -> int:
    """1 with a free batch axis; otherwise the fixed first size that all inputs share, or 1 without one."""
    firsts = {spec.shape[0] if spec.shape else None for spec in signature.inputs}
    first = firsts.pop() if len(firsts) == 1 else None
    return first if isinstance(first, int) and first > 0 else 1


async def _ask(model: ServedModel, golden: Golden, step: int, *, at_once: bool) -> dict[str, Array]:
    """The served answers to all samples, `step` rows a request. Raises what a request would get."""
    loop = asyncio.get_running_loop()
    waiting: list[asyncio.Future[Mapping[str, Array]]] = []
    for request in _requests(golden, step):
        answer: asyncio.Future[Mapping[str, Array]] = loop.create_future()
        model.submit(request, _setter(answer))
        waiting.append(answer)
        if not at_once:
            await asyncio.wait([answer])
    answers = await asyncio.gather(*waiting)
    if not golden.has_rows:
        return {name: _as_stored(array) for name, array in stack_answers(answers).items()}
    return {
        name: _as_stored(np.concatenate([answer[name] for answer in answers])[: golden.count])
        for name in golden.outputs
    }


def _requests(golden: Golden, step: int) -> Iterator[dict[str, Array]]:
    if not golden.has_rows:
        yield from (golden.request(sample) for sample in range(golden.count))
        return
    for start in range(0, golden.count, step):
        yield {name: _rows(array, start, step) for name, array in golden.inputs.items()}


def _rows(array: Array, start: int, step: int) -> Array:
    """`step` rows from `start` on; where the samples end, the last one again (a fixed batch must be full)."""
    rows = array[start : start + step]
    missing = step - len(rows)
    return np.concatenate([rows, np.repeat(rows[-1:], missing, axis=0)]) if missing else rows


def _as_stored(array: Array) -> Array:
    """Strings as bytes, as golden samples hold them; runtimes answer text."""
    if array.dtype.kind not in "OSU":
        return array
    values = np.empty(array.size, dtype=object)
    values[:] = [item.encode() if isinstance(item, str) else item for item in array.ravel().tolist()]
    return values.reshape(array.shape)


def _setter(future: asyncio.Future[Mapping[str, Array]]) -> Callable[[Outcome], None]:
    def done(outcome: Outcome) -> None:
        if future.done():  # the load was given up, as a drain does
            return
        if isinstance(outcome, ShipwayError):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)

    return done
