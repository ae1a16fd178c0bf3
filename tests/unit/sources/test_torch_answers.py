"""How the outputs of a torch model are called and shaped, without torch: any structure of arrays will do."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import pytest

from shipway.sources.workers.frameworks.torch_answers import flatten, learn_outputs, restore
from shipway.sources.workers.wire import TaskError


class Pair(NamedTuple):
    first: int
    second: int


@dataclasses.dataclass
class Answer:
    scores: int
    hidden: Any = None


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        (1, ["output"]),
        ((1, 2), ["output_0", "output_1"]),
        ([1], ["output_0"]),
        ({"b": 1, "a": 2}, ["b", "a"]),
        (Pair(1, 2), ["first", "second"]),
        (Answer(1), ["scores"]),
        (Answer(1, (2, 3)), ["scores", "hidden_0", "hidden_1"]),
        ((1, (2, 3)), ["output_0", "output_1_0", "output_1_1"]),
        ({"a": {"b": 1}, "c": Pair(2, 3)}, ["a_b", "c_first", "c_second"]),
    ],
)
def test_names_follow_the_structure(answer, names):
    found = flatten(answer)
    assert [name for name, _ in found] == names
    assert [value for _, value in found] == list(range(1, len(names) + 1))
    assert [name for name, _ in flatten(restore(names, list(range(len(names)))))] == names


def test_two_outputs_of_one_name_are_refused():
    with pytest.raises(TaskError, match="have one name: a_b, a_b"):
        flatten({"a_b": 1, "a": {"b": 2}})


def spec(name: str, *shape: int | str) -> dict[str, Any]:
    return {"name": name, "dtype": "float32", "shape": list(shape)}


def learn(shapes, *inputs, refuse=lambda _: False):
    def probe(sizes):
        if refuse(sizes):
            raise ValueError("such sizes are not taken")
        return {name: ("float32", rule(sizes)) for name, rule in shapes.items()}

    return {found["name"]: found["shape"] for found in learn_outputs(probe, inputs)}


def test_an_axis_is_called_by_the_dimension_that_it_follows():
    found = learn(
        {
            "tags": lambda n: (n["batch"], n["length"], 4),
            "halved": lambda n: (n["batch"], n["length"] // 2),
            "crossed": lambda n: (n["batch"], n["length"], n["width"]),
            "table": lambda _: (17, 4),
        },
        spec("tokens", "batch", "length"),
        spec("image", "batch", "width"),
    )
    assert found == {
        "tags": ["batch", "length", 4],
        "halved": ["batch", "halved_1"],
        "crossed": ["batch", "length", "width"],
        "table": [17, 4],
    }


@pytest.mark.parametrize("longest", [14, 4])
def test_a_model_with_a_longest_length_is_asked_shorter_ones(longest):
    found = learn(
        {"tags": lambda n: (n["batch"], n["length"])},
        spec("tokens", "batch", "length"),
        refuse=lambda sizes: sizes["length"] > longest,
    )
    assert found == {"tags": ["batch", "length"]}


def test_inputs_that_must_go_together_are_asked_equal_lengths():
    found = learn(
        {"tags": lambda n: (n["batch"], n["left"])},
        spec("a", "batch", "left"),
        spec("b", "batch", "right"),
        refuse=lambda sizes: sizes["left"] != sizes["right"],
    )
    assert found == {"tags": ["batch", "left"]}


def test_a_model_that_takes_nothing_says_why():
    with pytest.raises(ValueError, match="not taken"):
        learn({}, spec("a", "batch", "n"), refuse=lambda _: True)


def test_many_free_dimensions():
    names = [f"d{number}" for number in range(9)]
    found = learn({"sum": lambda n: (n["batch"], n["d0"])}, spec("x", "batch", *names))
    assert found == {"sum": ["batch", "d0"]}
