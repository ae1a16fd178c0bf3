"""What stands after the start: told by one process or by several, and read by whoever started them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ModelStatus:
    """One version after loading."""

    name: str
    version: str
    is_ready: bool
    reason: str


@dataclass(frozen=True)
class StartReport:
    """What stands once everything was loaded and proven, or refused."""

    url: str
    models: tuple[ModelStatus, ...]
    management_url: str = ""
    """Of the management port; empty where there is none."""

    @property
    def is_ready(self) -> bool:
        """True when every version passed its proof."""
        return all(model.is_ready for model in self.models)


def join_reports(url: str, told: Sequence[Sequence[ModelStatus]], *, management_url: str = "") -> StartReport:
    """Of several processes: a version that one of them refused is refused."""
    models: dict[tuple[str, str], ModelStatus] = {}
    for model in (model for process in told for model in process):
        known = models.get((model.name, model.version))
        if known is None or known.is_ready:
            models[model.name, model.version] = model
    return StartReport(url, tuple(models.values()), management_url)
