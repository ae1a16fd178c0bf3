"""Asks an ONNX file for its own answers: ONNX Runtime with no graph optimization, the plainest reading of it.

In a child process, because a hostile graph may crash or exhaust whatever loads it. float64 answers come from
the reference evaluator of the ONNX project itself, on a few rows, as far as it gets in its time.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import signal
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

from .wire import TaskError, blame, progress

_missing = [name for name in ("onnxruntime", "numpy") if importlib.util.find_spec(name) is None]
if _missing:  # before numpy is imported: with --python this may be any interpreter
    raise TaskError(
        "environment.missing",
        f"Not installed in the child's Python: {', '.join(_missing)}.",
        packages=_missing,
    )

import numpy as np  # noqa: E402 - as said above

_BATCH_ROWS = 32
_PRECISE_ROWS = 4
_PRECISE_SECONDS = 20
"""The reference evaluator computes convolutions in numpy: seconds a row for a large image model."""
_PRECISE_BYTES = 256 << 20
_REPEATED_ROWS = 8
_SAME_ROW = 0.05
"""Of an output's scale. Rounding moves a row's answer far less when the rows beside it change."""
_HINT = (
    "Export the model with standard operators (an older opset, no custom ones), or update onnxruntime: "
    "pip install --upgrade onnxruntime"
)
_HINT_ROWS = "Give rows that the model takes with --data; generated ones may lie outside of it."
_HINT_ALONE = (
    "A server joins the rows of many callers. Export the model for inference (in PyTorch after model.eval()), or "
    "with its first axis fixed, so that it is always asked that many rows."
)
_DTYPES = {
    "tensor(bool)": "BOOL",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}

Arrays = dict[str, np.ndarray]
Run = Callable[[Arrays], Arrays]


def reference(task: Mapping[str, Any]) -> dict[str, Any]:
    """The model's answers to the task's `cases` (`{name: {"file", "names"}}`), written into the folder `out`.

    Gives `{"signature", "files": {"outputs" | "precise" | "repeated": {case: file}}, "versions"}`. Members of
    the files are numbered in the order of the model's inputs or outputs.
    """
    model, out = Path(task["model"]), Path(task["out"])
    session = _load(str(model))
    files: dict[str, dict[str, str]] = {"outputs": {}, "precise": {}, "repeated": {}}
    cases = {name: _read(stored) for name, stored in task["cases"].items()}
    largest = max(cases, key=lambda case: _rows(cases[case]))
    answer: Arrays = {}
    for number, (case, inputs) in enumerate(cases.items()):
        progress(f"asking the model: {case} ({number + 1} of {len(cases)})")
        with blame("data.mismatch", f"ONNX Runtime cannot run the model on {case!r}", hint=_HINT_ROWS):
            found = _in_batches(_plain(session), inputs, _fixed_batch(session))
        files["outputs"][case] = _write(out / f"outputs-{number}.npz", found)
        answer = found if case == largest else answer
    if _fixed_batch(session) is None:
        with blame("data.mismatch", "ONNX Runtime cannot run the model on one row", hint=_HINT_ROWS):
            _require_independent_rows(session, cases[largest])
        files["repeated"][largest] = _repeat(session, cases[largest], out)
        precise = _precise(model, {name: array[:_PRECISE_ROWS] for name, array in cases[largest].items()})
        if precise is not None and _is_same_model(precise, answer):
            files["precise"][largest] = _write(out / "precise.npz", precise)
    return {"signature": _signature(session), "files": files, "versions": _versions()}


@cache
def _load(file: str) -> Any:  # noqa: ANN401 - ONNX Runtime has no types
    progress("loading the model")
    with blame("worker.crashed", "ONNX Runtime does not start"):
        import onnxruntime as ort
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    try:
        return ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the seam to ONNX Runtime, whose errors share no class
        raise TaskError("source.unsupported", _explain(str(error)), hint=_HINT) from error


def _explain(text: str) -> str:
    operator = re.search(r"No Op registered for (\S+) with domain_version of (\d+)", text)
    operator = operator or re.search(r"Could not find an implementation for (\S+)\((\d+)\)", text)
    unknown = re.search(r"(\S+:\S+)\(-?\d*\) is not a registered function/op", text)
    if operator:
        return f"ONNX Runtime knows no operator {operator[1]} (version {operator[2]})."
    if unknown:
        return f"ONNX Runtime knows no operator {unknown[1]}."
    return f"ONNX Runtime cannot load the model: {text.strip()[:600]}"


def _plain(session: Any) -> Run:  # noqa: ANN401 - as above
    names = [output.name for output in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(names, inputs), strict=True))


def _require_independent_rows(session: Any, inputs: Arrays) -> None:  # noqa: ANN401 - as above
    """Raises `source.unsupported` where a row is answered otherwise alone than among others.

    A model that gives another answer each time it is asked the same is left to the verdicts.
    """
    joined = {name: array[:_BATCH_ROWS] for name, array in inputs.items()}
    together = _plain(session)(joined)
    alone = _in_batches(_plain(session), {n: a[:_REPEATED_ROWS] for n, a in joined.items()}, 1)
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
        if np.array_equal(_plain(session)(joined)[name], together[name], equal_nan=True):
            raise TaskError(
                "source.unsupported",
                "The model's answer to a row depends on the rows beside it: "
                f"asked alone, output {name!r} {what}.",
                hint=_HINT_ALONE,
            )


def _repeat(session: Any, inputs: Arrays, out: Path) -> str:  # noqa: ANN401 - as above
    """Row by row, and with every float input off by one unit in its last place: what rounding does here."""
    progress("asking again, row by row")
    few = {}
    for name, array in inputs.items():
        head = array[:_REPEATED_ROWS]
        few[name] = np.nextafter(head, np.inf, dtype=head.dtype) if head.dtype.kind == "f" else head
    return _write(out / "repeated.npz", _in_batches(_plain(session), few, 1))


def _precise(model: Path, inputs: Arrays) -> Arrays | None:
    """The reference evaluator's answers in float64; None where it cannot, or not in its time."""
    size = sum(file.stat().st_size for file in model.parent.iterdir() if file.name.startswith(model.name))
    if size > _PRECISE_BYTES:
        return None
    progress("computing in float64")
    try:
        with _alarm(_PRECISE_SECONDS):
            import onnx
            from onnx.reference import ReferenceEvaluator

            from .onnx_double import widen

            evaluator = ReferenceEvaluator(widen(onnx.load(model)))
            wide = {n: a.astype(np.float64) if a.dtype == np.float32 else a for n, a in inputs.items()}
            found = evaluator.run(None, wide)
        return dict(zip(evaluator.output_names, map(np.asarray, found), strict=True))
    except Exception:  # noqa: BLE001 - any operator may be missing there; the repeated answers still stand
        traceback.print_exc()
        return None


