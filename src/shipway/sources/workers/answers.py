"""Asks a loaded model for its own answers: in its own precision, in float64, and row by row.

The last two say how exact the first are: what a conversion may differ by is measured, not assumed.
"""

from __future__ import annotations

import signal
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from .loaded import Arrays, Loaded, Specs, fixed_batch, is_request, read_tensors
from .wire import TaskError, blame, progress

_BATCH_ROWS = 32
_BATCH_BYTES = 32 << 20
"""Of inputs; a layer's activations are some ten times that."""
_REPEATED_ROWS = 8
_REPEATED_REQUESTS = 8
_REQUESTS_A_LINE = 20
"""Progress is told in lines where there is no terminal."""
_PRECISE_REQUESTS = 4
"""float64 costs, and a request may be a whole batch."""
_SAME_ROW = 0.05
"""Of an output's scale. Rounding moves a row's answer far less when the rows beside it change, or in float64."""
_HINT_ROWS = "Give rows that the model takes with --data; generated ones may lie outside of it."
_HINT_ALONE = (
    "A server joins the rows of many callers. Export the model for inference (in PyTorch after model.eval()), or "
    "with its first axis fixed, so that it is always asked that many rows."
)

Files = dict[str, dict[str, str]]
Run = Callable[[Arrays], Arrays]


def answer(model: Loaded, cases: Mapping[str, Mapping[str, Any]], out: Path) -> Files:
    """Writes one `.npz` per case; gives `{"outputs": {case: file}}`.

    Members of every file are numbered in the order of the model's inputs or outputs: a name may hold
    characters that an archive's member may not.
    """
    files: dict[str, str] = {}
    for number, (case, tensors) in enumerate(cases.items()):
        inputs = read_tensors(model.input_specs, tensors)
        if not is_request(case):
            progress(f"asking the model: {case}, {_rows(inputs)} rows ({number + 1} of {len(cases)})")
        elif number % _REQUESTS_A_LINE == 0:
            progress(f"asking the model: {case} ({number + 1} of {len(cases)})")
        with blame("data.mismatch", f"{model.framework} cannot run the model on {case!r}", hint=_HINT_ROWS):
            if is_request(case):
                found = _whole(model.predict, inputs)
            else:
                found = _in_batches(model.predict, inputs, fixed_batch(model.input_specs))
        files[case] = _write(out / f"outputs-{number}.npz", model, found)
    return {"outputs": files}


def refer(model: Loaded, cases: Mapping[str, Mapping[str, Any]], out: Path) -> Files:
    """The same, and what its noise is measured by: `{"outputs" | "precise" | "repeated": {case: file}}`."""
    files: Files = {**answer(model, cases, out), "precise": {}, "repeated": {}}
    requests = [case for case in cases if is_request(case)]
    if requests:
        return _refer_requests(model, {case: cases[case] for case in requests}, files, out)
    if not cases or fixed_batch(model.input_specs) is not None:
        return files
    rows = {case: read_tensors(model.input_specs, tensors) for case, tensors in cases.items()}
    largest = max(rows, key=lambda case: _rows(rows[case]))
    with blame("data.mismatch", f"{model.framework} cannot run the model on one row", hint=_HINT_ROWS):
        _require_independent_rows(model, rows[largest])
    files["repeated"][largest] = _repeat(model, rows[largest], out)
    for number, (case, found) in enumerate(_precise(model, rows, largest).items()):
        if _is_same_model(found, _read(files["outputs"][case], model.output_specs)):
            files["precise"][case] = _write(out / f"precise-{number}.npz", model, found)
    return files


def _refer_requests(model: Loaded, cases: Mapping[str, Mapping[str, Any]], files: Files, out: Path) -> Files:
    """Adds what the noise is measured by: the first requests again, and in float64.

    Nothing is cut out of a request, so whether its rows depend on each other is the model's own affair.
    """
    progress("asking again, request by request")
    again = list(cases)[:_REPEATED_REQUESTS]
    inputs = {case: read_tensors(model.input_specs, cases[case]) for case in again}
    for number, case in enumerate(again):
        given = _off_by_one_unit(inputs[case]) if model.perturbs else inputs[case]
        with blame("data.mismatch", f"{model.framework} cannot run the model on {case!r} again"):
            found = _whole(model.predict, given)
        files["repeated"][case] = _write(out / f"repeated-{number}.npz", model, found)
    few = {case: inputs[case] for case in again[:_PRECISE_REQUESTS]}
    for number, (case, found) in enumerate(_precise_requests(model, few).items()):
        if _is_same_model(found, _read(files["outputs"][case], model.output_specs)):
            files["precise"][case] = _write(out / f"precise-{number}.npz", model, found)
    return files


