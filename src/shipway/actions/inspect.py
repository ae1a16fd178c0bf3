"""`inspect`: what a model file or a bundle is, without running it and without its framework."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from shipway.actions.outcome import BundleRef, Outcome
from shipway.bundle.evidence import Json, Verdict
from shipway.bundle.manifest import signature_to_json
from shipway.bundle.store import Bundle, is_bundle, open_bundle
from shipway.sources.base import Hints, Limits
from shipway.sources.detect import open_source
from shipway.types import Signature


def inspect(
    target: Path | str,
    *,
    python: Path | str | None = None,
    limits: Limits | None = None,
    hints: Hints | None = None,
) -> Outcome:
    """Describes the file, or verifies and describes the bundle, at `target`. Nothing in it is run.

    `python` is the interpreter for the few formats that take a library to read (`.h5`). Raises `SourceError`,
    `BundleError`.
    """
    path = Path(target)
    if is_bundle(path):
        return _inspect_bundle(open_bundle(path))
    interpreter = None if python is None else Path(python)
    with closing(open_source(path, python=interpreter, limits=limits, hints=hints)) as source:
        found = source.describe()
    signature = found.signature or Signature(inputs=found.inputs or (), outputs=())
    return Outcome(
        details={
            "kind": "source",
            "format": found.format,
            "path": str(path),
            "size": found.size_bytes,
            "sha256": found.sha256,
            "signature": signature_to_json(signature),
            "facts": dict(found.details),
        }
    )


def _inspect_bundle(bundle: Bundle) -> Outcome:
    manifest = bundle.manifest
    evidence = bundle.evidence()
    verdicts: list[Json] = [
        Verdict.from_json(item.content).to_json() for item in evidence if item.kind == "verdict"
    ]
    metrics = next((dict(item.content) for item in evidence if item.kind == "metrics"), None)
    return Outcome(
        bundle=BundleRef.of(bundle),
        details={
            "kind": "bundle",
            "name": manifest.name,
            "version": manifest.version,
            "task": manifest.task,
            "signature": signature_to_json(manifest.signature),
            "labels": None if manifest.labels is None else list(manifest.labels),
            "variants": [variant.to_json() for variant in manifest.variants],
            "samples": sum(samples.rows for samples in manifest.samples),
            "evidence": {"verdicts": verdicts, "metrics": metrics},
            "provenance": dict(manifest.provenance),
        },
    )
