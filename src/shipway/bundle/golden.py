"""Golden samples: a few real inputs with the outputs that the source framework gave, and the proof by them.

Whoever serves the model shows with them that it answers as trained: alone, in a batch, on that machine.
numpy only; the file is an `.npz` that is never pickled (strings are stored as bytes and lengths).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from shipway.bundle.closeness import output_scale, row_errors, scores_beside, tied_rows
from shipway.bundle.evidence import Json, Result, Verdict
from shipway.errors import BundleFormatError
from shipway.types import Array, DType

RULE = "golden-samples"
_BFLOAT16 = "bfloat16"
_BITS = "#bfloat16"
"""Behind the names of arrays that are stored as their 16 bits."""


@dataclass(frozen=True)
class Tolerance:
    """How far an output may lie from the source's: `row_errors` at `scale` must not exceed `budget`."""

    scale: float
    budget: float

    def to_json(self) -> dict[str, Json]:
        """`{"scale", "budget"}`."""
        return {"scale": self.scale, "budget": self.budget}


@dataclass(frozen=True)
class Golden:
    """Inputs and the source's outputs, `[count, ...]` each, by name: rows, or whole requests."""

    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]
    tolerances: Mapping[str, Tolerance]
    origin: str
    """`"data"` (the user's own rows) or `"generated"`."""
    has_rows: bool = True
    """False: a sample is a request of a model without rows, asked by itself; arrays are `[count, *shape]`."""

    @property
    def count(self) -> int:
        """How many samples there are."""
        return int(next(iter(self.inputs.values())).shape[0])

    def take(self, rows: slice) -> Golden:
        """The same with some of the samples."""
        return Golden(
            inputs={name: array[rows] for name, array in self.inputs.items()},
            outputs={name: array[rows] for name, array in self.outputs.items()},
            tolerances=self.tolerances,
            origin=self.origin,
            has_rows=self.has_rows,
        )

    def request(self, sample: int) -> dict[str, Array]:
        """The inputs of one sample as the model takes them: one row, or the request itself."""
        at = slice(sample, sample + 1) if self.has_rows else (sample, ...)
        return {name: array[at] for name, array in self.inputs.items()}

    def tied(self, name: str) -> NDArray[np.bool_]:
        """Samples in which the output `name` is a decision between tied scores, which may fall either way."""
        tied = tied_decisions(name, self.outputs, self.tolerances) if self.has_rows else None
        return np.zeros(self.count, dtype=bool) if tied is None else tied

    def plain_samples(self) -> NDArray[np.intp]:
        """The samples that the model answers with numbers throughout, neither NaN nor infinity; may be none."""
        plain = np.ones(self.count, dtype=bool)
        for array in self.outputs.values():
            if array.dtype.kind == "f":
                plain &= np.isfinite(array).reshape(self.count, -1).all(axis=1)
        return np.flatnonzero(plain)


def tied_decisions(
    name: str, outputs: Mapping[str, Array], tolerances: Mapping[str, Tolerance]
) -> NDArray[np.bool_] | None:
    """Rows `[rows]` in which the output `name` decides between scores that are tied within their tolerance.

    None where it is no decision beside scores, or those have no tolerance.
    """
    scores = scores_beside(outputs, name)
    tolerance = None if scores is None else tolerances.get(scores)
    if scores is None or tolerance is None:
        return None
    return tied_rows(outputs[scores], scale=tolerance.scale, budget=tolerance.budget)


