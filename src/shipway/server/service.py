"""The heart: models, versions, readiness and inference. It knows no transport and no status codes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from shipway.errors import ModelNotFoundError, UnavailableError
from shipway.server.models.model import ServedModel
from shipway.server.scheduling.batching import Job, Outcome
from shipway.types import Array


@dataclass(frozen=True)
class Readiness:
    """Whether requests are welcome, and if not, why."""

    is_ready: bool
    reason: str = ""


class Service:
    """What this process serves. Belongs to one event loop."""

    def __init__(self) -> None:
        self._models: dict[str, dict[str, ServedModel]] = {}
        self._loading = 0
        self.is_draining = False
        self.generation = 0
        """Changes with what `find` answers, so that callers may keep an answer as long as this is equal."""

    def begin_loading(self, count: int) -> None:
        """So many bundles are on their way: an unknown model may be one of them."""
        self._loading += count

    def add(self, model: ServedModel) -> None:
        """One of them has arrived. Its name and version must be new (the caller checks)."""
        self._models.setdefault(model.card.name, {})[model.card.version] = model
        self._loading -= 1
        self.generation += 1

    def __iter__(self) -> Iterator[ServedModel]:
        """Every version, in the order of loading."""
        return (model for versions in self._models.values() for model in versions.values())

    def names(self) -> list[str]:
        """The models' names, in the order of loading."""
        return list(self._models)

    def versions(self, name: str) -> list[str]:
        """The versions of a model, oldest first; empty for an unknown one."""
        return sorted(self._models.get(name, {}), key=_version_order)

    def find(self, name: str, version: str | None = None) -> ServedModel:
        """That version; without one the newest that is ready, or else the newest.

        Raises `ModelNotFoundError`, or `UnavailableError` while bundles are still being loaded.
        """
        versions = self._models.get(name)
        if versions is not None and version is None:
            ordered = [versions[known] for known in reversed(self.versions(name))]
            return next((model for model in ordered if model.is_ready), ordered[0])
        if versions is not None and version in versions:
            return versions[version]
        if self._loading:
            raise UnavailableError(
                f"No model {name!r} yet: {self._loading} of the bundles are still being loaded.",
                hint="Ask again after the time in Retry-After.",
            )
        if versions is not None:
            raise ModelNotFoundError(
                f"{name!r} has no version {version!r}; it has {', '.join(self.versions(name))}.",
                hint="Leave the version out to get the newest one.",
            )
        raise ModelNotFoundError(
            f"No model {name!r} here; known: {', '.join(self._models) or 'none'}.",
            hint="GET / lists the models of this server.",
        )

    def readiness(self) -> Readiness:
        """Of the whole server: every version has passed its proof, and it is not draining."""
        if self.is_draining:
            return Readiness(False, "the server is draining: it answers what it accepted, then it ends")
        if self._loading:
            return Readiness(False, f"{self._loading} of the bundles are still being loaded")
        reasons = [self._why_not(model) for model in self if not model.is_ready]
        if not self._models:
            reasons = ["no model is loaded"]
        return Readiness(not reasons, "; ".join(reasons))

    def model_readiness(self, model: ServedModel) -> Readiness:
        """Of one version."""
        if self.is_draining:
            return Readiness(False, "the server is draining")
        return Readiness(model.is_ready, model.reason)

    def infer(self, model: ServedModel, inputs: dict[str, Array], done: Callable[[Outcome], None]) -> Job:
        """Checks and queues one request; `done` gets its outcome on the loop, after this returns.

        While the server drains, requests on connections that it accepted are still answered.
        Raises `UnavailableError`, `TensorMismatchError`, `OverloadedError`.
        """
        if not model.is_ready:
            raise UnavailableError(
                f"{self._why_not(model)}.", hint="GET /v2/health/ready says when it turns ready."
            )
        return model.submit(inputs, done)

    async def close(self) -> None:
        """Waits for every model's runs, then gives the sessions back."""
        for model in self:
            await model.close()

    @staticmethod
    def _why_not(model: ServedModel) -> str:
        return f"{model.card.name} version {model.card.version} is not ready: {model.reason}"


def _version_order(version: str) -> tuple[tuple[int, int, str], ...]:
    """Whole numbers in a version by their value, so that 10 follows 9."""
    return tuple(
        (0, int(part), "") if part.isascii() and part.isdigit() else (1, 0, part)
        for part in version.split(".")
    )
