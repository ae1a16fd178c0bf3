"""Every version that a server knows of, loaded or not: given by itself, or found in a repository folder."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path

from shipway.bundle.store import is_bundle, peek_bundle
from shipway.errors import BundleNotFoundError, UsageError
from shipway.server.models.repository import Entry, EntryState, Key, Policy, version_order
from shipway.server.models.scanning import scan

_INDEX_STATES = {
    EntryState.ABSENT: "UNAVAILABLE",
    EntryState.ASLEEP: "UNAVAILABLE",
    EntryState.LOADING: "LOADING",
    EntryState.READY: "READY",
    EntryState.LEAVING: "UNLOADING",
}
"""As the protocol's repository extension spells them."""


class Catalog:
    """Belongs to one event loop. Looking into folders changes what is known, never what is served."""

    def __init__(self, default_policy: str) -> None:
        self.entries: dict[Key, Entry] = {}
        self.given: list[Key] = []
        """Named on the command line themselves: these must all be served."""
        self.folders: list[Path] = []
        self._default_policy = default_policy
        self._policies: dict[str, Policy] = {}
        self._problems: dict[Path, str] = {}

    def add(self, path: Path) -> None:
        """A bundle, or a folder of bundles; `look` reads the folder.

        Raises `BundleError`, and `UsageError` for a name and version that two bundles share.
        """
        if path.is_dir() and not is_bundle(path):
            self.folders.append(path)
            return
        manifest, bundle_id = peek_bundle(path)
        entry = Entry(manifest.name, manifest.version, path=path, bundle_id=bundle_id)
        if entry.key in self.entries:
            raise UsageError(
                f"Two bundles hold {entry.name!r} version {entry.version!r}; the second is {path}.",
                hint="Serve one of them, or give them different versions.",
            )
        self.entries[entry.key] = entry
        self.given.append(entry.key)

    async def look(self) -> None:
        """Reads the folders anew, in a thread: what came, went or changed is known after it.

        Raises `UsageError` for a folder that is not in order.
        """
        loop = asyncio.get_running_loop()
        scans = [
            await loop.run_in_executor(None, scan, folder, self._default_policy) for folder in self.folders
        ]
        self._policies = {name: policy for found in scans for name, policy in found.policies.items()}
        self._problems = {path: reason for found in scans for path, reason in found.problems.items()}
        for folder, found in zip(self.folders, scans, strict=True):
            for entry in found.entries:
                known = self.entries.setdefault(entry.key, entry)
                if known.path == entry.path:
                    known.bundle_id = entry.bundle_id
            self._forget_gone(folder, {entry.key for entry in found.entries})
        for key in self.given:
            entry = self.entries[key]
            if is_bundle(entry.path):
                entry.bundle_id = (await loop.run_in_executor(None, peek_bundle, entry.path))[1]

    def require_any(self) -> None:
        """Raises `BundleNotFoundError` where no bundle was found at all."""
        if not self.entries:
            raise BundleNotFoundError(
                f"No bundle in {', '.join(map(str, self.folders))}, nor in its folders"
                f"{''.join(f'; {path.name}: {reason}' for path, reason in self._problems.items())}.",
                hint="Make one with: shipway export MODEL",
            )

    def labels(self) -> dict[str, Mapping[str, str]]:
        """By model, what its versions are called: label → version."""
        return {name: policy.labels for name, policy in self._policies.items()}

    def of(self, name: str, version: str | None = None) -> list[Entry]:
        """The known versions of a model, or that one, the newest first."""
        found = [entry for entry in self.entries.values() if entry.name == name]
        chosen = [entry for entry in found if version in (None, entry.version)]
        return sorted(chosen, key=lambda entry: version_order(entry.version), reverse=True)

    def chosen(self, name: str) -> list[str]:
        """The versions of a model that are to be served, the newest first."""
        policy = self._policies.get(name) or Policy(self._default_policy)
        given = {version for known, version in self.given if known == name}
        chosen = policy.choose(entry.version for entry in self.of(name))
        return sorted({*chosen, *given}, key=version_order, reverse=True)

    def names_in_folders(self) -> list[str]:
        """The models of which a folder holds a version."""
        return sorted({entry.name for entry in self.entries.values() if entry.key not in self.given})

    def index(self, *, ready_only: bool = False, name: str | None = None) -> list[dict[str, str]]:
        """One row a known version: name, version, state, reason."""
        rows = [
            {
                "name": entry.name,
                "version": entry.version,
                "state": _INDEX_STATES[entry.state],
                "reason": entry.reason,
            }
            for entry in _in_order(self.entries.values())
            if name in (None, entry.name)
        ]
        broken = [
            {"name": path.name, "version": "", "state": "UNAVAILABLE", "reason": reason}
            for path, reason in self._problems.items()
            if name is None
        ]
        return [row for row in rows + broken if not ready_only or row["state"] == "READY"]

    def _forget_gone(self, folder: Path, seen: set[Key]) -> None:
        for entry in list(self.entries.values()):
            is_inside = folder in entry.path.parents and entry.key not in self.given
            if is_inside and entry.key not in seen and entry.state is EntryState.ABSENT:
                del self.entries[entry.key]


def _in_order(entries: Iterable[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda entry: (entry.name, version_order(entry.version)))
