"""Turns what an action found into a bundle: manifest, evidence and provenance."""

from __future__ import annotations

import platform
from collections.abc import Collection
from datetime import UTC, datetime

from shipway import __version__
from shipway.actions.conversion import VARIANT, Converted
from shipway.actions.evaluate import Quality
from shipway.actions.subject import Subject
from shipway.bundle.evidence import Evidence, Json, Result
from shipway.bundle.manifest import Manifest, Variant
from shipway.bundle.store import Bundle, BundleWriter
from shipway.graph.weights import MODEL_NAME


def pack(
    writer: BundleWriter,
    subject: Subject,
    converted: Converted,
    *,
    quality: Quality | None = None,
    accepted: Collection[Result] = (),
) -> Bundle:
    """Commits the bundle with the variant that stands in the writer's folder.

    `accepted` is the user's own decision to live with such verdicts; the bundle records it.
    """
    variant = Variant(
        id=VARIANT,
        format="onnx",
        precision="fp32",
        main=f"variants/{VARIANT}/{MODEL_NAME}",
        runtime=converted.runtime,
        files=writer.files_of(VARIANT),
        made_by=converted.made_by,
    )
    manifest = Manifest(
        name=subject.name,
        version="1",
        task=None if quality is None else "classification",
        signature=converted.signature,
        variants=(variant,),
        provenance=_provenance(subject, converted, accepted),
    )
    return writer.commit(
        manifest, golden=converted.golden, evidence=_evidence(variant, subject, converted, quality)
    )


def _evidence(
    variant: Variant, subject: Subject, converted: Converted, quality: Quality | None
) -> list[Evidence]:
    about = {"variant": variant.id, "files": {entry.path: entry.sha256 for entry in variant.files}}
    data: dict[str, Json] | None = None
    if subject.dataset is not None:
        data = {"sha256": subject.dataset.sha256, "rows": subject.dataset.rows, "origin": "data"}
    verdicts = [*converted.verdicts, *([] if quality is None else [quality.verdict])]
    evidence = [Evidence("verdict", about, data, verdict.to_json()) for verdict in verdicts]
    if quality is not None:
        content = {"task": "classification", **quality.report.to_json()}
        evidence.append(Evidence("metrics", about, data, content))
    return evidence


def _provenance(subject: Subject, converted: Converted, accepted: Collection[Result]) -> dict[str, Json]:
    return {
        "source": {
            "format": subject.description.format,
            "file": subject.source.path.name,
            "size": subject.description.size_bytes,
            "sha256": subject.description.sha256,
            "external_data": subject.description.details.get("external_data", {}),
        },
        "framework": dict(converted.framework),
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
