"""Asks and converts many models in one child process, because a framework takes seconds to start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort

from shipway.sources.base import Limits
from shipway.sources.child import WORKERS, run
from shipway.sources.framework import FrameworkSource, read_signature
from shipway.sources.routes import all_edges
from shipway.sources.tensor_files import load_tensors, save_tensors
from shipway.types import DType, Signature, Tensors, TensorSpec

BATCHES = ((1, 6), (2, 6), (3, 9), (7, 6))
"""(rows, length of every free axis) of the cases."""


@dataclass(frozen=True)
class Asked:
    """What one model answered, and what it was converted to."""

    signature: Signature
    outputs: Mapping[str, Tensors]
    precise: Mapping[str, Tensors]
    """Empty unless `thorough`."""
    files: Mapping[str, Path]
    """Edge's name → what it made."""


def random_cases(inputs: Sequence[TensorSpec], *, words: Sequence[str] = ("apple",)) -> dict[str, Tensors]:
    """Rows for every batch of `BATCHES`; integers below 20."""
    generator = np.random.default_rng(3)

    def array(spec: TensorSpec, rows: int, length: int) -> np.ndarray:
        shape = [rows, *(length if isinstance(size, str) else size for size in spec.shape[1:])]
        if spec.dtype is DType.BYTES:
            return generator.choice(np.array(words, object), shape)
        if spec.dtype is DType.BOOL:
            return generator.random(shape) > 0.5
        if spec.dtype.is_integer:
            return generator.integers(0, 20, shape).astype(spec.dtype.numpy)
        return (generator.normal(size=shape) * 2).astype(spec.dtype.numpy)

    return {
        f"{rows}x{length}": {spec.name: array(spec, rows, length) for spec in inputs}
        for rows, length in BATCHES
    }


def ask_all(
    sources: Sequence[FrameworkSource],
    cases: Sequence[Mapping[str, Tensors]],
    folder: Path,
    *,
    edges: Sequence[Sequence[str]] = (),
    thorough: bool = False,
) -> list[Asked]:
    """Every source's answers to its cases, and what its `edges` make of it, in one child."""
    known = {edge.name: edge for edge in all_edges()}
    chosen = [[known[name] for name in names] for names in edges or [()] * len(sources)]
    tasks, places = [], []
    for number, (source, asked, ways) in enumerate(zip(sources, cases, chosen, strict=True)):
        source.refuse()
        place = folder / str(number)
        place.mkdir()
        files = {case: save_tensors(place / f"{n}.npz", asked[case]) for n, case in enumerate(asked)}
        tasks.append(source._task("reference", cases=files, out=str(place), thorough=thorough))
        for edge in ways:
            out = place / edge.name.replace("/", "-")
            out.mkdir()
            tasks.append(source._export(edge, out, next(iter(asked.values()))))
        places.append(place)
    ran = run(
        WORKERS / "worker.py",
        tasks,
        folder=folder,
        limits=Limits(),
        progress=lambda _: None,
        extra="tensorflow",
    )
    results = iter([outcome.unwrap() for outcome in ran.outcomes])
    found = []
    for place, ways in zip(places, chosen, strict=True):
        answer = next(results)
        signature = read_signature(answer["signature"])
        names = [spec.name for spec in signature.outputs]
        outputs, precise = (
            {case: load_tensors(Path(file), names) for case, file in answer["files"].get(kind, {}).items()}
            for kind in ("outputs", "precise")
        )
        files = {}
        for edge in ways:
            next(results)
            files[edge.name] = place / edge.name.replace("/", "-") / "out" / edge.result
        found.append(Asked(signature, outputs, precise, files))
    for source in sources:
        source.close()
    return found


def ask_onnx(file: Path, cases: Mapping[str, Tensors]) -> tuple[list[str], list[str], dict[str, Tensors]]:
    """Names in, names out, and the answers of ONNX Runtime in this process."""
    session = ort.InferenceSession(file)
    inputs = [value.name for value in session.get_inputs()]
    outputs = [value.name for value in session.get_outputs()]
    answers = {
        case: dict(zip(outputs, session.run(outputs, dict(tensors)), strict=True))
        for case, tensors in cases.items()
    }
    return inputs, outputs, answers


def largest_gap(found: Mapping[str, Tensors], wanted: Mapping[str, Tensors]) -> float:
    """The largest difference of any output in any case; 1.0 where integers, flags or texts are not equal."""
    gap = 0.0
    assert found.keys() == wanted.keys()
    for case, tensors in wanted.items():
        for name, array in tensors.items():
            other = found[case][name]
            assert other.shape == array.shape, (case, name, other.shape, array.shape)
            if array.dtype.kind == "f":
                assert other.dtype == array.dtype
                gap = max(gap, float(np.abs(other.astype(float) - array.astype(float)).max()))
            else:
                gap = max(gap, float(not np.array_equal(other, array)))
    return gap
