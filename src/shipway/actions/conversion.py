"""From a source to proven variants: asks the framework once, then climbs the ladder of ways to each format.

The first way whose verdicts are PASS at every hop wins. `export` and `deploy` both go through here.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from shipway.actions.blaming import with_blame
from shipway.actions.exam import Exam, prepare_exam
from shipway.actions.observer import Observer
from shipway.actions.subject import Subject
from shipway.actions.variants import ProvenVariant, StoredVariant, store_variant, title_of
from shipway.bundle.evidence import Json, Result, Verdict, overall
from shipway.bundle.golden import Golden
from shipway.bundle.store import BundleWriter
from shipway.errors import (
    DataMismatchError,
    ExportError,
    MissingDependencyError,
    SessionError,
    ShipwayError,
    SourceError,
    WorkerError,
)
from shipway.evaluation.parity.contract import explain_breach
from shipway.evaluation.parity.numeric import CaseOutputs
from shipway.os_errors import os_errors_as_ours
from shipway.runtimes.base import Session
from shipway.sources.base import Source
from shipway.sources.detect import open_source
from shipway.sources.routes import Way
from shipway.sources.workers.edge import Edge
from shipway.types import Signature

SERVED = "onnx"
"""The format that the server runs, and that evaluation is taken on."""
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
    """The variants, in the writer's folder, and what was found about them."""

    variants: tuple[ProvenVariant, ...]
    """The served format first."""
    signature: Signature
    golden: Golden
    framework: Mapping[str, str]
    confined: Mapping[str, str]
    """What the framework's process was kept from, and how."""
    attempts: tuple[Attempt, ...]

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """Of all variants."""
        return tuple(verdict for variant in self.variants for verdict in variant.verdicts)

    @property
    def session(self) -> Session:
        """The served variant's, open. Raises `ExportError` where there is none."""
        for variant in self.variants:
            if variant.stored.session is not None:
                return variant.stored.session
        raise ExportError("No variant was made that can be run here.", hint=f"Export with --to {SERVED} too.")


@contextmanager
def convert(
    subject: Subject, writer: BundleWriter, observer: Observer, *, to: Sequence[str] = (SERVED,)
) -> Iterator[Converted]:
    """Leaves the winning variants' files in `writer`; sessions are open for the body.

    When no way to a format passes, the last that came to a verdict is given, with that verdict. Raises
    `UsageError` when there is no way at all, `ExportError` when none came to a verdict, `MissingDependencyError`
    when only packages were missing, and `WorkerError` when the framework itself could not be asked.
    """
    observer.begin("export")
    ladders = {
        format_: subject.source.ways(format_) for format_ in sorted(to, key=lambda name: name != SERVED)
    }
    exam = prepare_exam(subject, observer, ahead=_first_edge(ladders))
    with ExitStack() as opened:
        # Gone before the body commits the writer's folder, or the bundle would hold it.
        with os_errors_as_ours("write the bundle", writer.target), _scratch(writer.folder) as scratch:
            climb = _Climb(subject, exam, scratch, observer)
            opened.callback(climb.close)
            found = [climb.to(format_, ways) for format_, ways in ladders.items()]
            variants = tuple(_move(variant, writer) for variant in found)
        signatures = [variant.stored.signature for variant in variants if variant.stored.signature]
        yield Converted(
            variants=variants,
            signature=[*signatures, exam.reference.signature][0],
            golden=exam.golden(),
            framework=exam.reference.versions,
            confined=exam.reference.confined,
            attempts=tuple(climb.attempts),
        )


def _first_edge(ladders: Mapping[str, Sequence[Way]]) -> Edge | None:
    edges = [way.edges[0] for ways in ladders.values() for way in ways[:1] if way.edges]
    return edges[0] if edges else None


def _move(variant: ProvenVariant, writer: BundleWriter) -> ProvenVariant:
    target = writer.variant_folder(variant.id)
    target.rmdir()
    stored = variant.stored
    stored.folder.rename(target)
    moved = replace(stored, folder=target, model=target / stored.model.relative_to(stored.folder))
    return replace(variant, stored=moved)


