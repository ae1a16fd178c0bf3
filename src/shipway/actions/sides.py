"""One of the two models that `diff` compares: a bundle, one variant of a bundle, or a live endpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from shipway.actions.asking import Asked, ask
from shipway.actions.observer import Observer
from shipway.actions.running import Run
from shipway.bundle.evidence import Json
from shipway.bundle.golden import Tolerance
from shipway.bundle.manifest import Variant
from shipway.bundle.store import Bundle
from shipway.runtimes.opening import open_variant
from shipway.targets.credentials import Credentials
from shipway.types import Signature, Tensors


@dataclass(frozen=True)
class Side:
    """A model that is open and can be asked."""

    called: str
    """In verdicts: `digits.bundle#onnx-fp32`, or the address."""
    asked: Asked
    run: Run
    variant: Variant | None

    @property
    def signature(self) -> Signature:
        """As callers see it."""
        return self.asked.signature

    @property
    def class_names(self) -> tuple[str, ...]:
        """Where a bundle names its classes."""
        return (self.asked.bundle.manifest.labels or ()) if self.asked.bundle else ()

    @property
    def tolerances(self) -> Mapping[str, Tolerance]:
        """Of a bundle's outputs, as its export measured them."""
        samples = self.asked.bundle.manifest.samples if self.asked.bundle else ()
        return samples[0].tolerances if samples else {}

    def request(self, inputs: Tensors) -> Callable[[], object]:
        """Asks the same once more with every call; what is made once is made here."""
        endpoint = self.asked.endpoint
        if endpoint is None:
            return lambda: self.run(inputs)
        body, headers = endpoint.encode(inputs)
        return lambda: endpoint.ask(body, headers)

    def to_json(self) -> dict[str, Json]:
        """What it is, for the document."""
        bundle, variant = self.asked.bundle, self.variant
        told: dict[str, Json] = {
            "called": self.called,
            "kind": "endpoint" if bundle is None else "bundle",
            "name": self.asked.name,
        }
        if bundle is None or variant is None:
            return {**told, "size_bytes": None}
        return {
            **told,
            "version": bundle.manifest.version,
            "id": bundle.id,
            "variant": variant.id,
            "format": variant.format,
            "precision": variant.precision,
            "runtime": dict(variant.runtime),
            "size_bytes": sum(entry.size for entry in variant.files),
        }

    def facts(self) -> dict[str, Json]:
        """What a bundle says of itself, field by field, and two bundles may say otherwise."""
        bundle, variant = self.asked.bundle, self.variant
        if bundle is None or variant is None:
            return {}
        manifest = bundle.manifest
        return {
            "name": manifest.name,
            "version": manifest.version,
            "task": manifest.task,
            "labels": None if manifest.labels is None else list(manifest.labels),
            "steps": list(manifest.steps),
            "format": variant.format,
            "precision": variant.precision,
            "runtime": dict(variant.runtime),
            "made_by": dict(variant.made_by),
        }


def open_side(
    target: Path | str, stack: ExitStack, observer: Observer, *, credentials: Credentials | None = None
) -> Side:
    """Opens `BUNDLE`, `BUNDLE#VARIANT` or an address; all is closed with `stack`.

    Raises `BundleError`, `UsageError` (no such variant), `SessionLoadError`, `MissingDependencyError`,
    `EndpointError`.
    """
    path, variant_id = _split(str(target))
    asked = ask(path, stack, observer, credentials=credentials)
    if asked.bundle is None:
        return Side(path, asked, asked.run(stack), None)
    bundle = asked.bundle if variant_id is None else _only(asked.bundle, variant_id)
    variant, session = open_variant(bundle)
    stack.callback(session.close)
    return Side(f"{Path(path).name}#{variant.id}", asked, session.run, variant)


def _only(bundle: Bundle, variant_id: str) -> Bundle:
    """The bundle as if it held that variant alone."""
    return replace(bundle, manifest=replace(bundle.manifest, variants=(bundle.variant(variant_id),)))


def _split(target: str) -> tuple[str, str | None]:
    """The path and, after the last `#`, the variant; a path that stands there with its `#` is a path."""
    path, found, variant_id = target.rpartition("#")
    if not found or target.startswith(("http://", "https://")) or Path(target).exists():
        return target, None
    return path, variant_id
