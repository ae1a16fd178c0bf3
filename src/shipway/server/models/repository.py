"""The rules of a model repository, without I/O: which versions are served, and what gives way to what.

state     asked to load      proven            refused           unload, evict    drained
ABSENT    LOADING              -                 -                 -                -
LOADING     -                READY             ABSENT, reason      -                -
READY       -                  -                 -               LEAVING            -
LEAVING     -                  -                 -                 -              ABSENT; ASLEEP if evicted
ASLEEP    LOADING              -                 -               ABSENT             -
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from shipway.errors import UsageError

Key = tuple[str, str]
"""Name and version."""


class EntryState(StrEnum):
    """Where a known version stands; the drawing above is the table of its changes."""

    ABSENT = "absent"
    LOADING = "loading"
    READY = "ready"
    LEAVING = "leaving"
    ASLEEP = "asleep"


@dataclass
class Entry:
    """A version that this server knows of, loaded or not."""

    name: str
    version: str
    path: Path
    bundle_id: str = ""
    """Of what was last seen at its path."""
    state: EntryState = EntryState.ABSENT
    reason: str = ""
    """Why it is not served."""
    size_bytes: int = 0
    """Memory that it was measured to take, or its files where that is more."""
    last_used: float = 0.0
    served_id: str = ""
    """The bundle's id of what is served under this name and version."""

    @property
    def key(self) -> Key:
        """Name and version."""
        return self.name, self.version


@dataclass(frozen=True)
class Policy:
    """Which versions of a model are served, and what they are called."""

    versions: str | tuple[str, ...] = "latest"
    """`"latest"`, `"all"`, or the ones named."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Label → version."""

    @classmethod
    def from_table(cls, name: str, table: Mapping[str, Any], default: str) -> Policy:
        """A model's table in `models.toml`. Raises `UsageError`."""
        unknown = sorted(set(table) - {"versions", "labels"})
        versions, labels = table.get("versions", default), table.get("labels", {})
        is_list = isinstance(versions, list) and all(isinstance(item, str) for item in versions)
        if unknown or not (versions in ("latest", "all") or is_list):
            found = f"the keys {', '.join(unknown)}" if unknown else f"versions = {versions!r}"
            raise UsageError(
                f'models.toml, [{name}]: expected versions = "latest", "all" or a list of versions as text, '
                f"and labels = {{label = version}}; found {found}."
            )
        if not isinstance(labels, dict) or not all(isinstance(item, str) for item in labels.values()):
            raise UsageError(f'models.toml, [{name}]: expected labels = {{stable = "1"}}, found {labels!r}.')
        return cls(tuple(versions) if is_list else versions, labels)

    def choose(self, versions: Iterable[str]) -> list[str]:
        """Those of `versions` that are to be served, oldest first."""
        known = sorted(versions, key=version_order)
        if self.versions == "all":
            return known
        if self.versions == "latest":
            labelled = [version for version in known[:-1] if version in self.labels.values()]
            return [*labelled, *known[-1:]]
        return [version for version in known if version in self.versions]


def version_order(version: str) -> tuple[tuple[int, int, str], ...]:
    """Whole numbers in a version by their value, so that 10 follows 9."""
    return tuple(
        (0, int(part), "") if part.isascii() and part.isdigit() else (1, 0, part)
        for part in version.split(".")
    )


def choose_evictions(
    entries: Iterable[Entry], *, needed_bytes: int, limit_bytes: int, keep: Key
) -> Sequence[Entry] | None:
    """The ready versions that give way, least recently used first, so that `needed_bytes` more fit the limit.

    None where not even all of them would be enough. `keep`: the one that is coming.
    """
    ready = [entry for entry in entries if entry.state is EntryState.READY and entry.key != keep]
    used = sum(entry.size_bytes for entry in ready)
    leaving: list[Entry] = []
    for entry in sorted(ready, key=lambda entry: entry.last_used):
        if used + needed_bytes <= limit_bytes:
            break
        leaving.append(entry)
        used -= entry.size_bytes
    return leaving if used + needed_bytes <= limit_bytes else None
