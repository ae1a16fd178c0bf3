"""A weight as a file's table of contents tells it, without its values."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Weight:
    """`dtype` is spelled as safetensors does (`F32`, `BF16`), since models hold types that no request has."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def count(self) -> int:
        """How many elements."""
        return math.prod(self.shape)

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype}{list(self.shape)}"
