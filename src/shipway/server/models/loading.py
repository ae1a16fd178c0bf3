"""From a bundle's folder to a version that may be served: verified, opened in its runtime, proven, tuned.

Reading, hashing and measuring happen in a thread, so that the server goes on answering meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from shipway.bundle.evidence import Verdict
from shipway.bundle.golden import Golden
from shipway.bundle.store import Bundle, open_bundle
from shipway.errors import BundleFormatError, SessionError, ShipwayError
from shipway.runtimes.base import Session
from shipway.runtimes.cpu_quota import usable_processors
from shipway.runtimes.opening import open_variant
from shipway.server.models.card import ModelCard
from shipway.server.models.model import ServedModel
from shipway.server.models.readiness import find_problem
from shipway.server.models.tuning import find_ceiling, is_short
from shipway.server.settings import ServerSettings

log = logging.getLogger("shipway.server")
_ONE_THREAD_BYTES = 2 * 2**20
"""Models with less weights are first tried with one thread, others with all: opening twice is then rare."""


_NEVER_SHORT_BYTES = 64 * 2**20
"""A run reads all weights: with more than these it takes milliseconds, and need not be measured to know."""
_VERIFY_BESIDE_BYTES = 16 * 2**20
"""Larger weights are hashed (1.7 GB/s) while the session opens and proves itself; it is ready after both."""


@dataclass(frozen=True)
class Opened:
    """A bundle whose model is in its runtime; `bundle.verify_rest` may still have to look at its weights."""

    bundle: Bundle
    card: ModelCard
    session: Session
    golden: Golden | None
    threads: int
    """That a run of the session uses."""


async def load(path: Path, settings: ServerSettings, threads: Executor | None = None) -> ServedModel:
    """A version, ready or refused with its reason; a refused one holds no memory.

    `threads` does what blocks: it needs two, one opens and measures, one hashes.

    Raises `BundleError`, `MissingDependencyError` or `SessionLoadError` where it cannot be loaded at all.
    """
    loop = asyncio.get_running_loop()
    bundle = await loop.run_in_executor(threads, partial(open_bundle, path, defer_above=_VERIFY_BESIDE_BYTES))
    verifying = loop.run_in_executor(threads, bundle.verify_rest)
    try:
        opened = await loop.run_in_executor(threads, open_for_serving, bundle, settings)
    except ShipwayError:
        await verifying  # damaged files are the better explanation
        raise
    model = ServedModel(opened.card, opened.session, opened.golden, settings=settings, loop=loop)
    problem = await find_problem(model)
    try:
        await verifying
    except ShipwayError as error:
        model.refuse(error.message)
        await model.close()
        raise
    if problem:
        model.refuse(problem)
        await model.close()
        return model
    model.metrics.reset()
    if not model.is_slow:
        await _tune(model, opened, settings, threads)
    model.accept()
    if model.is_slow:  # it answers meanwhile, and is measured beside
        model.tuning = asyncio.create_task(_tune(model, opened, settings, threads))
    return model


async def _tune(
    model: ServedModel, opened: Opened, settings: ServerSettings, threads: Executor | None
) -> None:
    """Finds out up to how many rows it pays to join this model's requests."""
    if model.can_batch and opened.golden is not None:
        find = partial(find_ceiling, budget_seconds=settings.tuning_seconds)
        ceiling = await asyncio.get_running_loop().run_in_executor(
            threads, find, opened.session, opened.golden, settings.max_batch_rows
        )
        model.limit_batches(ceiling)
    log.debug(
        "%s version %s: batches of up to %d rows, %d threads a run",
        opened.card.name, opened.card.version, model.max_batch_rows, opened.threads,
    )  # fmt: skip


def open_for_serving(bundle: Bundle, settings: ServerSettings) -> Opened:
    """Opens a bundle with as many threads as its runs are worth. Blocks; safe in a thread."""
    golden = bundle.golden()
    most = settings.threads or usable_processors()
    size_bytes = sum(entry.size for entry in bundle.manifest.variants[0].files)
    first, other = (1, most) if size_bytes < _ONE_THREAD_BYTES else (most, 1)
    opened = _open(bundle, golden, first)
    if first == other or golden is None or size_bytes > _NEVER_SHORT_BYTES:
        return opened
    try:
        wants_one = is_short(opened.session, golden, bundle.manifest.signature)
    except SessionError:
        return opened  # the proof will say what is wrong
    if wants_one == (first == 1):
        return opened
    opened.session.close()
    return _open(bundle, golden, other)


def _open(bundle: Bundle, golden: Golden | None, threads: int) -> Opened:
    variant, session = open_variant(bundle, {"intra_op_threads": threads})
    manifest = bundle.manifest
    card = ModelCard(
        name=manifest.name,
        version=manifest.version,
        signature=manifest.signature,
        bundle_id=bundle.id,
        variant=variant.id,
        format=variant.format,
        precision=variant.precision,
        runtime=str(variant.runtime["name"]),
        task=manifest.task,
        labels=manifest.labels,
        verdicts=_verdicts(bundle, variant.id),
        accepted=tuple(map(str, manifest.provenance.get("accepted") or ())),
        main_file=variant.main,
        size_bytes=sum(entry.size for entry in variant.files),
    )
    return Opened(bundle, card, session, golden, threads)


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
