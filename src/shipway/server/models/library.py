"""Loads, replaces and unloads versions while others are served: the one place that changes what a service holds.

What is to be served is `catalog.py`'s to say; how a folder becomes a version is `loading.py`'s.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from shipway.bundle.store import is_bundle
from shipway.errors import LoadRefusedError, ModelNotFoundError, ShipwayError, UnavailableError
from shipway.server.fleet import Operations
from shipway.server.models.card import Sleeper
from shipway.server.models.catalog import Catalog
from shipway.server.models.loading import load
from shipway.server.models.memory import give_back, resident_bytes
from shipway.server.models.model import ServedModel
from shipway.server.models.repository import Entry, EntryState, Key, choose_evictions
from shipway.server.scheduling.giving_way import make_executor
from shipway.server.service import Service
from shipway.server.settings import ServerSettings

log = logging.getLogger("shipway.server")


class Library:
    """Belongs to one event loop."""

    def __init__(self, service: Service, settings: ServerSettings) -> None:
        self.catalog = Catalog(settings.version_policy)
        self.loads = self.unloads = self.evictions = 0
        self._service = service
        self._settings = settings
        self._threads = make_executor(2, "shipway-loading")
        """What is served meanwhile goes first (TFS#1866, triton#8117)."""
        self._one_at_a_time = asyncio.Lock()
        """A change is a matter of seconds and memory: two at once would be measured against each other."""
        self._waking: dict[Key, asyncio.Task[None]] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._poll: asyncio.Task[None] | None = None
        service.wake = self._wake

    def operations(self) -> Operations:
        """What a fleet may ask of this process."""

        async def index(arguments: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
            return self.catalog.index(ready_only=bool(arguments.get("ready")))

        async def load_model(arguments: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
            await self.load(arguments["name"], arguments.get("version"))
            return self.catalog.index(name=arguments["name"])

        async def unload_model(arguments: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
            await self.unload(arguments["name"], arguments.get("version"))
            return self.catalog.index(name=arguments["name"])

        return {"index": index, "load": load_model, "unload": unload_model}

    async def start(self, paths: Sequence[Path]) -> None:
        """Loads what is given: bundles, and folders of bundles by their policy.

        A given bundle that fails its proof stays in the service, unready, with the reason; in a folder the next
        older version is tried. Raises `BundleError`, `MissingDependencyError`, `SessionLoadError` for a given
        bundle that cannot be loaded at all, and `UsageError` for a name and version that two bundles share.
        """
        catalog, service = self.catalog, self._service
        for path in paths:
            catalog.add(path)
        await self._look()
        catalog.require_any()
        names = catalog.names_in_folders()
        service.begin_loading(len(catalog.given) + len(names))
        for key in catalog.given:
            await self._bring(catalog.entries[key], keep_refused=True)
            service.end_loading(1)
        for name in names:
            await self._bring_first(name, keep_refused=True)
            service.end_loading(1)
        if catalog.folders and self._settings.repository_poll_seconds:
            self._poll = asyncio.create_task(self._keep_looking())

    async def load(self, name: str, version: str | None = None) -> None:
        """Loads a version, or what the policy wants of a model, anew where its bundle has changed.

        Raises `ModelNotFoundError` where no folder holds it, and `LoadRefusedError` where it cannot be served.
        """
        await self._look()
        chosen = self.catalog.of(name, version)
        if not chosen:
            held = ", ".join(entry.version for entry in self.catalog.of(name))
            raise ModelNotFoundError(
                f"No bundle of {name!r}{f' version {version!r}' if version else ''} is known"
                + (f"; of it there are {held}." if held else "."),
                hint="Put its bundle into the repository folder that the server was started with.",
            )
        if version is not None:
            await self._bring(chosen[0], keep_refused=False)
            return
        await self._bring_first(name, keep_refused=False)
        await self._retire_unwanted(name)

    async def unload(self, name: str, version: str | None = None) -> None:
        """Takes a version, or all of a model, out of service, and waits until what they accepted is answered.

        Raises `ModelNotFoundError`.
        """
        chosen = self.catalog.of(name, version)
        if not chosen:
            raise ModelNotFoundError(
                f"No model {name!r}{f' version {version!r}' if version else ''} is known."
            )
        for entry in chosen:
            await self._take_out(entry, "it was unloaded")

    async def close(self) -> None:
        """Changes nothing any more; what is being changed is waited for."""
        tasks = [task for task in (self._poll, *self._waking.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *self._leaving, return_exceptions=True)
        self._threads.shutdown(wait=False)

    async def _look(self) -> None:
        await self.catalog.look()
        self._service.labels = self.catalog.labels()

    # Changes.

    async def _bring_first(self, name: str, *, keep_refused: bool) -> None:
        """Loads the versions chosen of a model; where none of them can be served, the next older one instead."""
        versions = self.catalog.chosen(name)
        newest_error: LoadRefusedError | None = None
        for version in versions:
            try:
                await self._bring(self.catalog.entries[name, version], keep_refused=False)
            except LoadRefusedError as error:
                newest_error = newest_error or error
        if newest_error is None:
            return
        if not self._service.has_ready(name):
            for entry in self.catalog.of(name):
                if entry.version not in versions and await self._try(entry):
                    break
        if not self._service.has_ready(name) and keep_refused and versions:
            await self._bring(self.catalog.entries[name, versions[0]], keep_refused=True)
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
        model = await load(entry.path, self._settings, self._threads)
        grown = resident_bytes() - before
        entry.size_bytes = max(model.card.size_bytes, grown) if model.is_ready else 0
        return model

    async def _put(self, entry: Entry, model: ServedModel) -> None:
        """The version takes traffic from now on; what had its name and version before is drained."""
        old = self._service.put(model)
        entry.state, entry.reason = EntryState.READY, ""
        entry.served_id, entry.last_used = model.card.bundle_id, perf_counter()
        self.loads += 1
        if old is not None:
            self._in_background(self._drain(old))

    async def _retire_unwanted(self, name: str) -> None:
        """What the policy no longer chooses leaves, once a version that it chooses is ready."""
        chosen = set(self.catalog.chosen(name))
        mine = self.catalog.of(name)
        ready = {entry.version for entry in mine if entry.state is EntryState.READY}
        if not ready & chosen:
            return
        for entry in mine:
            if entry.version in ready - chosen:
                await self._take_out(entry, "a newer version is served")

    async def _take_out(self, entry: Entry, reason: str) -> None:
        """In its turn: a version that is just being loaded is loaded first."""
        async with self._one_at_a_time:
            await self._retire(entry, EntryState.ABSENT, reason)

    async def _retire(self, entry: Entry, then: EntryState, reason: str) -> None:
        model = self._service.remove(*entry.key)
        entry.reason = reason
        self._service.sleepers.get(entry.name, {}).pop(entry.version, None)
        if then is EntryState.ASLEEP and model is not None:
            sleeper = Sleeper(model.card, model.can_batch, model.max_batch_rows)
            self._service.sleepers.setdefault(entry.name, {})[entry.version] = sleeper
        if model is None:
            entry.state = then
            return
        entry.state = EntryState.LEAVING
        self.unloads += 1
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
            self.catalog.entries.values(), needed_bytes=needed, limit_bytes=limit, keep=entry.key
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
            entry = self.catalog.entries.get((model.card.name, model.card.version))
            if entry is not None:
                entry.last_used = max(entry.last_used, model.last_used)

    def _wake(self, name: str, version: str | None) -> asyncio.Future[None] | None:
        """The loading of an evicted version that is asked for; None where none such is known."""
        sleepers = self._service.sleepers.get(name, {})  # one that is still being drained is among them
        asleep = [entry for entry in self.catalog.of(name, version) if entry.version in sleepers]
        for key, task in self._waking.items():
            if key[0] == name and version in (None, key[1]):
                return task
        if not asleep:
            return None
        entry = asleep[0]
        task = self._waking[entry.key] = asyncio.create_task(self._wake_up(entry))
        return task

    async def _wake_up(self, entry: Entry) -> None:
        try:
            await self._try(entry)
        finally:
            del self._waking[entry.key]
            self._service.sleepers.get(entry.name, {}).pop(entry.version, None)

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
        for name in self.catalog.names_in_folders():
            for version in self.catalog.chosen(name):
                entry = self.catalog.entries[name, version]
                is_new = entry.state is EntryState.ABSENT or entry.served_id != entry.bundle_id
                if (
                    not is_new
                    or entry.state is EntryState.ASLEEP
                    or refused.get(entry.key) == entry.bundle_id
                ):
                    continue
                if not await self._try(entry):
                    refused[entry.key] = entry.bundle_id
            await self._retire_unwanted(name)
        for entry in list(self.catalog.entries.values()):
            if entry.key not in self.catalog.given and not is_bundle(entry.path):
                await self._take_out(entry, "its bundle is gone")
                del self.catalog.entries[entry.key]


def _after_failure(was: EntryState) -> EntryState:
    return EntryState.READY if was is EntryState.READY else EntryState.ABSENT
