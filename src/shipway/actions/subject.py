"""What an action is about: the source, its inputs and the user's data, all checked before a framework starts."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from shipway import registry
from shipway.actions.observer import Observer
from shipway.errors import DataMismatchError, SourceUnsupportedError, UsageError
from shipway.evaluation.data.base import Reading
from shipway.evaluation.data.dataset import Dataset, load_dataset
from shipway.evaluation.data.inferring import infer_inputs
from shipway.sources.base import Description, Hints, Limits, Source, SourceFormat
from shipway.types import Signature, TensorSpec


@dataclass(frozen=True)
class Subject:
    """A source that was read, and the data that it will be judged on."""

    name: str
    source: Source
    description: Description
    inputs: tuple[TensorSpec, ...]
    dataset: Dataset | None
    outputs: tuple[TensorSpec, ...] = ()
    """Empty where only the framework tells."""
    has_rows: bool = True
    """False for a model that is asked whole requests (`Signature.has_rows`)."""
    python: Path | None = None
    """The interpreter that frameworks run in, also for files that were converted."""
    limits: Limits | None = None
    reading: Reading | None = None
    """How the data was read."""


def read_subject(
    source: Source,
    *,
    name: str | None,
    data: Path | None,
    observer: Observer,
    python: Path | None = None,
    limits: Limits | None = None,
    hints: Hints | None = None,
    reading: Reading | None = None,
) -> Subject:
    """Describes the source and loads the data against its inputs.

    What the file does not say of its inputs is taken from `hints`, else from the data. Raises `SourceError`,
    `DataError`, `UsageError`.
    """
    chosen = check_name(name) if name is not None else default_name(source.path)
    description = source.describe()
    if description.asks_inputs is not None:
        source.assume_inputs(_told_inputs(source.path, description.asks_inputs, hints, data, reading))
        description = source.describe()
    format_: type[SourceFormat] = registry.load("sources", source.format)
    if format_.deprecated:
        observer.note(f"{source.path.name}: {format_.deprecated}")
    trusted = description.details.get("needs_trust") if hints is not None and hints.trust else None
    if trusted:
        observer.note(f"trusted by you, its code runs: {', '.join(map(str, trusted))}")
    if description.details.get("takes_missing"):
        reading = replace(reading or Reading(), allow_missing=True)
    inputs = description.signature.inputs if description.signature else description.inputs
    outputs = description.signature.outputs if description.signature else None
    if inputs is None:
        learned = source.learn_signature(observer.doing)
        inputs, outputs = learned.inputs, learned.outputs
    _require_inputs(source.path, inputs, outputs or ())
    subject = Subject(
        name=chosen,
        source=source,
        description=description,
        inputs=inputs,
        dataset=None,
        outputs=tuple(outputs or ()),
        has_rows=Signature(inputs, outputs or ()).has_rows,
        python=python,
        limits=limits,
        reading=reading,
    )
    return subject if data is None else _with_data(subject, data, observer)


def without_rows(subject: Subject, observer: Observer) -> Subject | None:
    """The subject as one that is asked whole requests, where only its framework tells that outputs have no rows.

    None for a model that has rows or whose outputs its file tells. Raises `DataMismatchError` for data in rows.
    """
    if not subject.has_rows or subject.description.signature is not None:
        return None
    if subject.source.learn_signature(observer.doing).has_rows:
        return None
    dataset = subject.dataset
    if dataset is not None:
        dataset = _load(subject, dataset.path, observer, has_rows=False)
    return replace(subject, has_rows=False, dataset=dataset)


def _load(subject: Subject, data: Path, observer: Observer, *, has_rows: bool) -> Dataset:
    return load_dataset(
        data,
        subject.inputs,
        has_rows=has_rows,
        reading=subject.reading,
        limits=subject.limits,
        progress=observer.doing,
    )


def _with_data(subject: Subject, data: Path, observer: Observer) -> Subject:
    try:
        dataset = _load(subject, data, observer, has_rows=subject.has_rows)
    except DataMismatchError as error:
        if not subject.has_rows:
            raise _with_rows_elsewhere(subject, error) from error
        found = without_rows(subject, observer)
        if found is None:
            raise
        subject, dataset = found, _load(found, data, observer, has_rows=False)
    for note in dataset.notes:
        observer.note(note)
    return replace(subject, dataset=dataset)


def _with_rows_elsewhere(subject: Subject, error: DataMismatchError) -> DataMismatchError:
    """The error, told by its cause: an output whose rows lie along a later axis, as a recurrent layer's state."""
    firsts = {spec.shape[0] for spec in subject.inputs if spec.shape}
    for spec in subject.outputs:
        later = [
            axis for axis, dim in enumerate(spec.shape) if axis and isinstance(dim, str) and dim in firsts
        ]
        if later:
            return DataMismatchError(
                f"Output {spec.name!r} {spec} has its rows along axis {later[0]}, so the model is asked whole "
                f"requests, and the data holds rows. {error.message}",
                hint=f"Let the model give rows first, {spec.name}.transpose(0, {later[0]}), or leave it out.",
            )
    return error


def _told_inputs(
    path: Path,
    names: tuple[str, ...],
    hints: Hints | None,
    data: Path | None,
    reading: Reading | None,
) -> tuple[TensorSpec, ...]:
    if hints is not None and hints.inputs:
        return hints.inputs
    if data is not None:
        return infer_inputs(data, names, reading)
    example = ", ".join(f"--input '{name}=float32[batch,...]'" for name in names or ("x",))
    raise UsageError(
        f"{path} does not say what goes in{' (' + ', '.join(names) + ')' if names else ''}: dtypes and shapes.",
        hint=f"Give --data with real inputs, or say it: {example}.",
    )


def _require_inputs(path: Path, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]) -> None:
    """A model that takes nothing has nothing to be judged on. Raises `SourceUnsupportedError`."""
    if inputs:
        return
    given = ", ".join(f"{spec.name} {spec}" for spec in outputs) or "not told"
    raise SourceUnsupportedError(
        f"{path}: expected a model that takes at least one input; found the inputs: none; the outputs: {given}.",
        hint="Export the model with what changes from request to request as an input.",
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
