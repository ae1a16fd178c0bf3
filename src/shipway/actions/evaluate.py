"""`evaluate`: how good a bundle, or a live endpoint, is on labelled data."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from shipway.actions.asking import ask, load_data, load_trained
from shipway.actions.judging import Judging, end_evaluation, judge_quality, require_labels
from shipway.actions.observer import SILENT, Observer
from shipway.actions.outcome import Outcome
from shipway.actions.report import check_report_path, make_report, write_report
from shipway.evaluation.data.base import Reading
from shipway.targets.credentials import Credentials


def evaluate(
    target: Path | str,
    data: Path | str,
    *,
    reading: Reading | None = None,
    judging: Judging | None = None,
    train_data: Path | str | None = None,
    credentials: Credentials | None = None,
    report: Path | str | None = None,
    command: str | None = None,
    observer: Observer = SILENT,
) -> Outcome:
    """Judges every row of `data` with the bundle or the endpoint `target`.

    `target` is the path of a bundle, or `http://HOST:PORT` of a server with one model, or
    `http://HOST:PORT/v2/models/NAME`; `data` a file or folder with labels, or `module.py:function` (see
    `docs/reference/data.md`). `reading` says how the data is read, `judging` what is asked of it. `train_data` is
    what the model was trained on: rows of it that are judged are found. `credentials` are what the server at an
    address is shown. `report` is the HTML page to write,
    `command` the line that it shows as the one that made it. Raises `BundleError`, `DataError`, `EndpointError`,
    `UsageError`, `OutputExistsError`.
    """
    asked = judging or Judging()
    told = asked.reading(reading)
    if report is not None:
        check_report_path(Path(report))
    with ExitStack() as stack:
        observer.begin("evaluate")
        asking = ask(target, stack, observer, credentials=credentials)
        asked = asking.with_names(asked)
        told = asking.with_missing(told)
        dataset = stack.enter_context(load_data(Path(data), asking.signature, observer, reading=told))
        require_labels(dataset, asked, asking.signature.outputs, drop_bad=told.drop_bad)
        trained = load_trained(train_data, asking.signature, stack, told)
        quality = judge_quality(
            asking.run(stack),
            asking.signature,
            dataset,
            subject=asking.name,
            judging=asked,
            reading=told,
            observer=observer,
            golden=asking.golden,
            trained=trained,
        )
        end_evaluation(quality, observer)
        outcome = Outcome(
            verdicts=quality.verdicts,
            metrics=quality.metrics,
            bundle=asking.reference,
            details=quality.details(),
        )
        if report is not None:
            page = make_report(outcome, quality, asking.signature.inputs, title=asking.name, command=command)
            write_report(page, Path(report))
    return outcome
