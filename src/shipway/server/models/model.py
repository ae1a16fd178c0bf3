"""One version of a model: its contract, where it stands in life, and the check that every request passes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping
from enum import StrEnum
from math import inf
from time import perf_counter

from shipway.bundle.golden import Golden
from shipway.errors import TensorMismatchError
from shipway.runtimes.base import Session
from shipway.server.models.card import ModelCard
from shipway.server.observation.metrics import ModelMetrics
from shipway.server.scheduling.batching import Batcher
from shipway.server.scheduling.execution import Execution
from shipway.server.scheduling.jobs import USUAL_PRIORITY, Job, Outcome
from shipway.server.settings import ServerSettings
from shipway.types import Array, TensorSpec

_SLOW_ROW_SECONDS = 0.02


class State(StrEnum):
    """`PROVING` → `READY` or `REFUSED`; `READY` → `RETIRED`; nothing leads back."""

    PROVING = "proving"
    READY = "ready"
    REFUSED = "refused"
    RETIRED = "retired"


class InputCheck:
    """One input's spec in the form that a hot path compares: shapes as lists, the free first axis apart."""

    __slots__ = ("dtype", "is_simple", "spec", "tail")

    def __init__(self, spec: TensorSpec) -> None:
        self.spec = spec
        self.dtype = spec.dtype.numpy
        self.tail = spec.shape[1:]
        self.is_simple = bool(spec.shape) and isinstance(spec.shape[0], str)
        """Only the first axis is free, so an equal tail settles the shape."""
        self.is_simple = self.is_simple and all(isinstance(dim, int) for dim in self.tail)

    def explain_mismatch(self, array: Array) -> str | None:
        """As the spec's, without its words (4 µs) where they are not needed."""
        if self.is_simple and array.dtype is self.dtype and array.ndim and array.shape[1:] == self.tail:
            return None
        return self.spec.explain_mismatch(array.dtype, array.shape)