def _precise_requests(model: Loaded, requests: Mapping[str, Arrays]) -> dict[str, Arrays]:
    """The float64 twin's answers to the requests that it came to in its time."""
    progress("computing in float64")
    found: dict[str, Arrays] = {}
    try:
        twin = model.twin()
        if twin is not None:
            with _alarm(twin.seconds):
                for case, inputs in requests.items():
                    found[case] = _whole(twin.predict, inputs)
    except Exception:  # noqa: BLE001 - any layer may refuse float64; the repeated answers still stand
        traceback.print_exc()
    return found


def record(model: Any, tensors: Mapping[str, Any], out: Path) -> list[dict[str, Any]]:  # noqa: ANN401 - a `Loaded` that records
    """Writes what each layer was given and gave, a file each; see `worker.taps`."""
    layers = []
    for number, found in enumerate(model.record(read_tensors(model.input_specs, tensors))):
        file = out / f"layer-{number}.npz"
        parts = {"i": found["inputs"], "o": found["outputs"], "p": list(found["parameters"].values())}
        members = {f"{key}{n}": array for key, arrays in parts.items() for n, array in enumerate(arrays)}
        np.savez(file, allow_pickle=False, **members)
        layers.append(
            {
                "name": found["name"],
                "kind": found["kind"],
                "file": str(file),
                "inputs": len(found["inputs"]),
                "outputs": len(found["outputs"]),
                "parameters": list(found["parameters"]),
            }
        )
    return layers


def _require_independent_rows(model: Loaded, inputs: Arrays) -> None:
    """Raises `source.unsupported` where a row is answered otherwise alone than among others.

    A model that gives another answer each time it is asked the same is left to the verdicts.
    """
    joined = {name: array[:_BATCH_ROWS] for name, array in inputs.items()}
    together = model.predict(joined)
    alone = _in_batches(model.predict, {n: a[:_REPEATED_ROWS] for n, a in joined.items()}, 1)
    for name, array in alone.items():
        beside = together[name][: len(array)]
        if array.dtype.kind != "f" or not array.size:
            continue
        if array.shape == beside.shape:
            gap = _gap(array, beside)
            what = f"differs by {gap:.0%} of its scale"
            if gap <= _SAME_ROW:
                continue
        else:
            what = f"has the shape {list(array.shape[1:])} instead of {list(beside.shape[1:])}"
        if np.array_equal(model.predict(joined)[name], together[name], equal_nan=True):
            raise TaskError(
                "source.unsupported",
                "The model's answer to a row depends on the rows beside it: "
                f"asked alone, output {name!r} {what}.",
                hint=_HINT_ALONE,
            )


def _repeat(model: Loaded, inputs: Arrays, out: Path) -> str:
    """Row by row, and, where that says more, with every float input off by one unit in its last place."""
    progress("asking again, row by row")
    few = {name: array[:_REPEATED_ROWS] for name, array in inputs.items()}
    if model.perturbs:
        few = _off_by_one_unit(few)
    return _write(out / "repeated.npz", model, _in_batches(model.predict, few, 1))


def _off_by_one_unit(inputs: Arrays) -> Arrays:
    """Every float moved by one unit in its last place."""
    return {
        name: np.asarray(np.nextafter(array, np.inf, dtype=array.dtype)) if array.dtype.kind == "f" else array
        for name, array in inputs.items()
    }


