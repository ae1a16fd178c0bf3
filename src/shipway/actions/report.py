"""The report of an evaluation: what `--json` prints, the worst rows to look at, and where it was made."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np

from shipway import __version__
from shipway.actions.judging import Quality
from shipway.actions.outcome import Outcome
from shipway.errors import OutputExistsError, UsageError
from shipway.evaluation.report.page import render_report
from shipway.evaluation.report.pictures import make_samples
from shipway.os_errors import os_errors_as_ours
from shipway.types import TensorSpec


def make_report(
    outcome: Outcome,
    quality: Quality,
    specs: tuple[TensorSpec, ...],
    *,
    title: str,
    command: str | None = None,
) -> str:
    """The page; `specs` are the model's inputs, `title` its name."""
    document = outcome.to_json()
    worst = document["evaluation"].get("worst", [])
    places = np.array([entry["row"] for entry in quality.judged.sections.get("worst", ())], np.intp)
    samples = []
    if len(places):
        inputs = quality.dataset.take(places).inputs
        samples = make_samples(worst, inputs, specs, column_names=quality.dataset.column_names)
    return render_report(
        document,
        samples=samples,
        title=title,
        machine=_machine(),
        command=command,
        made_at=datetime.now(UTC),
    )


def check_report_path(path: Path) -> None:
    """What can be said before the page is made. Raises `OutputExistsError` and `UsageError`."""
    if path.is_dir():
        raise OutputExistsError(
            f"{path} is a folder; the report is one file.", hint="Give a file's name: --report report.html."
        )
    if not path.parent.is_dir():
        raise UsageError(
            f"There is no folder {path.parent} to write the report {path.name} into.",
            hint=f'Make it: mkdir -p "{path.parent}", or give another place to --report.',
        )


def write_report(page: str, path: Path) -> None:
    """Writes the page whole or not at all. Raises what `check_report_path` does, `DiskFullError`, …"""
    check_report_path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os_errors_as_ours("write the report", path):
            partial.write_text(page, encoding="utf-8")
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _machine() -> Mapping[str, str]:
    """Where it ran, the most telling first: the report's opening shows two of them."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "Machine": f"{_processor()}, {cores} cores",
        "System": f"{platform.system()} {platform.release()}",
        "Shipway": __version__,
        "Python": platform.python_version(),
        "ONNX Runtime": version("onnxruntime"),
        "scikit-learn": version("scikit-learn"),
        "NumPy": np.__version__,
    }


def _processor() -> str:
    """The processor's name where Linux tells it, else its kind."""
    with suppress(OSError, IndexError):
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("model name", 1)[1]
        return told.splitlines()[0].lstrip("\t :")
    return platform.machine()
