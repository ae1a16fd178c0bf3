"""From a source to a proven ONNX variant: asks the framework once, then climbs the ladder of ways.

The first way whose verdicts are PASS wins. `export` and `deploy` both go through here.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from shipway import registry
from shipway.actions.exam import Exam, prepare_exam
from shipway.actions.observer import Observer
from shipway.actions.subject import Subject
from shipway.bundle.evidence import Json, Result, Verdict, overall
from shipway.bundle.golden import Golden
from shipway.bundle.store import BundleWriter
from shipway.errors import (
    ExportError,
    MissingDependencyError,
    SessionError,
    ShipwayError,
    SourceError,
    WorkerError,
)
from shipway.graph.read import read_graph, read_signature
from shipway.graph.weights import store_model
from shipway.os_errors import os_errors_as_ours
from shipway.runtimes.base import Runtime, Session
from shipway.sources.base import Way
from shipway.types import Signature

VARIANT = "onnx-fp32"
RUNTIME = "onnxruntime"
_MAP_ABOVE = 64 * 2**20
"""Bytes of weights above which they are mapped and not repacked: costs 4 % on the run of a 765 MB model, saves
half its memory and nearly all of its load time. Small models keep the faster run."""


_WAY_FAILED = (WorkerError, SourceError, ExportError, SessionError, MissingDependencyError)
"""What ends one way and lets the next be tried; a full disk or a refused path would end every way."""


@dataclass(frozen=True)
class Attempt:
    """One way that was tried: its verdicts, or the error that kept it from any."""

    way: str
    verdicts: tuple[Verdict, ...] = ()
    error: ShipwayError | None = None

    @property
    def result(self) -> str:
        """The worst verdict, or `ERROR`."""
        return "ERROR" if self.error else overall(self.verdicts)

    def describe(self) -> str:
        """In one line."""
        if self.error:
            return f"{self.way}: {(self.error.message.splitlines() or [self.error.code])[0]}"
        reasons = [verdict.reason for verdict in self.verdicts if verdict.result is not Result.PASS]
        return f"{self.way}: {self.result}: {'; '.join(reasons) or self.verdicts[0].reason}"

    def to_json(self) -> dict[str, Json]:
        """For provenance and `--json`."""
        return {"way": self.way, "result": self.result, "line": self.describe()}


@dataclass(frozen=True)
class Converted:
    """A variant's files in the writer's folder, its session, and what was found about it."""

    folder: Path
    runtime: Mapping[str, Json]
    session: Session
    made_by: Mapping[str, str]
    verdicts: tuple[Verdict, ...]
    way: str
    signature: Signature
    golden: Golden
    framework: Mapping[str, str]
    attempts: tuple[Attempt, ...] = ()


@contextmanager
def convert(subject: Subject, writer: BundleWriter, observer: Observer) -> Iterator[Converted]:
    """Leaves the winning variant's files in `writer`; its session is open for the body.

    When no way passes, the last that came to a verdict is given, with that verdict. Raises `ExportError` when
    none came to one, `MissingDependencyError` when only packages were missing, and `WorkerError` when the
    framework itself could not be asked.
    """
    observer.begin("export")
    exam = prepare_exam(subject, observer)
    with ExitStack() as opened:
        # Gone before the body commits the writer's folder, or the bundle would hold it.
        with os_errors_as_ours("write the bundle", writer.target), _scratch(writer.folder) as scratch:
            converted = _climb(subject, exam, scratch, observer)
            opened.callback(converted.session.close)
            target = writer.variant_folder(VARIANT)
            target.rmdir()
            converted.folder.rename(target)
        yield replace(converted, folder=target)


@contextmanager
def _scratch(parent: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix=".ways-", dir=parent) as folder:
        yield Path(folder)


def _climb(subject: Subject, exam: Exam, scratch: Path, observer: Observer) -> Converted:
    attempts: list[Attempt] = []
    best: Converted | None = None
    for number, way in enumerate(subject.source.ways()):
        folder = scratch / f"way-{number}"
        if number:
            observer.begin("export")
        try:
            found = _try_way(way, exam, folder, observer)
        except _WAY_FAILED as error:
            attempts.append(Attempt(way.name, error=error))
            shutil.rmtree(folder, ignore_errors=True)
            observer.end(f"not by {way.name}", Result.FAIL)
        except BaseException:  # a full disk, Ctrl-C: no later way is tried, and nothing stays open
            if best is not None:
                best.session.close()
            raise
        else:
            attempts.append(Attempt(way.name, verdicts=found.verdicts))
            if best is not None:
                best.session.close()
                shutil.rmtree(best.folder, ignore_errors=True)
            best = found
            if overall(found.verdicts) is Result.PASS:
                break
        observer.note(attempts[-1].describe())
    if best is None:
        raise _no_way(subject.source.path, attempts)
    return replace(best, attempts=tuple(attempts))


def _try_way(way: Way, exam: Exam, folder: Path, observer: Observer) -> Converted:
    observer.doing(f"converting by {way.name}")
    raw, stored_in = folder / "raw", folder / "variant"
    with os_errors_as_ours("write the converted model", folder):
        raw.mkdir(parents=True)
        stored_in.mkdir()
        conversion = way.convert(raw, samples=exam.samples(), progress=observer.doing)
        stored = store_model(conversion.model, stored_in)
        signature = read_signature(read_graph(stored.model))
        shutil.rmtree(raw)
    runtime: Runtime = registry.load("runtimes", RUNTIME)()
    options = {"mapped_weights": True} if stored.weights_outside_bytes > _MAP_ABOVE else {}
    observer.doing("loading the converted model")
    session = runtime.open(stored.model, options)
    observer.end(f"ONNX by {way.name}")
    try:
        verdicts = _verify(exam, session, observer)
    except BaseException:
        session.close()
        raise
    return Converted(
        folder=stored_in,
        runtime={"name": RUNTIME, "options": options},
        session=session,
        made_by=conversion.versions,
        verdicts=verdicts,
        way=way.name,
        signature=signature,
        golden=exam.golden(),
        framework=exam.reference.versions,
    )


def _verify(exam: Exam, session: Session, observer: Observer) -> tuple[Verdict, ...]:
    observer.begin("verify")
    observer.doing("comparing its answers with the trained model's")
    verdicts = exam.judge(session)
    for verdict in verdicts:
        observer.verdict(verdict)
    observer.end(f"{overall(verdicts)} on {exam.cases.described}", overall(verdicts))
    return verdicts


def _no_way(path: Path, attempts: list[Attempt]) -> ShipwayError:
    """The error for a ladder on which no way came to a verdict."""
    errors = [attempt.error for attempt in attempts if attempt.error is not None]
    if len(errors) == 1 or (errors and all(isinstance(error, MissingDependencyError) for error in errors)):
        return errors[0]
    lines = "\n".join(f"  {attempt.describe()}" for attempt in attempts)
    hint = "shipway doctor says what is installed; --python PATH uses the environment it was trained in."
    missing = [error.hint for error in errors if isinstance(error, MissingDependencyError) and error.hint]
    if missing:
        hint = f"{missing[0]} opens one more way. {hint}"
    return ExportError(f"No way of converting {path} to ONNX worked:\n{lines}", hint=hint)
