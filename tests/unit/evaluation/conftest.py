"""A small real net in numpy whose float32 answers differ by the order of summation, as two runtimes' do."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from shipway.sources.base import Reference
from shipway.types import Array, DType, Signature, TensorSpec


@dataclass(frozen=True)
class Net:
    """relu layers, then a head: `softmax`, `sigmoid` (one unit) or `linear`."""

    weights: tuple[NDArray[np.float64], ...]
    biases: tuple[NDArray[np.float64], ...]
    head: str = "softmax"
    signature: Signature = field(
        default=Signature(
            inputs=(TensorSpec("x", DType.FP32, ("batch", 16)),),
            outputs=(TensorSpec("y", DType.FP32, ("batch", "units")),),
        )
    )

    @classmethod
    def trained(cls, seed: int, *, units: int = 10, head: str = "softmax") -> "Net":
        generator = np.random.default_rng(seed)
        sizes = (16, 64, 48, units)
        pairs = list(pairwise(sizes))
        return cls(
            weights=tuple(generator.normal(0, np.sqrt(2 / a), (a, b)) for a, b in pairs),
            biases=tuple(generator.uniform(0.05, 0.2, b) for _, b in pairs),
            head=head,
        )

    def run(self, x: Array, *, dtype: type = np.float32, order: int = 0) -> Array:
        """`order` seeds the order in which each sum is taken."""
        generator = np.random.default_rng(order)
        value = x.astype(dtype)
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            summed = generator.permutation(len(weight))
            parts = np.array_split(summed, 1 + order % 4)
            value = sum((value[:, p] @ weight[p].astype(dtype) for p in parts), np.zeros((), dtype))
            value = value + bias.astype(dtype)
            if layer < len(self.weights) - 1:
                value = np.maximum(value, 0)
        if self.head == "softmax":
            value = np.exp(value - value.max(axis=1, keepdims=True))
            value = value / value.sum(axis=1, keepdims=True)
        if self.head == "sigmoid":
            value = 1 / (1 + np.exp(-value))
        return value.astype(dtype)

    def with_weight(self, layer: int, change: Callable[[Array], Array]) -> "Net":
        weights = list(self.weights)
        weights[layer] = change(weights[layer].copy())
        return replace(self, weights=tuple(weights))


def make_rows(seed: int, count: int) -> Array:
    return np.random.default_rng([seed, 77]).normal(size=(count, 16)).astype(np.float32)


def as_cases(rows: Array) -> dict[str, Array]:
    generator = np.random.default_rng(len(rows))
    edge = np.stack([np.zeros(16), rows.min(axis=0), rows.max(axis=0), rows.mean(axis=0)]).astype(np.float32)
    generated = generator.normal(size=(max(0, 256 - len(rows)), 16)).astype(np.float32)
    return {
        "real": rows,
        **({"generated": generated} if len(generated) else {}),
        "edge": edge,
        **{f"batch-{size}": np.resize(rows, (size, 16)) for size in (1, 2, 3, 7)},
    }


def answers(
    net: Net, cases: Mapping[str, Array], *, order: int = 0, dtype: type = np.float32
) -> dict[str, dict[str, Array]]:
    return {name: {"y": net.run(rows, order=order, dtype=dtype)} for name, rows in cases.items()}


@dataclass(frozen=True)
class Exam:
    """What the source answered, with everything that the rules take."""

    net: Net
    cases: dict[str, Array]
    reference: Reference


def make_exam(net: Net, rows: Array, *, precise_rows: int = 16, repeated: bool = False) -> Exam:
    cases = as_cases(rows)
    largest = max(cases, key=lambda case: len(cases[case]))
    return Exam(
        net=net,
        cases=cases,
        reference=Reference(
            signature=net.signature,
            outputs=answers(net, cases, order=0),
            precise={}
            if repeated
            else {largest: {"y": net.run(cases[largest][:precise_rows], dtype=np.float64)}},
            repeated={largest: {"y": net.run(cases[largest][:8], order=0)}} if repeated else {},
        ),
    )


@pytest.fixture(scope="session")
def nets() -> type[Net]:
    return Net


@pytest.fixture(scope="session")
def exam_of() -> Callable[..., Exam]:
    return make_exam


@pytest.fixture(scope="session")
def rows_of() -> Callable[[int, int], Array]:
    return make_rows


@pytest.fixture(scope="session")
def answers_of() -> Callable[..., dict[str, dict[str, Array]]]:
    return answers
