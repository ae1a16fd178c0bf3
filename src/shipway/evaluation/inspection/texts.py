"""What is wrong with an input's texts as texts: empty ones, all alike, damaged by a wrong encoding."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shipway.evaluation.data.base import Finding
from shipway.evaluation.inspection.values import CONSTANT_ROWS
from shipway.evaluation.inspection.wording import MOST_EXAMPLES, name_rows
from shipway.types import Array

_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
_MOJIBAKE: Final = re.compile("[\u00c2\u00c3][\u0080-\u00bf]|\u00e2[\u20ac\u0080-\u009f]")
"""UTF-8 read as Latin-1 or Windows-1252: `é` becomes `Ã©`, a quotation mark `â€œ`. No language has these pairs:
after `Ã` (Portuguese) comes a letter."""

_KINDS: Final = {
    "empty-text": (
        "{count} of its texts {are} empty",
        "Look where they come from; --drop-bad does not leave them out, a model answers them too.",
    ),
    "damaged-text": (
        "{count} of its texts {hold} U+FFFD: bytes that were no UTF-8 were replaced, and are lost",
        "Read the source anew in its own encoding: open(path, encoding='cp1252').",
    ),
    "mojibake": (
        "{count} of its texts {look} like UTF-8 that was read in another encoding (Ã© for é)",
        "Mend them: text.encode('cp1252').decode('utf-8'), or read the source anew as UTF-8.",
    ),
}


class TextWatch:
    """Follows one input of texts."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._rows = 0
        self._first: object = None
        self._is_one = True
        self._counts = dict.fromkeys(_KINDS, 0)
        self._examples: dict[str, list[int]] = {kind: [] for kind in _KINDS}

    def see(self, array: Array, row_numbers: NDArray[np.int64]) -> None:
        """One block `[rows, ...]` of `str`, `bytes` or None."""
        cells = max(1, array[:1].size)
        for index, item in enumerate(array.ravel().tolist()):
            text = item.decode("utf-8", "replace") if isinstance(item, bytes) else item
            if text is None:
                continue  # a missing value: reported as one
            if self._first is None:
                self._first = text
            self._is_one = self._is_one and text == self._first
            for kind in _damages(text):
                self._counts[kind] += 1
                if len(self._examples[kind]) < MOST_EXAMPLES:
                    self._examples[kind].append(int(row_numbers[index // cells]))
        self._rows += len(array)

    def findings(self) -> Iterator[Finding]:
        """One for each kind of damage; all alike is one too."""
        if self._is_one and self._rows >= CONSTANT_ROWS and self._first is not None:
            yield Finding(
                "constant",
                "warning",
                self.name,
                count=self._rows,
                of=self._rows,
                examples=(),
                words=f"{self.name} holds the same text in all {self._rows} rows.",
                remedy="Check how the column was filled.",
            )
            return
        for kind, (words, remedy) in _KINDS.items():
            count = self._counts[kind]
            if count:
                yield Finding(
                    kind,
                    "warning",
                    self.name,
                    count=count,
                    of=self._rows,
                    examples=name_rows(self._examples[kind]),
                    words=f"{self.name}: {_worded(words, count)}.",
                    remedy=remedy,
                )


def _damages(text: str) -> Iterator[str]:
    if not text or text.isspace():
        yield "empty-text"
        return
    if text.isascii():
        return
    if _REPLACEMENT in text:
        yield "damaged-text"
    if _MOJIBAKE.search(text):
        yield "mojibake"


def _worded(words: str, count: int) -> str:
    verbs = ("is", "holds", "looks") if count == 1 else ("are", "hold", "look")
    return words.format(count=count, are=verbs[0], hold=verbs[1], look=verbs[2])
