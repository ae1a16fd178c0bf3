"""What a conversion promises: one step from one format to another, run in the child where its framework lives.

The parent reads the declaration (`sources/routes.py`), the child calls `write`; so this file, and every file in
`edges/` down to its functions' bodies, needs the standard library and numpy only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from .loaded import Loaded

Facts = Mapping[str, Any]
"""What is known of the source without its framework: `Description.details`."""


def _fits_all(facts: Facts) -> int:
    del facts
    return 0


class Opened:
    """The model that an edge starts from. Loaded when it is asked for: a converter may want the file alone."""

    def __init__(self, path: Path, load: Callable[[], Loaded]) -> None:
        self.path = path
        self._load = load

    @property
    def is_loaded(self) -> bool:
        """Whether the model was asked for."""
        return "model" in vars(self)

    @cached_property
    def model(self) -> Any:  # noqa: ANN401 - the loader's own class, with what the framework offers
        """The model in its framework."""
        return self._load()


Write = Callable[[Opened, Path, Mapping[str, Any]], None]
"""`write(opened, out, task)` writes the file or folder `out`; `task["samples"]` may hold `{"file", "names"}`."""


@dataclass(frozen=True)
class Edge:
    """One step from `start` to `end`."""

    name: str
    """As verdicts and error lines call it: `"torch/dynamo"`."""
    start: str
    end: str
    """Formats, as `shipway.sources` calls them."""
    file: str
    """`__file__` of the edge's own file: what the child loads."""
    write: Write
    result: str
    """What `write` makes: the name of a file or of a folder."""
    rank: int = 0
    """Of ways from one format to another, the lowest is tried first."""
    fits: Callable[[Facts], int | None] = _fits_all
    """Added to the rank for a source of which these facts are known; None: it cannot serve it."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """For the start's loader (which backend Keras runs on)."""
    requires: Mapping[str, str] = field(default_factory=dict)
    """Module to import → what pip calls it, with its range: `{"onnxscript": "onnxscript>=0.5,<1"}`."""
    extra: str = ""
    """The extra of Shipway that brings `requires`."""
    deprecated: str = ""
    """Why it should not be chosen any more and what should; empty for a way in good standing."""
    fixes: frozenset[str] = frozenset()
    """Free dimensions that the result cannot keep (`"batch"`), as its format has it."""
    from_examples: bool = False
    """True when `write` needs `task["samples"]`."""
