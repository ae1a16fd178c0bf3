"""Loads, replaces and unloads versions while others are served: the one place that changes what a service holds.

What is to be served is `repository.py`'s to say; how a folder becomes a version is `loading.py`'s.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from shipway.bundle.store import is_bundle, peek_bundle
from shipway.errors import (
    BundleNotFoundError,
    LoadRefusedError,
    ModelNotFoundError,
    ShipwayError,
    UnavailableError,
    UsageError,
)
from shipway.server.fleet import Operations
from shipway.server.models.loading import load
from shipway.server.models.memory import give_back, resident_bytes
from shipway.server.models.model import ServedModel
from shipway.server.models.repository import (
    Entry,
    EntryState,
    Key,
    Policy,
    choose_evictions,
    version_order,
)
from shipway.server.models.scanning import Scan, scan
from shipway.server.service import Service
from shipway.server.settings import ServerSettings

log = logging.getLogger("shipway.server")
_INDEX_STATES = {
    EntryState.ABSENT: "UNAVAILABLE",
    EntryState.ASLEEP: "UNAVAILABLE",
    EntryState.LOADING: "LOADING",
    EntryState.READY: "READY",
    EntryState.LEAVING: "UNLOADING",
}
"""As the protocol's repository extension spells them."""


class Library:
    """Belongs to one event loop."""

    def __init__(self, service: Service, settings: ServerSettings) -> None:
        self.evictions = 0
        self._service = service
        self._settings = settings
        self._entries: dict[Key, Entry] = {}
        self._given: list[Key] = []
        """Named on the command line themselves: these must all be served."""
        self._folders: list[Path] = []
        self._policies: dict[str, Policy] = {}
        self._problems: dict[Path, str] = {}
        self._one_at_a_time = asyncio.Lock()
        """A change is a matter of seconds and memory: two at once would be measured against each other."""
        self._waking: dict[Key, asyncio.Task[None]] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._poll: asyncio.Task[None] | None = None
        service.wake = self._wake

    def operations(self) -> Operations:
        """What a fleet may ask of this process."""

        async def index(arguments: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
            return self.index(ready_only=bool(arguments.get("ready")))

        async def load_model(arguments: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
            await self.load(arguments["name"], arguments.get("version"))
            return self.index(name=arguments["name"])

        async def unload_model(arguments: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
            await self.unload(arguments["name"], arguments.get("version"))
            return self.index(name=arguments["name"])

        return {"index": index, "load": load_model, "unload": unload_model}

    def index(self, *, ready_only: bool = False, name: str | None = None) -> list[dict[str, str]]:
        """One row a known version: name, version, state, reason."""
        rows = [
            {
                "name": entry.name,
                "version": entry.version,
                "state": _INDEX_STATES[entry.state],
                "reason": entry.reason,
            }
            for entry in sorted(
                self._entries.values(), key=lambda one: (one.name, version_order(one.version))
            )
            if name in (None, entry.name)
        ]
        broken = [
            {"name": path.name, "version": "", "state": "UNAVAILABLE", "reason": reason}
            for path, reason in self._problems.items()
            if name is None
        ]
        return [row for row in rows + broken if not ready_only or row["state"] == "READY"]

    async def start(self, paths: Sequence[Path]) -> None:
        """Loads what is given: bundles, and folders of bundles by their policy.

        A given bundle that fails its proof stays in the service, unready, with the reason; in a folder the next
        older version is tried. Raises `BundleError`, `MissingDependencyError`, `SessionLoadError` for a given
        bundle that cannot be loaded at all, and `UsageError` for a name and version that two bundles share.
        """
        for path in paths:
            if path.is_dir() and not is_bundle(path):
                self._folders.append(path)
            else:
                self._give(path)
        await self._look()
        if not self._entries:
            where = ", ".join(map(str, self._folders))
            raise BundleNotFoundError(
                f"No bundle in {where}, nor in its folders.", hint="Make one with: shipway export MODEL"
            )
        wanted = self._wanted()
        self._service.begin_loading(len(self._given) + len(wanted))
        for key in self._given:
            await self._bring(self._entries[key], keep_refused=True)
            self._service.end_loading(1)
        for name, versions in wanted.items():
            await self._bring_first(name, versions, keep_refused=True)
            self._service.end_loading(1)
        if self._folders and self._settings.repository_poll_seconds:
            self._poll = asyncio.create_task(self._keep_looking())

    async def load(self, name: str, version: str | None = None) -> None:
        """Loads a version, or what the policy wants of a model, anew where its bundle has changed.

        Raises `ModelNotFoundError` where no folder holds it, and `LoadRefusedError` where it cannot be served.
        """
        await self._look()
        known = [entry for entry in self._entries.values() if entry.name == name]
        chosen = [entry for entry in known if version in (None, entry.version)]
        if not chosen:
            held = ", ".join(entry.version for entry in known)
            raise ModelNotFoundError(
                f"No bundle of {name!r}{f' version {version!r}' if version else ''} is known"
                + (f"; of it there are {held}." if held else "."),
                hint="Put its bundle into the repository folder that the server was started with.",
            )
        if version is not None:
            await self._bring(chosen[0], keep_refused=False)
            return
        await self._bring_first(name, self._chosen_of(name), keep_refused=False)
        await self._retire_unwanted(name)

    async def unload(self, name: str, version: str | None = None) -> None:
        """Takes a version, or all of a model, out of service, and waits until what they accepted is answered.

        Raises `ModelNotFoundError`.
        """
        chosen = [
            entry
            for entry in self._entries.values()
            if entry.name == name and version in (None, entry.version)
        ]
        if not chosen:
            raise ModelNotFoundError(
                f"No model {name!r}{f' version {version!r}' if version else ''} is known."
            )
        for entry in chosen:
            await self._retire(entry, EntryState.ABSENT, "it was unloaded")

    async def close(self) -> None:
        """Changes nothing any more; what is being changed is waited for."""
        tasks = [task for task in (self._poll, *self._waking.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *self._leaving, return_exceptions=True)

    # What there is.

    def _give(self, path: Path) -> None:
        manifest, bundle_id = peek_bundle(path)
        entry = Entry(manifest.name, manifest.version, path=path, bundle_id=bundle_id)
        if entry.key in self._entries:
            raise UsageError(
                f"Two bundles hold {entry.name!r} version {entry.version!r}; the second is {path}.",
                hint="Serve one of them, or give them different versions.",
            )
        self._entries[entry.key] = entry
        self._given.append(entry.key)

    async def _look(self) -> None:
        """Reads the folders anew: what came, went or changed is known after it, and nothing else has changed."""
        loop = asyncio.get_running_loop()
        for folder in self._folders:
            found: Scan = await loop.run_in_executor(None, scan, folder, self._settings.version_policy)
            self._policies.update(found.policies)
            self._problems = found.problems
            seen = set()
            for entry in found.entries:
                known = self._entries.get(entry.key)
                seen.add(entry.key)
                if known is None:
                    self._entries[entry.key] = entry
                elif known.path == entry.path:
                    known.bundle_id = entry.bundle_id
            self._forget_gone(folder, seen)
        for key in self._given:
            entry = self._entries[key]
            if is_bundle(entry.path):
                entry.bundle_id = (await loop.run_in_executor(None, peek_bundle, entry.path))[1]
        self._service.labels = {name: dict(policy.labels) for name, policy in self._policies.items()}

    def _forget_gone(self, folder: Path, seen: set[Key]) -> None:
        for entry in list(self._entries.values()):
            is_inside = folder in entry.path.parents and entry.key not in self._given
            if is_inside and entry.key not in seen and entry.state is EntryState.ABSENT:
                del self._entries[entry.key]

    def _wanted(self) -> dict[str, list[str]]:
        """By model in a folder, the versions that its policy chooses, the newest first."""
        names = sorted({entry.name for entry in self._entries.values() if entry.key not in self._given})
        return {name: self._chosen_of(name) for name in names}

    def _chosen_of(self, name: str) -> list[str]:
        policy = self._policies.get(name) or Policy(self._settings.version_policy)
        given = {version for known, version in self._given if known == name}
        chosen = policy.choose(entry.version for entry in self._entries.values() if entry.name == name)
        return sorted({*chosen, *given}, key=version_order, reverse=True)

    # Changes.

    async def _bring_first(self, name: str, versions: Sequence[str], *, keep_refused: bool) -> None:
        """Loads the versions chosen of a model; where none of them can be served, the next older one instead."""
        newest_error: LoadRefusedError | None = None
        for version in versions:
            try:
                await self._bring(self._entries[name, version], keep_refused=False)
            except LoadRefusedError as error:
                newest_error = newest_error or error
        if newest_error is None:
            return
        if not self._service.has_ready(name):
            older = [entry for entry in self._entries.values() if entry.name == name]
            for entry in sorted(older, key=lambda entry: version_order(entry.version), reverse=True):
                if entry.version not in versions and await self._try(entry):
                    break
        if not self._service.has_ready(name) and keep_refused and versions:
            await self._bring(self._entries[name, versions[0]], keep_refused=True)
        elif not keep_refused:
            raise newest_error

    async def _try(self, entry: Entry) -> bool:
        try:
            await self._bring(entry, keep_refused=False)
        except LoadRefusedError:
            return False
        return True

    async def _bring(self, entry: Entry, *, keep_refused: bool) -> None:
        """Loads one version; where it is served already and its bundle has not changed, nothing happens.

        `keep_refused`: a version that fails its proof is shown by the service, unready; and what cannot be
        loaded at all raises as it is. Otherwise both raise `LoadRefusedError`, and the service is as before.
        """
        async with self._one_at_a_time:
            if entry.state is EntryState.READY and entry.served_id == entry.bundle_id:
                return
            was, entry.state, entry.reason = entry.state, EntryState.LOADING, ""
            try:
                model = await self._load(entry)
            except ShipwayError as error:
                entry.state, entry.reason = _after_failure(was), error.message
                if keep_refused:
                    raise
                raise self._refusal(entry) from error
            except BaseException:
                entry.state = _after_failure(was)
                raise
            if model.is_ready:
                await self._put(entry, model)
                return
            entry.state, entry.reason = _after_failure(was), model.reason
            log.error("%s version %s is refused: %s", entry.name, entry.version, model.reason)
            if not keep_refused:
                raise self._refusal(entry)
            self._service.put(model)

    async def _load(self, entry: Entry) -> ServedModel:
        await self._make_room(entry)
        before = resident_bytes()
        model = await load(entry.path, self._settings)
        grown = resident_bytes() - before
        entry.size_bytes = max(model.card.size_bytes, grown) if model.is_ready else 0
        return model

    async def _put(self, entry: Entry, model: ServedModel) -> None:
        """The version takes traffic from now on; what had its name and version before is drained."""
        old = self._service.put(model)
        entry.state, entry.reason = EntryState.READY, ""
        entry.served_id, entry.last_used = model.card.bundle_id, perf_counter()
        if old is not None:
            self._in_background(self._drain(old))

    async def _retire_unwanted(self, name: str) -> None:
        """What the policy no longer chooses leaves, once a chosen version is ready."""
        chosen = set(self._chosen_of(name))
        for entry in list(self._entries.values()):
            if entry.name == name and entry.version not in chosen and entry.state is EntryState.READY:
                await self._retire(entry, EntryState.ABSENT, "a newer version is served")

    async def _retire(self, entry: Entry, then: EntryState, reason: str) -> None:
        model = self._service.remove(*entry.key)
        entry.reason = reason
        if model is None:
            entry.state = then
            return
        entry.state = EntryState.LEAVING
        await self._drain(model)
        entry.state = then

    async def _drain(self, model: ServedModel) -> None:
        model.retire()
        await model.close()
        del model
        await asyncio.get_running_loop().run_in_executor(None, give_back)

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    @staticmethod
    def _refusal(entry: Entry) -> LoadRefusedError:
        return LoadRefusedError(
            f"{entry.name} version {entry.version} is not served: {entry.reason}",
            hint="What was served before still is.",
        )

    # A limit on memory.

    async def _make_room(self, entry: Entry) -> None:
        limit = self._settings.max_model_bytes
        if not limit:
            return
        self._note_use()
        needed = entry.size_bytes or sum(
            file.stat().st_size for file in entry.path.rglob("*") if file.is_file()
        )
        leaving = choose_evictions(
            self._entries.values(), needed_bytes=needed, limit_bytes=limit, keep=entry.key
        )
        if leaving is None:
            raise UnavailableError(
                f"{entry.name} version {entry.version} needs {needed} bytes, max_model_bytes is {limit}."
            )
        for one in leaving:
            log.info("%s version %s makes room for %s", one.name, one.version, entry.name)
            self.evictions += 1
            await self._retire(one, EntryState.ASLEEP, "it made room under max_model_bytes")

    def _note_use(self) -> None:
        """What was asked since the last look was used now, as nearly as eviction must know."""
        for model in self._service:
            entry = self._entries.get((model.card.name, model.card.version))
            if entry is not None:
                entry.last_used = max(entry.last_used, model.last_used)

    def _wake(self, name: str, version: str | None) -> asyncio.Future[None] | None:
        """The loading of an evicted version that is asked for; None where none such is known."""
        asleep = [
            entry
            for entry in self._entries.values()
            if entry.name == name and version in (None, entry.version) and entry.state is EntryState.ASLEEP
        ]
        for key, task in self._waking.items():
            if key[0] == name and version in (None, key[1]):
                return task
        if not asleep:
            return None
        entry = max(asleep, key=lambda entry: version_order(entry.version))
        task = self._waking[entry.key] = asyncio.create_task(self._wake_up(entry))
        return task

    async def _wake_up(self, entry: Entry) -> None:
        try:
            await self._try(entry)
        finally:
            del self._waking[entry.key]

    # Folders that change.

    async def _keep_looking(self) -> None:
        refused: dict[Key, str] = {}
        while True:
            await asyncio.sleep(self._settings.repository_poll_seconds)
            try:
                await self._follow(refused)
            except (ShipwayError, OSError) as error:
                log.error("the repository could not be read: %s", error)

    async def _follow(self, refused: dict[Key, str]) -> None:
        """Makes what is served what the folders hold; a bundle that was refused is not tried again unchanged."""
        await self._look()
        for name, versions in self._wanted().items():
            for version in versions:
                entry = self._entries[name, version]
                is_new = entry.state is EntryState.ABSENT or entry.served_id != entry.bundle_id
                if (
                    not is_new
                    or entry.state is EntryState.ASLEEP
                    or refused.get(entry.key) == entry.bundle_id
                ):
                    continue
                if not await self._try(entry):
                    refused[entry.key] = entry.bundle_id
            if self._service.has_ready(name):
                await self._retire_unwanted(name)
        for entry in list(self._entries.values()):
            if entry.key not in self._given and not is_bundle(entry.path):
                await self._retire(entry, EntryState.ABSENT, "its bundle is gone")
                del self._entries[entry.key]


def _after_failure(was: EntryState) -> EntryState:
    return EntryState.READY if was is EntryState.READY else EntryState.ABSENT
