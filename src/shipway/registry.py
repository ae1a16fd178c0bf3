"""Names to objects, by entry points: built-ins come in by the same door as plug-ins.

A group is one family (`shipway.sources`, `shipway.runtimes`). Nothing is imported before it is asked for.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from shipway.errors import MissingDependencyError


@cache
def _entries(family: str) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=f"shipway.{family}")}


def names(family: str) -> list[str]:
    """The names that a family (`"sources"`, `"runtimes"`) has, sorted."""
    return sorted(_entries(family))


def load(family: str, name: str) -> Any:  # noqa: ANN401 - each family's `base.py` says what its members are
    """The object of that name. Raises `MissingDependencyError` when nothing installed offers it."""
    entry = _entries(family).get(name)
    if entry is None:
        known = ", ".join(names(family)) or "none"
        raise MissingDependencyError(
            f"No {family.removesuffix('s')} named {name!r} is installed; known: {known}.",
            hint="Install the package that offers it, or reinstall Shipway if the list is empty.",
        )
    return entry.load()
