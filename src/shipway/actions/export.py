"""`export`: a trained model's file becomes a bundle, and the verdicts say whether it is the same model."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import ExitStack
from pathlib import Path

from shipway.actions.conversion import SERVED, convert
from shipway.actions.observer import SILENT, Observer
from shipway.actions.outcome import BundleRef, Outcome
from shipway.actions.packing import pack
from shipway.actions.subject import read_subject
from shipway.bundle.evidence import Result
from shipway.bundle.store import BundleWriter
from shipway.evaluation.data.base import Reading
from shipway.sources.base import Hints, Limits
from shipway.sources.detect import open_source


def export(
    model: Path | str,
    out: Path | str,
    *,
    to: Sequence[str] = (SERVED,),
    data: Path | str | None = None,
    name: str | None = None,
    python: Path | str | None = None,
    limits: Limits | None = None,
    hints: Hints | None = None,
    reading: Reading | None = None,
    accept: Collection[Result] = (),
    observer: Observer = SILENT,
) -> Outcome:
    """Converts `model`, judges every step against its own framework, and writes the bundle `out`.

    `model` is a file, a folder, or `module.py:factory`. `to` are the formats, one variant each: `onnx` (which the
    server runs), `torchscript`, `pt2`, `savedmodel`, `keras`, `litert`, `openvino`. `hints` say what the file
    cannot. `name` defaults to the file's stem. `data` holds real inputs, read as `reading` says; without it the
    verdicts are taken on generated ones, and say so. `python` is the interpreter of the environment that the
    model was trained in (default: this one). The bundle is written whatever the verdict, and carries it. `accept`
    are the verdicts other than PASS that the caller decides to live with.

    Raises `UsageError` (no such format, no way to it), `SourceError`, `DataError`, `WorkerError`, `ExportError`,
    `EnvironmentFailure`, `OutputExistsError`.
    """
    target, interpreter = Path(out), None if python is None else Path(python)
    with ExitStack() as stack:
        source = open_source(Path(model), python=interpreter, limits=limits, hints=hints)
        stack.callback(source.close)
        subject = read_subject(
            source,
            name=name,
            data=None if data is None else Path(data),
            observer=observer,
            python=interpreter,
            limits=limits,
            hints=hints,
            reading=reading,
        )
        if subject.dataset is not None:
            stack.enter_context(subject.dataset)
        writer = stack.enter_context(BundleWriter(target))
        converted = stack.enter_context(convert(subject, writer, observer, to=to))
        observer.begin("bundle")
        bundle = pack(writer, subject, converted, accepted=accept)
        observer.end(f"{bundle.path} ({bundle.id[:12]})")
    return Outcome(
        verdicts=converted.verdicts,
        bundle=BundleRef.of(bundle),
        details={"ways": [attempt.to_json() for attempt in converted.attempts]},
        accepted=frozenset(accept),
    )
