"""From a bundle's folder to a served version: verified, opened in its runtime, proven.

Reading and hashing happen in a thread, so that the server says "alive, not ready yet" meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from shipway.bundle.evidence import Verdict
from shipway.bundle.golden import Golden
from shipway.bundle.store import Bundle, open_bundle
from shipway.errors import BundleFormatError, UsageError
from shipway.runtimes.base import Session
from shipway.runtimes.opening import open_variant
from shipway.server.models.model import ModelCard, ServedModel
from shipway.server.models.readiness import prove
from shipway.server.service import Service
from shipway.server.settings import ServerSettings


async def load_all(paths: Sequence[Path], service: Service, settings: ServerSettings) -> None:
    """Loads the bundles one after the other into the service and proves each.

    A version that fails its proof stays in the service, unready, with the reason. Raises `BundleError`,
    `MissingDependencyError` or `SessionLoadError` for a bundle that cannot be loaded at all, and `UsageError`
    for a name and version that two bundles share. `service.begin_loading` was called before.
    """
    loop = asyncio.get_running_loop()
    for path in paths:
        card, session, golden = await loop.run_in_executor(None, _open, path)
        if any((model.card.name, model.card.version) == (card.name, card.version) for model in service):
            session.close()
            raise UsageError(
                f"Two bundles hold {card.name!r} version {card.version!r}; the second is {path}.",
                hint="Serve one of them, or give them different versions.",
            )
        model = ServedModel(card, session, golden, settings=settings, loop=loop)
        await prove(model)
        service.add(model)


def _open(path: Path) -> tuple[ModelCard, Session, Golden | None]:
    bundle = open_bundle(path)
    variant, session = open_variant(bundle)
    card = ModelCard(
        name=bundle.manifest.name,
        version=bundle.manifest.version,
        signature=bundle.manifest.signature,
        bundle_id=bundle.id,
        variant=variant.id,
        format=variant.format,
        precision=variant.precision,
        runtime=str(variant.runtime["name"]),
        task=bundle.manifest.task,
        labels=bundle.manifest.labels,
        verdicts=_verdicts(bundle, variant.id),
        accepted=tuple(map(str, bundle.manifest.provenance.get("accepted") or ())),
    )
    return card, session, bundle.golden()


def _verdicts(bundle: Bundle, variant_id: str) -> tuple[Verdict, ...]:
    """Of the served variant: another one may have failed where this one passed."""
    try:
        return tuple(
            Verdict.from_json(item.content)
            for item in bundle.evidence()
            if item.kind == "verdict" and item.subject.get("variant", variant_id) == variant_id
        )
    except (KeyError, ValueError, TypeError) as error:
        raise BundleFormatError(
            f"{bundle.path}: a piece of evidence is no verdict: {error!r}.", hint="Export the model again."
        ) from error
