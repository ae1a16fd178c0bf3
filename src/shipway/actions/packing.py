"""Turns what an action found into a bundle: manifest, evidence and provenance."""

from __future__ import annotations

import platform
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path

from shipway import __version__
from shipway.actions.conversion import Converted
from shipway.actions.judging import Quality
from shipway.actions.subject import Subject
from shipway.actions.variants import ProvenVariant, StoredVariant
from shipway.bundle.evidence import Evidence, Json, Result
from shipway.bundle.manifest import Manifest, Variant
from shipway.bundle.store import Bundle, BundleWriter

SAVED_MODEL = "saved_model.pb"
REPORT = "evaluation.html"


def pack(
    writer: BundleWriter,
    subject: Subject,
    converted: Converted,
    *,
    quality: Quality | None = None,
    report: str | None = None,
    accepted: Collection[Result] = (),
) -> Bundle:
    """Commits the bundle with the variants that stand in the writer's folder.

    `report` is the evaluation's page. `accepted` is the user's own decision to live with such verdicts; the
    bundle records it.
    """
    variants = tuple(_variant(writer, proven) for proven in converted.variants)
    manifest = Manifest(
        name=subject.name,
        version="1",
        task=None if quality is None else quality.judged.task,
        labels=None if quality is None else quality.class_names,
        signature=converted.signature,
        variants=variants,
        provenance=_provenance(subject, converted, accepted),
    )
    return writer.commit(
        manifest,
        golden=converted.golden,
        evidence=_evidence(variants, subject, converted, quality),
        reports={} if report is None else {REPORT: report},
    )


def _variant(writer: BundleWriter, proven: ProvenVariant) -> Variant:
    stored = proven.stored
    return Variant(
        id=proven.id,
        format=stored.format,
        precision=proven.precision,
        main=_main_file(stored).relative_to(writer.folder).as_posix(),
        runtime=stored.runtime,
        files=writer.files_of(proven.id),
        made_by=proven.made_by,
    )


def _main_file(stored: StoredVariant) -> Path:
    """A format that is a folder is told by the file that its runtime looks for in it."""
    return stored.model / SAVED_MODEL if stored.model == stored.folder else stored.model


def _evidence(
    variants: Sequence[Variant], subject: Subject, converted: Converted, quality: Quality | None
) -> list[Evidence]:
    data: dict[str, Json] | None = None
    if subject.dataset is not None:
        data = {**subject.dataset.to_json(), "origin": "data"}
    evidence = [
        Evidence("verdict", _about(variant), data, verdict.to_json())
        for variant, proven in zip(variants, converted.variants, strict=True)
        for verdict in proven.verdicts
    ]
    if quality is not None:  # taken on the served variant, which is the first
        about = _about(variants[0])
        judged = {**quality.dataset.to_json(), "origin": "data"}
        evidence.extend(Evidence("verdict", about, judged, verdict.to_json()) for verdict in quality.verdicts)
        metrics = {name: estimate.to_json() for name, estimate in quality.metrics.items()}
        evidence.append(Evidence("metrics", about, judged, {**quality.to_json(), "metrics": metrics}))
    return evidence


def _about(variant: Variant) -> dict[str, Json]:
    return {"variant": variant.id, "files": {entry.path: entry.sha256 for entry in variant.files}}


def _provenance(subject: Subject, converted: Converted, accepted: Collection[Result]) -> dict[str, Json]:
    return {
        "source": {
            "format": subject.description.format,
            "file": subject.source.path.name,
            "size": subject.description.size_bytes,
            "sha256": subject.description.sha256,
            "takes_missing": bool(subject.reading and subject.reading.allow_missing),
            "external_data": subject.description.details.get("external_data", {}),
        },
        "framework": dict(converted.framework),
        "confined": dict(converted.confined),
        "ways": [attempt.to_json() for attempt in converted.attempts],
        "accepted": sorted(map(str, accepted)),
        "shipway": __version__,
        "machine": {
            "system": platform.system(),
            "machine": platform.machine(),
            "python": platform.python_version(),
        },
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
