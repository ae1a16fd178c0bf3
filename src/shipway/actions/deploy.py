"""`deploy`: the whole line, from a trained model's file to a checked endpoint."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from shipway.actions.check import Checked, check_endpoint
from shipway.actions.conversion import Converted, convert
from shipway.actions.example_request import example_request
from shipway.actions.judging import Judging, Quality, end_evaluation, judge_quality, require_labels
from shipway.actions.observer import SILENT, Observer
from shipway.actions.outcome import BundleRef, Outcome
from shipway.actions.packing import pack
from shipway.actions.report import make_report
from shipway.actions.subject import check_name, default_name, read_subject
from shipway.bundle.evidence import Result
from shipway.bundle.store import Bundle, BundleWriter
from shipway.evaluation.data.base import Reading
from shipway.evaluation.data.dataset import Dataset
from shipway.sources.base import Hints, Limits
from shipway.sources.detect import open_source
from shipway.targets.endpoint import Endpoint
from shipway.targets.local import LocalServer, require_free_port, start_server


@dataclass
class Deployment:
    """A deployed model: what was found on the way, and the server when it runs.

    A context manager; leaving it stops the server, which answers what it has accepted first.
    """

    outcome: Outcome
    server: LocalServer | None = None
    """None when a verdict stopped the deployment before serving, or after `stop`."""

    @property
    def url(self) -> str | None:
        """The address, while the server runs."""
        return self.server.url if self.server else None

    def wait(self) -> None:
        """Returns when the server ends."""
        if self.server:
            self.server.wait()

    def stop(self) -> None:
        """Drains and ends the server; safe to call twice."""
        if self.server:
            self.server.stop()
            self.server = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def deploy(
    model: Path | str,
    data: Path | str,
    *,
    name: str | None = None,
    out: Path | str = ".",
    host: str = "127.0.0.1",
    port: int = 8080,
    python: Path | str | None = None,
    limits: Limits | None = None,
    hints: Hints | None = None,
    reading: Reading | None = None,
    judging: Judging | None = None,
    accept: Collection[Result] = (),
    observer: Observer = SILENT,
) -> Deployment:
    """Exports, verifies, evaluates, bundles, serves and checks `model`; `data` has labels.

    The bundle is written to `out`/NAME.bundle, and only when its verdicts let it be served: FAIL ends the line
    there, INCONCLUSIVE too unless it is in `accept`. `port` 0 picks a free one. The server is a child process
    of the caller; `Deployment.stop` ends it.

    Raises whatever `export`, `evaluate`, `serve` and `check` raise.
    """
    path, accepted = Path(model), frozenset(accept)
    asked = judging or Judging()
    told = asked.reading(reading)
    chosen = check_name(name) if name is not None else default_name(path)
    require_free_port(host, port)
    with ExitStack() as stack:
        interpreter = None if python is None else Path(python)
        source = open_source(path, python=interpreter, limits=limits, hints=hints)
        stack.callback(source.close)
        subject = read_subject(
            source,
            name=chosen,
            data=Path(data),
            observer=observer,
            python=interpreter,
            limits=limits,
            hints=hints,
            reading=told,
        )
        assert subject.dataset is not None
        stack.enter_context(subject.dataset)
        require_labels(subject.dataset, asked, subject.outputs, drop_bad=told.drop_bad)
        writer = stack.enter_context(BundleWriter(Path(out) / f"{chosen}.bundle"))
        converted = stack.enter_context(convert(subject, writer, observer))
        found = Outcome(
            verdicts=converted.verdicts,
            details={"ways": [attempt.to_json() for attempt in converted.attempts]},
            accepted=accepted,
        )
        if not found.is_fine:
            return Deployment(outcome=found)
        quality = _evaluate(converted, subject.name, subject.dataset, asked, told, observer)
        found = replace(
            found,
            verdicts=(*found.verdicts, *quality.verdicts),
            metrics=quality.metrics,
            details={**found.details, **quality.details()},
        )
        if not found.is_fine:
            return Deployment(outcome=found)
        observer.begin("bundle")
        page = make_report(found, quality, subject.inputs, title=subject.name)
        bundle = pack(writer, subject, converted, quality=quality, report=page, accepted=accepted)
        observer.end(f"{bundle.path} ({bundle.id[:12]})")
        found = replace(found, bundle=BundleRef.of(bundle))
        check = partial(
            check_endpoint, dataset=subject.dataset, judging=asked, reading=told, observer=observer
        )
        return _serve_and_check(bundle, found, check, host=host, port=port, observer=observer)


def _evaluate(
    converted: Converted, name: str, dataset: Dataset, asked: Judging, told: Reading, observer: Observer
) -> Quality:
    observer.begin("evaluate")
    session = converted.session
    quality = judge_quality(
        session.run,
        session.signature,
        dataset,
        subject=name,
        judging=asked,
        reading=told,
        observer=observer,
    )
    end_evaluation(quality, observer)
    return quality


def _serve_and_check(
    bundle: Bundle,
    found: Outcome,
    check: Callable[[Endpoint, Bundle], Checked],
    *,
    host: str,
    port: int,
    observer: Observer,
) -> Deployment:
    observer.begin("serve")
    observer.doing("starting the server and proving the model on this machine")
    server = start_server([bundle.path], host=host, port=port)
    try:
        observer.end(server.url)
        with Endpoint(server.url, bundle.manifest.name) as endpoint:
            checked = check(endpoint, bundle)
        request = example_request(bundle, server.url)
    except BaseException:
        server.stop()
        raise
    outcome = replace(
        found,
        verdicts=(*found.verdicts, *checked.verdicts),
        measurements=checked.speed.to_json() if checked.speed else {},
        details={**found.details, "url": server.url, "request": request},
    )
    if not outcome.is_fine:
        server.stop()
        return Deployment(outcome=outcome)
    return Deployment(outcome=outcome, server=server)