def _precise(model: Loaded, cases: Mapping[str, Arrays], largest: str) -> dict[str, Arrays]:
    """The float64 twin's answers by case; none where there can be none, or not in its time."""
    progress("computing in float64")
    try:
        twin = model.twin()
        if twin is None:
            return {}
        chosen = {largest, "edge"} & set(cases) if twin.on_edges else {largest}
        few = {c: {name: a[: twin.rows] for name, a in cases[c].items()} for c in sorted(chosen)}
        with _alarm(twin.seconds):
            return {case: _in_batches(twin.predict, inputs, None) for case, inputs in few.items()}
    except Exception:  # noqa: BLE001 - any layer may refuse float64; the repeated answers still stand
        traceback.print_exc()
        return {}


def _is_same_model(precise: Arrays, answer: Arrays) -> bool:
    """False for float64 answers so far off that the twin computed something else, which is no noise.

    onnx 1.23 takes a `Loop` without a condition for one that never runs.
    """
    for name, array in precise.items():
        first = answer[name][: len(array)] if array.ndim else answer[name]
        if first.dtype.kind != "f" or not first.size:
            continue
        if first.shape != array.shape or _gap(array, first.astype(np.float64)) > _SAME_ROW:
            return False
    return True


def _gap(array: np.ndarray, other: np.ndarray) -> float:
    """The largest difference where both are finite, as a share of the largest magnitude of `other`."""
    finite = np.isfinite(array) & np.isfinite(other)
    scale = float(np.abs(other, where=finite, out=np.zeros_like(other)).max()) or 1.0
    gaps = np.subtract(array, other, where=finite, out=np.zeros_like(other))
    return float(np.abs(gaps).max()) / scale


@contextmanager
def _alarm(seconds: int) -> Iterator[None]:
    """Raises `TimeoutError` after these seconds; 0: never."""

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"not done in {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _whole(run: Run, inputs: Arrays) -> Arrays:
    """One request as it is; scalars come back as arrays without axes."""
    return {name: np.asarray(array) for name, array in run(inputs).items()}


def _in_batches(run: Run, inputs: Arrays, fixed: int | None) -> Arrays:
    """All rows, some at a time; where the model insists on a number of them, the last ones are filled up."""
    rows, size = _rows(inputs), fixed or _batch_rows(inputs)
    parts = []
    for start in range(0, rows, size):
        part = {name: array[start : start + size] for name, array in inputs.items()}
        missing = size - _rows(part) if fixed else 0
        if missing:
            part = {name: np.concatenate([a, np.repeat(a[-1:], missing, axis=0)]) for name, a in part.items()}
        parts.append({name: np.asarray(array) for name, array in run(part).items()})
        _require_rows(parts[-1], _rows(part))
    return {name: np.concatenate([part[name] for part in parts])[:rows] for name in parts[0]}


def _batch_rows(inputs: Arrays) -> int:
    row_bytes = sum(array.nbytes for array in inputs.values()) // max(1, _rows(inputs))
    return max(1, min(_BATCH_ROWS, _BATCH_BYTES // max(1, row_bytes)))


def _require_rows(found: Arrays, rows: int) -> None:
    """Raises `source.unsupported` unless every row asked gave one row of every output."""
    for name, array in found.items():
        if np.shape(array)[:1] != (rows,):
            raise TaskError(
                "source.unsupported",
                f"Asked {rows} rows, output {name!r} has the shape {list(np.shape(array))}; "
                "expected one row for each along its first axis.",
                hint="Export the model so that the first axis of every input and output is the batch.",
            )


def _rows(inputs: Arrays) -> int:
    return int(next(iter(inputs.values())).shape[0])


def _read(file: str, specs: Specs) -> Arrays:
    with np.load(file, allow_pickle=False) as archive:
        return {spec["name"]: archive[str(number)] for number, spec in enumerate(specs)}


def _write(file: Path, model: Loaded, arrays: Arrays) -> str:
    """Numbered members, as `answer` says. Strings are written as fixed-width text, never pickled."""
    ordered = [arrays[spec["name"]] for spec in model.output_specs]
    members = {str(n): _as_text(a) if a.dtype.kind in "OS" else a for n, a in enumerate(ordered)}
    np.savez(file, allow_pickle=False, **members)
    return str(file)


def _as_text(array: np.ndarray) -> np.ndarray:
    texts = [item.decode() if isinstance(item, bytes) else str(item) for item in array.ravel().tolist()]
    return np.array(texts, dtype=str).reshape(array.shape)