@contextmanager
def _scratch(parent: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix=".ways-", dir=parent) as folder:
        yield Path(folder)


@dataclass
class _Climb:
    """The ladders of one source, with what was proven on the way: hops that ways share are made once."""

    subject: Subject
    exam: Exam
    scratch: Path
    observer: Observer
    attempts: list[Attempt] = field(default_factory=list)
    _is_begun: bool = True
    """Whether the stage that makes a file was announced and not ended yet."""
    _hops: dict[tuple[str, ...], ProvenVariant | ShipwayError] = field(default_factory=dict)

    def to(self, format_: str, ways: Sequence[Way]) -> ProvenVariant:
        """The variant of the first way that passes, else of the last that came to a verdict."""
        tried: list[Attempt] = []
        best: ProvenVariant | None = None
        for way in ways:
            attempt, found = self._try(way)
            tried.append(attempt)
            if found is not None and found.way == way.name:
                if best is not None and best.stored.session is not None:
                    best.stored.session.close()
                best = found
            if attempt.result == Result.PASS:
                if way.deprecated:
                    self.observer.note(f"{format_}: {way.deprecated}")
                break
            self.observer.note(attempt.describe())
        self.attempts.extend(tried)
        if best is None:
            raise _no_way(self.subject.source.path, format_, tried)
        return best if overall(best.verdicts) is Result.PASS else self._blamed(best)

    def _blamed(self, variant: ProvenVariant) -> ProvenVariant:
        """The variant with the place where it parts from the source in its verdict."""
        found = with_blame(variant.verdicts, variant.stored, self.subject.source, self.exam, self.observer)
        return replace(variant, verdicts=found)

    def close(self) -> None:
        """Ends every session; the files stay."""
        for hop in self._hops.values():
            if isinstance(hop, ProvenVariant) and hop.stored.session is not None:
                hop.stored.session.close()

    def _try(self, way: Way) -> tuple[Attempt, ProvenVariant | None]:
        """Walks the way; stops at the first hop that is not proven."""
        found: ProvenVariant | None = None
        try:
            for count in range(bool(way.edges), len(way.edges) + 1):
                found = self._hop(replace(way, edges=way.edges[:count]), found)
                if overall(found.verdicts) is not Result.PASS:
                    break
        except _WAY_FAILED as error:
            return Attempt(way.name, error=error), None
        assert found is not None
        return Attempt(way.name, verdicts=found.verdicts), found

    def _hop(self, way: Way, before: ProvenVariant | None) -> ProvenVariant:
        """The last edge of `way`, from what stands before it; made once for all ways that begin so."""
        key = tuple(edge.name for edge in way.edges) or (way.name,)
        known = self._hops.get(key)
        if known is None:
            folder = self.scratch / f"hop-{len(self._hops)}"
            try:
                known = self._make(way, before, folder)
            except _WAY_FAILED as error:
                shutil.rmtree(folder, ignore_errors=True)
                self._end(f"not by {way.name}", Result.FAIL)
                known = error
            self._hops[key] = known
        if isinstance(known, ShipwayError):
            raise known
        return known

    def _make(self, way: Way, before: ProvenVariant | None, folder: Path) -> ProvenVariant:
        if not self._is_begun:
            self._begin("export")
        raw = folder / "raw"
        raw.mkdir(parents=True)
        model, versions = self._convert(way, before, raw)
        format_ = way.edges[-1].end if way.edges else way.start
        self.observer.doing("loading the converted model")
        stored = store_variant(format_, model, folder / "variant")
        shutil.rmtree(raw)
        self._end(f"{title_of(format_)} by {way.name}")
        try:
            verdicts, precision = self._verify(stored, way)
        except BaseException:
            if stored.session is not None:
                stored.session.close()
            raise
        return ProvenVariant(stored, way.name, versions, verdicts, precision)

    def _convert(self, way: Way, before: ProvenVariant | None, into: Path) -> tuple[Path, Mapping[str, str]]:
        if not way.edges:
            return self.subject.source.path, {}
        with ExitStack() as opened:
            source: Source = self.subject.source
            if before is not None:
                source = opened.enter_context(closing(self._open(before.stored)))
            done = source.convert(
                way.edges[-1], into, samples=self.exam.samples(), progress=self.observer.doing
            )
        return done.model, done.versions

    def _open(self, stored: StoredVariant) -> Source:
        return open_source(stored.model, python=self.subject.python, limits=self.subject.limits)

    def _verify(self, stored: StoredVariant, way: Way) -> tuple[tuple[Verdict, ...], str]:
        """The verdicts, and the precision that the file itself tells."""
        self._begin("verify")
        self.observer.doing("comparing its answers with the trained model's")
        signature, answers, precision, breach = self._ask(stored, way)
        fixes = frozenset(name for edge in way.edges for name in edge.fixes)
        if way.edges and signature is not None:
            breach = explain_breach(self.exam.reference.signature, signature, fixes=fixes) or breach
        formats = [edge.end for edge in way.edges] or [way.start]
        subject = " → ".join([self.exam.subject, *map(title_of, formats)])
        verdicts = self.exam.judge(answers, subject=subject, breach=breach)
        for verdict in verdicts:
            self.observer.verdict(verdict)
        self._end(f"{overall(verdicts)} on {self.exam.cases.described}", overall(verdicts))
        return verdicts, precision

    def _begin(self, stage: str) -> None:
        self.observer.begin(stage)
        self._is_begun = True

    def _end(self, summary: str, result: Result = Result.PASS) -> None:
        self.observer.end(summary, result)
        self._is_begun = False

    def _ask(self, stored: StoredVariant, way: Way) -> tuple[Signature | None, CaseOutputs, str, str | None]:
        """The file's signature, its answers, its precision, and why it cannot be run, where it cannot."""
        if stored.session is not None:
            answers, refusal = self.exam.answers_of(stored.session)
            return stored.signature, answers, stored.precision, refusal
        if not way.edges:  # the file itself: its own source knows what the user said about it
            return self._ask_source(self.subject.source)
        with closing(self._open(stored)) as source:
            return self._ask_source(source)

    def _ask_source(self, source: Source) -> tuple[Signature | None, CaseOutputs, str, str | None]:
        precision = str(source.describe().details.get("precision", "fp32"))
        try:
            found = source.answer(self.exam.cases.inputs, self.observer.doing)
        except DataMismatchError as error:  # the original took these rows, so they are no fault of the data
            return None, {}, precision, f"cannot be run: {error.message.splitlines()[0]}"
        return found.signature, found.outputs, precision, None