class ServedModel:
    """A loaded version. Belongs to one event loop."""

    def __init__(
        self,
        card: ModelCard,
        session: Session,
        golden: Golden | None,
        *,
        settings: ServerSettings,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.card = card
        self.golden = golden
        self.state = State.PROVING
        self.is_ready = False
        """True once the golden samples were answered as trained."""
        self.reason = "its golden samples are being answered"
        self.file_signature = session.signature
        self._has_rows = card.signature.batch_axis is not None
        self._batcher = Batcher(
            can_batch=self._has_rows and settings.batching,
            max_batch_rows=settings.max_batch_rows,
            max_queue_rows=settings.max_queue_rows,
            max_queue_bytes=settings.max_queue_bytes,
            inline_seconds=settings.inline_seconds,
        )
        self.tuning: asyncio.Task[None] | None = None
        """The measuring of a slow model, after it has begun to answer."""
        self.metrics = ModelMetrics(queue=self._measure_queue)
        self.last_used = perf_counter()
        """`time.perf_counter` seconds, of the last request."""
        self._longest_seconds = settings.request_seconds or inf
        self._execution = Execution(session, self._batcher, loop, self.metrics)
        self._checks = {spec.name: InputCheck(spec) for spec in card.signature.inputs}
        check = next(iter(self._checks.values()), None)
        self._only = check if check is not None and len(self._checks) == 1 and check.is_simple else None
        """The check of the commonest models: one input, only its first axis free."""
        free = [
            dim for check in self._checks.values() for dim in check.spec.shape[1:] if isinstance(dim, str)
        ]
        self._has_free_tails = bool(free)

    def accept(self) -> None:
        """The proof passed."""
        self.state, self.reason, self.is_ready = State.READY, "", True

    def refuse(self, reason: str) -> None:
        """The proof failed; the version stays loaded and unready."""
        self.state, self.reason = State.REFUSED, reason

    def go_on_counting(self, metrics: ModelMetrics) -> None:
        """Counts into what was counted of this version before it was loaded anew."""
        metrics.queue = self._measure_queue
        self.metrics = metrics
        self._execution.recorder = metrics

    def retire(self) -> None:
        """No further request may come; those that were submitted are answered."""
        self.state, self.reason, self.is_ready = State.RETIRED, "it is being unloaded", False

    @property
    def is_slow(self) -> bool:
        """Whether a row takes so long that the model should not be kept from answering by being measured."""
        return self._batcher.times.expect_wait(1) > _SLOW_ROW_SECONDS

    @property
    def can_batch(self) -> bool:
        """Whether requests are joined: the model has rows, batching is on, and it was found to pay."""
        return self._batcher.can_batch

    @property
    def max_batch_rows(self) -> int:
        """Up to how many rows requests are joined."""
        return self._batcher.max_batch_rows if self._batcher.can_batch else 1

    def limit_batches(self, rows: int) -> None:
        """Joins requests up to so many rows; 1: not at all."""
        self._batcher.max_batch_rows = rows
        self._batcher.can_batch = self._batcher.can_batch and rows > 1

    def submit(
        self,
        inputs: dict[str, Array],
        done: Callable[[Outcome], None],
        *,
        asked_at: float = 0.0,
        timeout_seconds: float = inf,
        priority: int = USUAL_PRIORITY,
    ) -> Job:
        """Checks and queues one request; `done` gets its outcome on the loop.

        `asked_at`: when it was complete, in `time.perf_counter` seconds. `priority`: 1, the most urgent, to 9.
        Raises `TensorMismatchError`, `OverloadedError`.
        """
        rows, elements, group, size_bytes = self._measure(inputs)
        self.last_used = now = perf_counter()
        asked_at = asked_at or now
        deadline = inf
        if timeout_seconds != inf or self._longest_seconds != inf:
            deadline = asked_at + min(timeout_seconds, self._longest_seconds)
        job = Job(inputs, done, rows, elements, group, size_bytes, asked_at, now, priority, deadline)
        self._execution.submit(job)
        return job

    def _measure_queue(self) -> tuple[int, int]:
        """Rows and bytes that wait."""
        return self._batcher.queue.rows, self._batcher.queue.size_bytes

    async def close(self) -> None:
        """Waits for what was submitted, then gives the session back."""
        if self.tuning is not None:
            self.tuning.cancel()
            await asyncio.gather(self.tuning, return_exceptions=True)
        await self._execution.close()

    def _measure(self, inputs: Mapping[str, Array]) -> tuple[int, int, Hashable, int]:
        """Its rows, elements, group and bytes. Raises `TensorMismatchError` where it is not the model's."""
        only = self._only
        if only is not None and len(inputs) == 1:
            array = inputs.get(only.spec.name)
            if array is not None and array.dtype is only.dtype:
                shape = array.shape
                if shape and shape[1:] == only.tail:
                    return shape[0], array.size, None, array.nbytes
        self._check_names(inputs)
        sizes: dict[str, int] = {}
        for name, check in self._checks.items():
            array = inputs[name]
            problem = check.explain_mismatch(array)
            if problem:
                raise TensorMismatchError(f"Input {problem}.", hint=self._hint())
            self._check_free_sizes(check.spec, array, sizes)
        elements = sum(array.size for array in inputs.values())
        size_bytes = sum(array.nbytes for array in inputs.values())
        rows = next(iter(inputs.values())).shape[0] if self._has_rows else 1
        group = tuple(inputs[name].shape[1:] for name in self._checks) if self._has_free_tails else None
        return rows, elements, group, size_bytes

    def _check_names(self, inputs: Mapping[str, Array]) -> None:
        if inputs.keys() != self._checks.keys():
            raise TensorMismatchError(
                f"{self.card.name} takes the inputs {', '.join(map(repr, self._checks))}; "
                f"found {', '.join(map(repr, inputs)) or 'none'}.",
                hint=self._hint(),
            )

    def _check_free_sizes(self, spec: TensorSpec, array: Array, sizes: dict[str, int]) -> None:
        """A free dimension of one name has one size in all inputs."""
        for dim, size in zip(spec.shape, array.shape, strict=True):
            if isinstance(dim, str) and sizes.setdefault(dim, size) != size:
                raise TensorMismatchError(
                    f"Input {spec.name}: its {dim} is {size}, another input's is {sizes[dim]}; "
                    "they must be equal.",
                    hint=self._hint(),
                )

    def _hint(self) -> str:
        return f"GET /v2/models/{self.card.name} shows names, datatypes and shapes."
