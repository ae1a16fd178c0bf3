"""Operations that concern every worker: who has yet to answer, and what a worker that starts later must do again.

Rules without I/O: the supervisor carries the messages.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from shipway.errors import UnavailableError
from shipway.server.workers.messages import spell_error

LASTING = frozenset({"load", "unload"})
"""They change what a worker serves, and may take as long as a model's load."""


@dataclass(frozen=True)
class Finished:
    """What an operation came to: the answers of all, or the first error."""

    asker: Hashable
    ticket: int
    operation: str
    arguments: Mapping[str, Any]
    results: list[Any]
    error: Mapping[str, str] | None


@dataclass
class _Open:
    asker: Hashable
    ticket: int
    operation: str
    arguments: Mapping[str, Any]
    waiting: set[Hashable]
    results: list[Any] = field(default_factory=list)
    error: Mapping[str, str] | None = None

    def finish(self) -> Finished:
        return Finished(self.asker, self.ticket, self.operation, self.arguments, self.results, self.error)


class Asking:
    """The operations under way."""

    def __init__(self) -> None:
        self._open: dict[int, _Open] = {}
        self._count = 0

    def begin(
        self,
        asker: Hashable,
        ticket: int,
        operation: str,
        arguments: Mapping[str, Any],
        workers: Iterable[Hashable],
    ) -> int:
        """The number under which each of the workers (one or more) is to answer. `ticket` is the asker's own."""
        self._count += 1
        self._open[self._count] = _Open(asker, ticket, operation, arguments, set(workers))
        return self._count

    def answer(
        self, number: int, worker: Hashable, *, result: object = None, error: Mapping[str, str] | None = None
    ) -> Finished | None:
        """One worker's answer; what the operation came to where it was the last one."""
        asked = self._open.get(number)
        if asked is None or worker not in asked.waiting:
            return None
        asked.waiting.discard(worker)
        if error is None:
            asked.results.append(result)
        else:
            asked.error = asked.error or error
        if asked.waiting:
            return None
        return self._open.pop(number).finish()

    def operation_of(self, number: int) -> str | None:
        """What is asked under a number; None where all have answered, or it never was."""
        asked = self._open.get(number)
        return None if asked is None else asked.operation

    def lose(self, worker: Hashable) -> list[Finished]:
        """A worker has died: what waits for it fails, and what it asked itself goes to nobody."""
        error = UnavailableError(
            "A worker process ended in the middle of the operation; the others may have done it.",
            hint="Ask again: doing it twice does no harm.",
        )
        numbers = [number for number, asked in self._open.items() if worker in asked.waiting]
        ended = [self.answer(number, worker, error=spell_error(error)) for number in numbers]
        return [finished for finished in ended if finished is not None]

    def is_lasting(self, worker: Hashable) -> bool:
        """Whether a worker is at an operation that may take its time."""
        return any(asked.operation in LASTING and worker in asked.waiting for asked in self._open.values())


class Journal:
    """Changes that a worker which starts later has to make too, each under a number that only grows."""

    def __init__(self) -> None:
        self._entries: list[dict[str, Any]] = []
        self._count = 0

    def note(self, finished: Finished) -> None:
        """Keeps a lasting operation that succeeded; a later one with the same arguments takes its place."""
        if finished.error is not None or finished.operation not in LASTING:
            return
        self._count += 1
        arguments = dict(finished.arguments)
        self._entries = [entry for entry in self._entries if entry["arguments"] != arguments]
        self._entries.append({"number": self._count, "operation": finished.operation, "arguments": arguments})

    def since(self, number: int) -> list[dict[str, Any]]:
        """What was noted after that number; 0: all."""
        return [entry for entry in self._entries if entry["number"] > number]