def _no_way(path: Path, format_: str, attempts: Sequence[Attempt]) -> ShipwayError:
    """The error for a ladder on which no way came to a verdict."""
    errors = [attempt.error for attempt in attempts if attempt.error is not None]
    if len(errors) == 1 or (errors and all(isinstance(error, MissingDependencyError) for error in errors)):
        return errors[0]
    lines = "\n".join(f"  {line}" for line in _told_once(attempts))
    hint = "shipway doctor says what is installed; --python PATH uses the environment it was trained in."
    advice = [error.hint for error in errors if error.hint and not isinstance(error, MissingDependencyError)]
    missing = [error.hint for error in errors if isinstance(error, MissingDependencyError) and error.hint]
    if missing:
        hint = f"{missing[0]} opens one more way. {hint}"
    elif advice:
        hint = advice[0]
    return ExportError(f"No way of converting {path} to {format_} worked:\n{lines}", hint=hint)


def _told_once(attempts: Sequence[Attempt]) -> list[str]:
    """A line for each attempt; those that failed alike share one."""
    ways: dict[str, list[str]] = {}
    for attempt in attempts:
        ways.setdefault(attempt.describe().removeprefix(f"{attempt.way}: "), []).append(attempt.way)
    return [f"{', '.join(names)}: {text}" for text, names in ways.items()]
