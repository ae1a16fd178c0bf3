"""One version of a model: its contract, where it stands in life, and the check that every request passes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from shipway.bundle.evidence import Verdict
from shipway.bundle.golden import Golden
from shipway.errors import TensorMismatchError
from shipway.runtimes.base import Session
from shipway.server.scheduling.batching import Batcher, Job, Outcome
from shipway.server.scheduling.execution import Execution
from shipway.server.settings import ServerSettings
from shipway.types import Array, Signature, TensorSpec


class State(StrEnum):
    """`PROVING` → `READY` or `REFUSED`; nothing leads back."""

    PROVING = "proving"
    READY = "ready"
    REFUSED = "refused"


@dataclass(frozen=True)
class ModelCard:
    """What is told about a version beside its answers."""

    name: str
    version: str
    signature: Signature
    bundle_id: str
    variant: str
    format: str
    precision: str
    runtime: str
    task: str | None = None
    labels: tuple[str, ...] | None = None
    verdicts: tuple[Verdict, ...] = ()
    accepted: tuple[str, ...] = ()
    """Results other than PASS that whoever exported the model decided to live with."""


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
        self.can_batch = card.signature.batch_axis is not None and settings.batching
        self.file_signature = session.signature
        batcher = Batcher(
            can_batch=self.can_batch,
            max_batch_rows=settings.max_batch_rows,
            max_queue_rows=settings.max_queue_rows,
            inline_seconds=settings.inline_seconds,
        )
        self._has_rows = card.signature.batch_axis is not None
        self._execution = Execution(session, batcher, loop)
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

    def submit(self, inputs: dict[str, Array], done: Callable[[Outcome], None]) -> Job:
        """Checks and queues one request; `done` gets its outcome on the loop.

        Raises `TensorMismatchError`, `OverloadedError`.
        """
        rows, elements, group = self._measure(inputs)
        job = Job(inputs, done, rows, elements, group)
        self._execution.submit(job)
        return job

    async def close(self) -> None:
        """Waits for what was submitted, then gives the session back."""
        await self._execution.close()

    def _measure(self, inputs: Mapping[str, Array]) -> tuple[int, int, Hashable]:
        """Rows, elements and group of a request. Raises `TensorMismatchError` where it is not the model's."""
        only = self._only
        if only is not None and len(inputs) == 1:
            array = inputs.get(only.spec.name)
            if array is not None and array.dtype is only.dtype:
                shape = array.shape
                if shape and shape[1:] == only.tail:
                    return shape[0], array.size, None
        self._check_names(inputs)
        sizes: dict[str, int] = {}
        for name, check in self._checks.items():
            array = inputs[name]
            problem = check.explain_mismatch(array)
            if problem:
                raise TensorMismatchError(f"Input {problem}.", hint=self._hint())
            self._check_free_sizes(check.spec, array, sizes)
        elements = sum(array.size for array in inputs.values())
        rows = next(iter(inputs.values())).shape[0] if self._has_rows else 1
        group = tuple(inputs[name].shape[1:] for name in self._checks) if self._has_free_tails else None
        return rows, elements, group

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
