"""What is told about a version beside its answers, and while it sleeps."""

from __future__ import annotations

from dataclasses import dataclass

from shipway.bundle.evidence import Verdict
from shipway.types import Signature


@dataclass(frozen=True)
class ModelCard:
    """One version, as its bundle describes it."""

    name: str
    version: str
    signature: Signature
    bundle_id: str
    variant: str
    format: str
    precision: str
    runtime: str
    task: str | None = None
    labels: tuple[str, ...] | None = None
    verdicts: tuple[Verdict, ...] = ()
    accepted: tuple[str, ...] = ()
    """Results other than PASS that whoever exported the model decided to live with."""
    main_file: str = ""
    """The variant's file that the runtime opened, inside the bundle."""
    size_bytes: int = 0
    """Of the variant's files."""


@dataclass(frozen=True)
class Sleeper:
    """What stays of a version that made room under `max_model_bytes`, until it is loaded again."""

    card: ModelCard
    can_batch: bool
    max_batch_rows: int
