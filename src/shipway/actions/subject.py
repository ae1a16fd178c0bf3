"""What an action is about: the source, its inputs and the user's data, all checked before a framework starts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from shipway import registry
from shipway.actions.observer import Observer
from shipway.errors import SourceUnsupportedError, UsageError
from shipway.evaluation.data import Dataset, load_dataset
from shipway.evaluation.inferring import infer_inputs
from shipway.sources.base import Description, Hints, Limits, Source, SourceFormat
from shipway.types import TensorSpec


@dataclass(frozen=True)
class Subject:
    """A source that was read, and the data that it will be judged on."""

    name: str
    source: Source
    description: Description
    inputs: tuple[TensorSpec, ...]
    dataset: Dataset | None
    python: Path | None = None
    """The interpreter that frameworks run in, also for files that were converted."""
    limits: Limits | None = None


def read_subject(
    source: Source,
    *,
    name: str | None,
    data: Path | None,
    observer: Observer,
    python: Path | None = None,
    limits: Limits | None = None,
    hints: Hints | None = None,
) -> Subject:
    """Describes the source and loads the data against its inputs.

    What the file does not say of its inputs is taken from `hints`, else from the data. Raises `SourceError`,
    `DataError`, `UsageError`.
    """
    chosen = check_name(name) if name is not None else default_name(source.path)
    description = source.describe()
    if description.asks_inputs is not None:
        source.assume_inputs(_told_inputs(source.path, description.asks_inputs, hints, data))
        description = source.describe()
    format_: type[SourceFormat] = registry.load("sources", source.format)
    if format_.deprecated:
        observer.note(f"{source.path.name}: {format_.deprecated}")
    trusted = description.details.get("needs_trust") if hints is not None and hints.trust else None
    if trusted:
        observer.note(f"trusted by you, its code runs: {', '.join(map(str, trusted))}")
    inputs = description.signature.inputs if description.signature else description.inputs
    outputs = description.signature.outputs if description.signature else None
    if inputs is None:
        learned = source.learn_signature(observer.doing)
        inputs, outputs = learned.inputs, learned.outputs
    _require_rows(source.path, inputs, outputs or ())
    dataset = None if data is None else load_dataset(data, inputs)
    for note in () if dataset is None else dataset.notes:
        observer.note(note)
    return Subject(
        name=chosen,
        source=source,
        description=description,
        inputs=inputs,
        dataset=dataset,
        python=python,
        limits=limits,
    )


def _told_inputs(
    path: Path, names: tuple[str, ...], hints: Hints | None, data: Path | None
) -> tuple[TensorSpec, ...]:
    if hints is not None and hints.inputs:
        return hints.inputs
    if data is not None:
        return infer_inputs(data, names)
    example = ", ".join(f"--input '{name}=float32[batch,...]'" for name in names or ("x",))
    raise UsageError(
        f"{path} does not say what goes in{' (' + ', '.join(names) + ')' if names else ''}: dtypes and shapes.",
        hint=f"Give --data with real inputs, or say it: {example}.",
    )


def _require_rows(path: Path, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]) -> None:
    """All that is judged and served comes in rows along one first axis. Raises `SourceUnsupportedError`."""
    sizes = {spec.shape[0] if isinstance(spec.shape[0], int) else "free" for spec in inputs if spec.shape}
    if len(sizes) == 1 and all(spec.shape for spec in (*inputs, *outputs)):
        return
    taken = ", ".join(f"{spec.name} {spec}" for spec in inputs) or "none"
    given = ", ".join(f"{spec.name} {spec}" for spec in outputs) or "not told"
    raise SourceUnsupportedError(
        f"{path}: expected rows along the first axis of every input and output, and as many in each input; "
        f"found the inputs: {taken}; the outputs: {given}.",
        hint="Export the model so that the first axis of every input and output is the batch; what does not "
        "change from request to request belongs into the model as a constant.",
    )


def default_name(path: Path) -> str:
    """The file's stem, with what a URL cannot hold made a hyphen."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-.") or "model"


def check_name(name: str) -> str:
    """The name itself. Raises `UsageError` when it could not stand in a URL or a file's name."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", name):
        raise UsageError(
            f"The name {name!r} cannot stand in an address: letters, digits, '.', '_' and '-' only.",
            hint="Give another --name.",
        )
    return name
