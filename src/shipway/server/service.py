"""The heart: models, versions, readiness and inference. It knows no transport and no status codes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from shipway.errors import ModelNotFoundError, UnavailableError
from shipway.server.models.card import Sleeper
from shipway.server.models.model import ServedModel
from shipway.server.models.repository import Key, version_order
from shipway.server.observation.metrics import ModelMetrics
from shipway.server.scheduling.cache import AnswerCache
from shipway.server.scheduling.jobs import USUAL_PRIORITY, Job, Outcome
from shipway.types import Array

if TYPE_CHECKING:  # few want it, and it is imported for those
    from shipway.server.observation.capture import Capture


@dataclass(frozen=True)
class Readiness:
    """Whether requests are welcome, and if not, why."""

    is_ready: bool
    reason: str = ""


class Waking(Exception):  # noqa: N818 - not a failure: ask again when it is done
    """The model was put to sleep under a memory limit, and is being loaded again for this request."""

    def __init__(self, done: asyncio.Future[None]) -> None:
        super().__init__()
        self.done = done


class Service:
    """What this process serves. Belongs to one event loop."""

    def __init__(
        self,
        cache: AnswerCache | None = None,
        *,
        capture: Capture | None = None,
        watch: Callable[[ServedModel], None] | None = None,
    ) -> None:
        """`watch` is called with every version that is put into service."""
        self._models: dict[str, dict[str, ServedModel]] = {}
        self._counted: dict[Key, ModelMetrics] = {}
        """Of every version that was ever served: a count that falls means a new beginning to Prometheus."""
        self._loading = 0
        self._cache = cache
        self._capture = capture
        self._watch = watch
        self.is_draining = False
        self.labels: Mapping[str, Mapping[str, str]] = {}
        """By model, what its versions are called: label → version."""
        self.wake: Callable[[str, str | None], asyncio.Future[None] | None] = lambda _name, _version: None
        """Begins to load a version that sleeps; None for one that does not."""
        self.sleepers: dict[str, dict[str, Sleeper]] = {}
        """By name and version, what made room under the limit on memory, and is loaded when inference asks."""
        self.generation = 0
        """Changes with what `find` answers, so that callers may keep an answer as long as this is equal."""

    def begin_loading(self, count: int) -> None:
        """So many models are on their way: an unknown one may be one of them."""
        self._loading += count

    def end_loading(self, count: int) -> None:
        """So many of them have arrived, or will not."""
        self._loading -= count

    def put(self, model: ServedModel) -> ServedModel | None:
        """Serves a version; gives what had its name and version before, whose counts it continues."""
        kept = self._counted.setdefault((model.card.name, model.card.version), model.metrics)
        if kept is not model.metrics:
            model.go_on_counting(kept)
        versions = self._models.setdefault(model.card.name, {})
        old = versions.get(model.card.version)
        versions[model.card.version] = model
        self.sleepers.get(model.card.name, {}).pop(model.card.version, None)
        if self._watch is not None:
            self._watch(model)
        self._change()
        return old

    def remove(self, name: str, version: str) -> ServedModel | None:
        """Serves a version no longer; gives it, or None where it was not there."""
        model = self._models.get(name, {}).pop(version, None)
        if not self._models.get(name, True):
            del self._models[name]
        self._change()
        return model

    def _change(self) -> None:
        self.generation += 1
        if self._cache is not None:
            self._cache.clear()

    def __iter__(self) -> Iterator[ServedModel]:
        """Every version, in the order of loading."""
        return (model for versions in list(self._models.values()) for model in list(versions.values()))

    def counted(self) -> dict[Key, ModelMetrics]:
        """What is counted of every version that is or was served, by name and version."""
        return self._counted

    def names(self) -> list[str]:
        """The models' names, in the order of loading."""
        return list(self._models)

    def versions(self, name: str) -> list[str]:
        """The versions of a model, oldest first; empty for an unknown one."""
        return sorted(self._models.get(name, {}), key=version_order)

    def has_ready(self, name: str) -> bool:
        """Whether a version of that model takes requests."""
        return any(model.is_ready for model in self._models.get(name, {}).values())

    def find(self, name: str, version: str | None = None, *, label: str | None = None) -> ServedModel:
        """That version; without one, and without a label, the newest that is ready, or else the newest.

        Raises `ModelNotFoundError`, `UnavailableError` while bundles are still being loaded, or `Waking`.
        """
        if label is not None:
            version = self._version_of(name, label)
        versions = self._models.get(name)
        if versions is not None and version is None:
            ordered = [versions[known] for known in reversed(self.versions(name))]
            return next((model for model in ordered if model.is_ready), ordered[0])
        if versions is not None and version in versions:
            return versions[version]
        waking = self.wake(name, version)
        if waking is not None:
            raise Waking(waking)
        raise self._explain_unknown(name, version)

    def find_asleep(self, name: str, version: str | None = None) -> Sleeper | None:
        """What stays of that version, or of the newest, where inference would wake it. It does not."""
        sleepers = self.sleepers.get(name)
        if not sleepers or (version is None and name in self._models):
            return None
        return sleepers.get(max(sleepers, key=version_order) if version is None else version)

    def sleeping(self, name: str) -> list[str]:
        """The versions of a model that sleep, the newest first."""
        return sorted(self.sleepers.get(name, {}), key=version_order, reverse=True)

    def is_asleep(self, name: str, version: str | None = None) -> bool:
        """Whether it is not loaded, and will be on request: as good as ready, but slow to begin with."""
        return self.find_asleep(name, version) is not None

    def _explain_unknown(self, name: str, version: str | None) -> ModelNotFoundError | UnavailableError:
        if self._loading:
            return UnavailableError(
                f"No model {name!r} yet: {self._loading} of the models are still being loaded.",
                hint="Ask again after the time in Retry-After.",
            )
        if name in self._models:
            return ModelNotFoundError(
                f"{name!r} has no version {version!r}; it has {', '.join(self.versions(name))}.",
                hint="Leave the version out to get the newest one.",
            )
        return ModelNotFoundError(f"No model {name!r} here; known: {', '.join(self._models) or 'none'}.")

    def _version_of(self, name: str, label: str) -> str:
        labels = self.labels.get(name, {})
        if label not in labels:
            raise ModelNotFoundError(
                f"{name!r} has no label {label!r}; it has {', '.join(labels) or 'none'}.",
                hint="Labels stand in the repository's models.toml.",
            )
        return labels[label]

    def readiness(self) -> Readiness:
        """Of the whole server: every version has passed its proof, and it is not draining."""
        if self.is_draining:
            return Readiness(False, "the server is draining: it answers what it accepted, then it ends")
        if self._loading:
            return Readiness(False, f"{self._loading} of the models are still being loaded")
        reasons = [self._why_not(model) for model in self if not model.is_ready]
        if not self._models:
            reasons = ["no model is loaded"]
        return Readiness(not reasons, "; ".join(reasons))

    def model_readiness(self, model: ServedModel) -> Readiness:
        """Of one version."""
        if self.is_draining:
            return Readiness(False, "the server is draining")
        return Readiness(model.is_ready, model.reason)

    def infer(
        self,
        model: ServedModel,
        inputs: dict[str, Array],
        done: Callable[[Outcome], None],
        *,
        asked_at: float = 0.0,
        timeout_seconds: float = inf,
        priority: int = USUAL_PRIORITY,
    ) -> Job | None:
        """Checks and queues one request; `done` gets its outcome on the loop, after this returns.

        None where no run is needed, because the answer was kept. While the server drains, requests on
        connections that it accepted are still answered. Raises `UnavailableError`, `TensorMismatchError`,
        `OverloadedError`.
        """
        if not model.is_ready:
            raise UnavailableError(
                f"{self._why_not(model)}.", hint="GET /v2/health/ready says when it turns ready."
            )
        if self._capture is not None:
            card = model.card
            has_rows = card.signature.batch_axis is not None
            done = self._capture.follow(card.name, card.version, inputs, done, has_rows=has_rows)
        if self._cache is not None:
            kept, done = self._cache.look_up(model, inputs, done)
            if kept is not None:
                model.metrics.count_cache_hit()
                asyncio.get_running_loop().call_soon(done, kept)
                return None
            model.metrics.count_cache_miss()
        return model.submit(
            inputs, done, asked_at=asked_at, timeout_seconds=timeout_seconds, priority=priority
        )

    async def close(self) -> None:
        """Waits for every model's runs, then gives the sessions back."""
        for model in self:
            await model.close()

    @staticmethod
    def _why_not(model: ServedModel) -> str:
        return f"{model.card.name} version {model.card.version} is not ready: {model.reason}"
