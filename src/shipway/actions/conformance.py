"""`conformance`: whether a running server, of whatever make, keeps the protocol, sentence by sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from shipway.actions.observer import SILENT, Observer
from shipway.actions.outcome import Outcome
from shipway.bundle.evidence import Json, Result, Verdict, overall
from shipway.conformance.address import Address, Client
from shipway.conformance.catalog import PROTOCOLS
from shipway.conformance.check import Finding, Level, Mark
from shipway.conformance.junit import render_junit
from shipway.conformance.run import Found, Plan, run_checks
from shipway.errors import DataFormatError, DataNotFoundError, OutputExistsError, UsageError
from shipway.os_errors import os_errors_as_ours
from shipway.targets.credentials import Credentials
from shipway.types import Array

_NAMED_FAILURES = 3


def check_conformance(
    url: str,
    *,
    protocol: str = "v2",
    models: Sequence[str] = (),
    data: Path | str | None = None,
    only: Collection[str] = (),
    allow_changes: bool = False,
    credentials: Credentials | None = None,
    timeout_seconds: float = 10.0,
    junit: Path | str | None = None,
    observer: Observer = SILENT,
) -> Outcome:
    """Tries the sentences of a protocol on the server at `url`, and judges each.

    `protocol` is `v2` (Open Inference Protocol), `tfs` (TensorFlow Serving's REST API) or `all`. `models` are
    tried in turn; none given: every model that the server lists. Inputs are made from the models' metadata, or
    come from `data`, an `.npz` with an array for each input. `only` has patterns of checks' names. Nothing is
    loaded or unloaded without `allow_changes`. `credentials` are what the server is shown, `timeout_seconds` is
    the limit for each answer. `junit` is where the findings are written as JUnit XML.

    The verdict is PASS where every check of the protocol and of the extensions that the server lists passed;
    recommendations are told and do not count. Raises `UsageError`, `EndpointUnreachableError`, `DataError`.
    """
    if protocol not in PROTOCOLS:
        raise UsageError(f"No protocol is called {protocol!r}.", hint=f"Known: {', '.join(PROTOCOLS)}.")
    address = Address.parse(url)
    named = tuple(models) or ((address.model,) if address.model else ())
    plan = Plan(protocol, named, tuple(only), allow_changes, None if data is None else _load(Path(data)))
    target = None if junit is None else _writable(Path(junit))
    client = Client(address, timeout_seconds=timeout_seconds, credentials=credentials)
    observer.begin("conform")
    try:
        found = run_checks(client, plan, observer.doing)
    finally:
        client.close()
    verdicts = _verdicts(url, found.findings)
    for verdict in verdicts:
        observer.verdict(verdict)
    observer.end(f"{len(found.findings)} checks of {len(found.models)} models", overall(verdicts))
    if target is not None:
        with os_errors_as_ours("write the JUnit report", target):
            target.write_text(render_junit(found.findings, url), encoding="utf-8")
    return Outcome(verdicts=verdicts, details={"url": url, "conformance": _document(plan, found)})


def _load(path: Path) -> dict[str, Array]:
    """The arrays of an `.npz`, text as bytes."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: _as_bytes(file[name]) for name in file.files}
    except FileNotFoundError as error:
        raise DataNotFoundError(f"There is no file {path}.", hint="Check --data.") from error
    except (ValueError, OSError, BadZipFile, AttributeError) as error:
        raise DataFormatError(
            f"{path} is no .npz with arrays: {error}.", hint="Write it with numpy.savez(path, NAME=array, …)."
        ) from error


def _as_bytes(array: Array) -> Array:
    if array.dtype.kind not in "US":
        return array
    items = np.empty(array.size, dtype=object)
    items[:] = [item if isinstance(item, bytes) else str(item).encode() for item in array.ravel().tolist()]
    return items.reshape(array.shape)


def _writable(path: Path) -> Path:
    if path.is_dir():
        raise OutputExistsError(f"{path} is a folder; the report is one file.", hint="Give a file's name.")
    if not path.parent.is_dir():
        raise UsageError(
            f"There is no folder {path.parent} to write {path.name} into.",
            hint="Give another place to --junit.",
        )
    return path


def _protocol_of(found: Finding) -> str:
    return "tfs" if found.id.startswith("tfs.") else "v2"


def _verdicts(url: str, findings: Sequence[Finding]) -> tuple[Verdict, ...]:
    """One for each protocol."""
    return tuple(
        _verdict(f"{url} ({protocol})", [found for found in findings if _protocol_of(found) == protocol])
        for protocol in dict.fromkeys(map(_protocol_of, findings))
    )


def _verdict(subject: str, findings: Sequence[Finding]) -> Verdict:
    counting = [found for found in findings if found.counts]
    failed = [found for found in counting if found.mark is Mark.FAIL]
    judged = [found for found in findings if found.mark is Mark.PASS and found.level is not Level.RECOMMENDED]
    is_kept = bool(judged) and not counting
    result = Result.FAIL if failed else Result.PASS if is_kept else Result.INCONCLUSIVE
    return Verdict("conformance", subject, result, _reason(failed or counting, judged), _counts(findings))


def _reason(counting: Sequence[Finding], judged: Sequence[Finding]) -> str:
    if not counting:
        return f"{len(judged)} checks passed, none failed" if judged else "no required check could be made"
    first = counting[0]
    names = list(dict.fromkeys(found.id for found in counting))
    more = f" and {len(names) - _NAMED_FAILURES} more" if len(names) > _NAMED_FAILURES else ""
    return f"{', '.join(names[:_NAMED_FAILURES])}{more}: {first.reason}"


def _counts(findings: Sequence[Finding]) -> dict[str, Json]:
    """Level → mark → how many."""
    counted = Counter((found.level, found.mark) for found in findings)
    return {
        str(level): {str(mark): counted[level, mark] for mark in Mark if counted[level, mark]}
        for level in Level
    }


def _document(plan: Plan, found: Found) -> dict[str, Json]:
    return {
        "protocol": plan.protocol,
        "server": dict(found.server),
        "models": list(found.models),
        "summary": _counts(found.findings),
        "checks": [_finding(one) for one in found.findings],
    }


def _finding(found: Finding) -> dict[str, Json]:
    values = asdict(found)
    return {"id": values.pop("id"), "model": values.pop("model"), "result": str(values.pop("mark")), **values}
