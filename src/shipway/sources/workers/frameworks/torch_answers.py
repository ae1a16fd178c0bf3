"""What a torch model's answer is called and shaped: torch lets a model answer with any structure of tensors.

A dict's keys, a named tuple's and a dataclass's fields are the outputs' names; else they are `output`, or
`output_0`, `output_1` ..., and structures inside of structures join their names by `_`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import cycle
from typing import Any

from ..loaded import PROBE_SIZES, Specs, free_dimensions
from ..wire import TaskError

_SIZES = (
    (PROBE_SIZES, tuple(size + 1 for size in PROBE_SIZES)),
    ((5, 7, 9, 11, 13), (6, 8, 10, 12, 14)),
    ((3, 3, 3, 3, 3), (4, 4, 4, 4, 4)),
    ((8, 8, 8, 8, 8), (16, 16, 16, 16, 16)),
)
"""Of free dimensions but the batch, for two runs each: unequal ones tell whose size an output's axis follows;
small ones are for models with a longest length, equal ones for inputs that go together."""
_ROWS = (2, 3)
_MOST_DEPTH = 8


def flatten(answer: Any) -> list[tuple[str, Any]]:  # noqa: ANN401 - any structure of tensors
    """(name, tensor) of all that is answered, in order; `None` is no answer. Raises `source.unsupported`."""
    found = list(_walk("", answer, 0))
    names = [name or "output" for name, _ in found]
    if len(set(names)) != len(names):
        raise TaskError(
            "source.unsupported", f"Two of the model's outputs have one name: {', '.join(names)}."
        )
    return [(name or "output", leaf) for name, leaf in found]


def has_plain_names(names: Sequence[str]) -> bool:
    """True for the names that a bare tensor or a flat tuple gets."""
    return list(names) in (["output"], [f"output_{number}" for number in range(len(names))])


def restore(names: Sequence[str], tensors: Sequence[Any]) -> Any:  # noqa: ANN401 - a structure of tensors
    """The smallest structure that `flatten` gives these names to: a tensor, a tuple, or a dict."""
    if list(names) == ["output"]:
        return tensors[0]
    return tuple(tensors) if has_plain_names(names) else dict(zip(names, tensors, strict=True))


def _walk(prefix: str, value: Any, depth: int) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    parts = _parts(value, prefix)
    if parts is None:
        if value is not None:
            yield prefix, value
        return
    if depth > _MOST_DEPTH:
        raise TaskError("source.unsupported", "The model's answer is nested too deeply.")
    for name, part in parts:
        yield from _walk(name, part, depth + 1)


def _parts(value: Any, prefix: str) -> list[tuple[str, Any]] | None:  # noqa: ANN401
    """The named members of a structure; None for a leaf."""
    start = f"{prefix}_" if prefix else ""
    if isinstance(value, Mapping):
        return [(f"{start}{key}", part) for key, part in value.items()]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return [(f"{start}{key}", part) for key, part in zip(value._fields, value, strict=True)]
    if isinstance(value, (tuple, list)):
        return [(f"{prefix or 'output'}_{number}", part) for number, part in enumerate(value)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [field.name for field in dataclasses.fields(value)]
        return [(f"{start}{name}", getattr(value, name)) for name in fields]
    return None


Shapes = Mapping[str, tuple[str, Sequence[int]]]
"""Output → numpy's name of its dtype, and its sizes."""
Probe = Callable[[Mapping[str, int]], Shapes]
"""Runs the model on zeros, the free dimensions having these sizes."""


def learn_outputs(probe: Probe, inputs: Specs) -> list[dict[str, Any]]:
    """The outputs' specifications, from two runs on unequal sizes. Raises what the model raises."""
    free = free_dimensions(inputs)
    others = [name for name in free if name != "batch"]
    choices = _SIZES if others else _SIZES[:1]
    for number, (first, second) in enumerate(choices):
        pairs = dict(zip(others, cycle(zip(first, second, strict=True)), strict=False))
        if "batch" in free:
            pairs["batch"] = _ROWS
        try:
            small = probe({name: pair[0] for name, pair in pairs.items()})
            large = probe({name: pair[1] for name, pair in pairs.items()})
        except Exception:
            if number == len(choices) - 1:
                raise
            continue
        return _compare(small, large, pairs)
    raise AssertionError("there is always a last choice")


def _compare(small: Shapes, large: Shapes, pairs: Mapping[str, tuple[int, int]]) -> list[dict[str, Any]]:
    followed = {pair: name for name, pair in reversed(list(pairs.items()))}
    specs = []
    for name, (dtype, sizes) in small.items():
        others = large[name][1] if name in large else ()
        if len(others) != len(sizes):
            raise TaskError(
                "source.unsupported", f"The rank of output {name!r} depends on the sizes of the inputs."
            )
        shape = [
            size if size == other else followed.get((size, other), f"{name}_{axis}")
            for axis, (size, other) in enumerate(zip(sizes, others, strict=True))
        ]
        specs.append({"name": name, "dtype": dtype, "shape": shape})
    return specs