def stack_answers(answers: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """The answers to requests, `[requests, *shape]` by output.

    An output that an answer lacks is left out, and one whose answers differ in shape is empty: neither is judged
    right.
    """
    names = [name for name in answers[0] if all(name in answer for answer in answers)]
    return {name: _stack([answer[name] for answer in answers]) for name in names}


def _stack(arrays: Sequence[Array]) -> Array:
    if len({array.shape for array in arrays}) > 1:
        return np.empty(0, dtype=arrays[0].dtype)
    return np.stack(arrays)


def judge_golden(golden: Golden, found: Mapping[str, Array], *, subject: str) -> Verdict:
    """PASS when `found` answers every sample as the source did, within the recorded tolerances.

    `found` holds one array per output, rows as in `golden`. A missing output, another shape or dtype, NaN or
    infinity where the source has none is FAIL.
    """
    worst_share, worst = 0.0, ""
    figures: dict[str, Json] = {"samples": golden.count, "outputs": {}}
    for name, expected in golden.outputs.items():
        problem = _form_problem(name, expected, found.get(name))
        if problem:
            return Verdict(RULE, subject, Result.FAIL, problem, figures)
        tolerance = golden.tolerances.get(name) or Tolerance(output_scale(expected), 0.0)
        errors = np.where(golden.tied(name), 0.0, row_errors(found[name], expected, scale=tolerance.scale))
        row = int(errors.argmax())
        largest = float(errors[row])
        figures["outputs"][name] = {
            "max": largest if np.isfinite(largest) else None,
            "budget": tolerance.budget,
            "worst_sample": row,
        }
        share = largest / tolerance.budget if tolerance.budget else (np.inf if largest else 0.0)
        if share >= worst_share:
            worst_share, worst = share, name
    largest, budget = figures["outputs"][worst]["max"], figures["outputs"][worst]["budget"]
    shown = "not finite" if largest is None else f"{largest:.2g}"
    if worst_share > 1:
        reason = (
            f"output {worst!r} differs from the trained model's by {shown} of its scale on sample "
            f"{figures['outputs'][worst]['worst_sample']}; at most {budget:.2g} is rounding"
        )
        return Verdict(RULE, subject, Result.FAIL, reason, figures)
    reason = f"{golden.count} samples answered as trained: largest difference {shown} of {budget:.2g} allowed"
    return Verdict(RULE, subject, Result.PASS, reason, figures)


def _form_problem(name: str, expected: Array, found: Array | None) -> str | None:
    if found is None:
        return f"output {name!r} is missing from the answer"
    if found.shape != expected.shape:
        return f"output {name!r} has shape {list(found.shape)}, the trained model's {list(expected.shape)}"
    if found.dtype != expected.dtype and (found.dtype.kind, expected.dtype.kind) != ("O", "O"):
        return f"output {name!r} is {found.dtype}, the trained model's {expected.dtype}"
    return None


def write_golden(path: Path, golden: Golden) -> None:
    """Writes inputs and outputs as an `.npz` (equal content gives equal bytes)."""
    arrays: dict[str, Array] = {}
    for side, tensors in (("input", golden.inputs), ("output", golden.outputs)):
        for name, array in tensors.items():
            arrays.update(_encode(f"{side}/{name}", array))
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def read_golden(
    path: Path, *, tolerances: Mapping[str, Tolerance], origin: str, has_rows: bool = True
) -> Golden:
    """Reads what `write_golden` wrote. Raises `BundleFormatError` on anything else."""
    sides: dict[str, dict[str, Array]] = {"input": {}, "output": {}}
    try:
        with np.load(path, allow_pickle=False) as stored:
            for key in stored.files:
                side, _, name = key.partition("/")
                if name.endswith("#lengths"):
                    continue
                if name.endswith(_BITS):
                    sides[side][name.removesuffix(_BITS)] = stored[key].view(DType.BF16.numpy)
                    continue
                lengths = f"{key}#lengths"
                sides[side][name] = (
                    _decode_strings(stored[key], stored[lengths]) if lengths in stored.files else stored[key]
                )
    except (OSError, EOFError, ValueError, KeyError, BadZipFile) as error:
        raise BundleFormatError(f"{path.name} holds no golden samples that can be read: {error}.") from error
    counts = {array.shape[:1] for tensors in sides.values() for array in tensors.values()}
    if not sides["input"] or not sides["output"] or len(counts) != 1 or counts == {()}:
        raise BundleFormatError(
            f"{path.name} needs inputs and outputs with one number of rows; found {counts}."
        )
    return Golden(
        inputs=sides["input"],
        outputs=sides["output"],
        tolerances=tolerances,
        origin=origin,
        has_rows=has_rows,
    )


def _encode(key: str, array: Array) -> dict[str, Array]:
    if array.dtype.name == _BFLOAT16:  # a foreign dtype, which an .npy file cannot name
        return {f"{key}{_BITS}": np.ascontiguousarray(array).view(np.uint16).reshape(array.shape)}
    if array.dtype.kind not in "OSU":
        return {key: np.ascontiguousarray(array)}
    values = [item.encode() if isinstance(item, str) else bytes(item) for item in array.ravel()]
    lengths = np.array([len(value) for value in values], dtype=np.int64).reshape(array.shape)
    return {key: np.frombuffer(b"".join(values), dtype=np.uint8), f"{key}#lengths": lengths}


def _decode_strings(data: Array, lengths: Array) -> Array:
    ends = lengths.ravel().cumsum()
    if (lengths < 0).any() or (ends[-1] if ends.size else 0) != data.size:
        raise ValueError("string lengths do not add up")
    raw = data.tobytes()
    values = np.empty(lengths.size, dtype=object)
    for index, (end, length) in enumerate(zip(ends, lengths.ravel(), strict=True)):
        values[index] = raw[end - length : end]
    return values.reshape(lengths.shape)
