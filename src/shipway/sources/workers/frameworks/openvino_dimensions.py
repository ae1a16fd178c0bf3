"""The names of free dimensions, which OpenVINO's IR does not keep, in the place that it gives to other tools.

The parent reads them too. They say nothing that must be known: notes that do not fit the graph are left out.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from ..loaded import named_shape

PLACE: Final = ("shipway", "dimensions")
"""The path in the IR's `rt_info`; the value there is JSON, `{"inputs" | "outputs": [shape, ...]}`."""


def read_dimensions(text: str) -> dict[str, Any]:
    """The notes; empty for text of another form."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def name_dimensions(
    names: Sequence[str],
    sizes: Sequence[Sequence[int | None]],
    noted: Any,  # noqa: ANN401 - JSON from a file that may be hostile
    owners: dict[int, str],
) -> list[list[int | str]]:
    """The tensors' shapes, free dimensions (None) by their noted names, else as `named_shape` names them."""
    usual = [named_shape(name, shape, owners) for name, shape in zip(names, sizes, strict=True)]
    if not isinstance(noted, list) or [_form(shape) for shape in noted] != [list(shape) for shape in sizes]:
        return usual
    return [list(shape) for shape in noted]


def _form(shape: Any) -> list[int | None] | None:  # noqa: ANN401 - as above
    """A noted shape with None for its names; None for what is no shape."""
    if not isinstance(shape, list) or not all(isinstance(size, (int, str)) for size in shape):
        return None
    return [None if isinstance(size, str) else size for size in shape]