def _is_same_model(precise: Arrays, answer: Arrays) -> bool:
    """False for float64 answers so far off that the evaluator computed something else, which is no noise.

    onnx 1.23 takes a `Loop` without a condition for one that never runs.
    """
    for name, array in precise.items():
        first = answer[name][: len(array)]
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
    def ring(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"not done in {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _in_batches(run: Run, inputs: Arrays, fixed: int | None) -> Arrays:
    """All rows, some at a time; where the model insists on a number of them, the last ones are filled up."""
    rows, size = _rows(inputs), fixed or _BATCH_ROWS
    parts = []
    for start in range(0, rows, size):
        part = {name: array[start : start + size] for name, array in inputs.items()}
        missing = size - _rows(part) if fixed else 0
        if missing:
            part = {name: np.concatenate([a, np.repeat(a[-1:], missing, axis=0)]) for name, a in part.items()}
        parts.append(run(part))
        _require_rows(parts[-1], _rows(part))
    return {name: np.concatenate([part[name] for part in parts])[:rows] for name in parts[0]}


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


def _fixed_batch(session: Any) -> int | None:  # noqa: ANN401 - as above
    shape = session.get_inputs()[0].shape
    return shape[0] if shape and isinstance(shape[0], int) else None


def _rows(inputs: Arrays) -> int:
    return int(next(iter(inputs.values())).shape[0])


def _read(stored: Mapping[str, Any]) -> Arrays:
    with np.load(stored["file"], allow_pickle=False) as archive:
        return {name: archive[str(number)] for number, name in enumerate(stored["names"])}


def _write(file: Path, arrays: Arrays) -> str:
    members = {str(n): a.astype(str) if a.dtype.kind == "O" else a for n, a in enumerate(arrays.values())}
    np.savez(file, allow_pickle=False, **members)
    return str(file)


def _signature(session: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    return {
        side: [
            {"name": value.name, "dtype": _DTYPES.get(value.type, value.type), "shape": list(value.shape)}
            for value in values
        ]
        for side, values in (("inputs", session.get_inputs()), ("outputs", session.get_outputs()))
    }


def _versions() -> dict[str, str]:
    import onnxruntime as ort  # its distribution may be called otherwise (onnxruntime-gpu)

    found = {"onnxruntime": str(ort.__version__), "numpy": np.__version__}
    try:
        return {"onnx": importlib.metadata.version("onnx"), **found}
    except importlib.metadata.PackageNotFoundError:  # only the float64 answers need it
        return found


TASKS = {"reference": reference}
