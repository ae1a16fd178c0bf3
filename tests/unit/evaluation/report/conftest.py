"""Contents as sections take them, with what a test says of the document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import report_documents as made
from shipway.evaluation.report.contents import Contents, Sample

MakeContents = Callable[..., Contents]


@pytest.fixture(scope="session")
def digits() -> tuple[dict[str, Any], list[Sample]]:
    """A real evaluation of ten classes."""
    return made.digits()


@pytest.fixture(scope="session")
def diabetes() -> dict[str, Any]:
    """A real evaluation of a regression."""
    return made.diabetes()


@pytest.fixture
def contents() -> MakeContents:
    def make(document: dict[str, Any], samples: tuple[Sample, ...] = (), **changes: Any) -> Contents:
        given = {
            "title": "model",
            "machine": made.MACHINE,
            "command": None,
            "made_at": made.MADE_AT,
        } | changes
        return Contents(document, samples, **given)

    return make
