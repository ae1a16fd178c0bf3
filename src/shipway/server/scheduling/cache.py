"""Answers kept by what was asked, up to a bound in bytes; off unless an operator gives it some.

A model answers equal inputs equally, so an equal request needs no run. The least recently used go first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from hashlib import blake2b

from shipway.errors import ShipwayError
from shipway.server.scheduling.jobs import Outcome
from shipway.types import Array

_ENTRY_BYTES = 500
"""What an entry takes beside its arrays."""


class AnswerCache:
    """Belongs to one event loop."""

    def __init__(self, max_bytes: int) -> None:
        self.size_bytes = 0
        self._max_bytes = max_bytes
        self._kept: OrderedDict[tuple[Hashable, bytes], dict[str, Array]] = OrderedDict()

    def look_up(
        self, model: Hashable, inputs: Mapping[str, Array], done: Callable[[Outcome], None]
    ) -> tuple[dict[str, Array] | None, Callable[[Outcome], None]]:
        """The kept answer, if any, and what is to be called with an outcome: on a miss it keeps it, too."""
        key = (model, digest(inputs))
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            return kept, done

        def keep(outcome: Outcome) -> None:
            if not isinstance(outcome, ShipwayError):
                self._keep(key, outcome)
            done(outcome)

        return None, keep

    def clear(self) -> None:
        """Forgets all: the models have changed."""
        self._kept.clear()
        self.size_bytes = 0

    def _keep(self, key: tuple[Hashable, bytes], outcome: Mapping[str, Array]) -> None:
        # Copies: an answer's rows are views of its whole batch, which would all stay in memory.
        answer = {name: array.copy() for name, array in outcome.items()}
        size = _size(answer)
        if size > self._max_bytes or key in self._kept:
            return
        self._kept[key] = answer
        self.size_bytes += size
        while self.size_bytes > self._max_bytes:
            self.size_bytes -= _size(self._kept.popitem(last=False)[1])


def digest(inputs: Mapping[str, Array]) -> bytes:
    """128 bits of the inputs' names, dtypes, shapes and contents, whatever the order of the names."""
    found = blake2b(digest_size=16)
    for name in sorted(inputs):
        array = inputs[name]
        found.update(f"{name}\0{array.dtype.str}{array.shape}".encode())
        if array.dtype.kind == "O":
            for item in array.ravel().tolist():
                data = item if isinstance(item, bytes) else str(item).encode()
                found.update(b"%d:%b" % (len(data), data))
        else:
            found.update(array.tobytes())
    return found.digest()


def _size(answer: Mapping[str, Array]) -> int:
    texts = [item for array in answer.values() if array.dtype.kind == "O" for item in array.ravel().tolist()]
    return _ENTRY_BYTES + sum(array.nbytes for array in answer.values()) + sum(map(len, texts))
