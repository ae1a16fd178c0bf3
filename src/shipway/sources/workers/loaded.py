"""The one face that every framework's model shows to the tasks: named arrays in, named arrays out.

A specification is JSON: `{"name", "dtype", "shape"}`; the dtype is numpy's name or `"string"`, a free dimension
is its name, the first one `batch`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from .wire import TaskError

Arrays = dict[str, np.ndarray]
Specs = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Twin:
    """The same model in float64."""

    predict: Callable[[Arrays], Arrays]
    rows: int = 16
    """Of a case at most: float64 costs."""
    on_edges: bool = True
    """Whether edge rows are asked too: there a net may cancel far more than on rows that it was trained for."""
    seconds: int = 0
    """After these the answers are given up; 0: no limit of its own."""


class Loaded(Protocol):
    """A model in its framework, in inference mode."""

    framework: str
    """As sentences call it: `"Keras"`, `"ONNX Runtime"`."""
    perturbs: bool
    """True: the noise is also measured on inputs that are off by one unit in their last place. For models without
    a float64 twin, and not for models whose answers jump (quantized ones, trees)."""

    @property
    def input_specs(self) -> Specs:
        """In the model's order."""
        ...

    @property
    def output_specs(self) -> Specs:
        """In the model's order."""
        ...

    def predict(self, arrays: Arrays) -> Arrays:
        """One array per input and per output, by name, in one go."""
        ...

    def twin(self) -> Twin | None:
        """The model in float64; None where there can be none. May raise anything: then there is none either."""
        ...

    def versions(self) -> dict[str, str]:
        """Distribution → version of what takes part."""
        ...


REQUEST = "request-"


def is_request(case: str) -> bool:
    """True for a case, by its name, that is one request of a model without rows: asked whole, never cut."""
    return case.startswith(REQUEST)


def names_of(specs: Specs) -> list[str]:
    """The names, in order."""
    return [spec["name"] for spec in specs]


def signature_of(model: Loaded) -> dict[str, list[Mapping[str, Any]]]:
    """`{"inputs": [...], "outputs": [...]}`."""
    return {"inputs": list(model.input_specs), "outputs": list(model.output_specs)}


def fixed_batch(specs: Specs) -> int | None:
    """The number of rows that the model insists on, or None; for a model that has rows."""
    sizes = [spec["shape"][0] for spec in specs if spec["shape"]]
    return next((size for size in sizes if isinstance(size, int)), None)


def free_dimensions(specs: Specs) -> list[str]:
    """The names of the free dimensions, each once."""
    shapes = (spec["shape"] for spec in specs)
    return list(dict.fromkeys(size for shape in shapes for size in shape if isinstance(size, str)))


def named_shape(
    name: str, sizes: Sequence[int | None], owners: dict[int, str], *, batch: str = "batch"
) -> list[int | str]:
    """A shape whose None are named: `batch`, and `NAME_AXIS`, NAME being the first input that is free there.

    `owners` (axis → that input's name) is kept by the caller over all inputs of a model.
    """
    return [
        size if size is not None else batch if axis == 0 else f"{owners.setdefault(axis, name)}_{axis}"
        for axis, size in enumerate(sizes)
    ]


PROBE_SIZES = (17, 23, 29, 31, 37)
"""Unequal primes: an output's axis of that size comes from that input's axis, not from a layer's width."""


def followed_dimensions(model: Loaded) -> dict[tuple[str, int], str]:
    """(output, axis) → the input's free dimension of the same size, told by one run on unequal sizes.

    Empty where the model refuses these sizes.
    """
    names = [name for name in free_dimensions(model.input_specs) if name != "batch"][: len(PROBE_SIZES)]
    sizes = dict(zip(names, PROBE_SIZES, strict=False))
    arrays = {spec["name"]: _zeros(spec, sizes) for spec in model.input_specs}
    try:
        found = model.predict(arrays)
    except Exception:  # noqa: BLE001 - a model may refuse these sizes; its dimensions keep their own names
        return {}
    by_size = {size: name for name, size in sizes.items()}
    return {
        (name, axis): by_size[size]
        for name, array in found.items()
        for axis, size in enumerate(array.shape)
        if axis and size in by_size
    }


def _zeros(spec: Mapping[str, Any], sizes: Mapping[str, int]) -> np.ndarray:
    shape = [2 if size == "batch" else sizes.get(size, size) for size in spec["shape"]]
    return np.full(shape, "") if spec["dtype"] == "string" else np.zeros(shape, spec["dtype"])


def read_tensors(specs: Specs, tensors: Mapping[str, Any]) -> Arrays:
    """The inputs from `{"file", "names"}`: an `.npz` with members numbered in the order of `names`."""
    members = {name: str(number) for number, name in enumerate(tensors["names"])}
    wanted = names_of(specs)
    if any(name not in members for name in wanted):
        raise TaskError(
            "data.mismatch",
            f"The model takes {', '.join(wanted)}; given were {', '.join(members) or 'none'}.",
        )
    with np.load(tensors["file"], allow_pickle=False) as archive:
        return {name: archive[members[name]] for name in wanted}
