"""Values that several commands read from their options."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from shipway.bundle.evidence import Result

if TYPE_CHECKING:
    from shipway.sources.base import Limits


def accepted(values: list[str] | None) -> frozenset[Result]:
    """The verdicts of `--accept`. Raises `typer.BadParameter`."""
    found = set()
    for value in values or []:
        if value.upper() != Result.INCONCLUSIVE:
            raise typer.BadParameter(f"{value!r}: only inconclusive can be accepted.", param_hint="--accept")
        found.add(Result.INCONCLUSIVE)
    return frozenset(found)


def child_limits(timeout_seconds: float, memory_gigabytes: float | None) -> Limits:
    """The limits of the framework's process."""
    from shipway.sources.base import Limits  # inside: `shipway --help` loads no rooms but cli

    memory = None if memory_gigabytes is None else int(memory_gigabytes * 1e9)
    return Limits(timeout_seconds=timeout_seconds, memory_bytes=memory)
