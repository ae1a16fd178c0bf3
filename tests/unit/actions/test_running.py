"""Rows in pieces: nothing lost, nothing twice, whatever the batch; answers that do not join are told apart."""

from __future__ import annotations

import numpy as np
import pytest

from shipway.actions.running import explain_answer, join_rows, run_cases, run_requests, run_rows
from shipway.types import Array, DType, Signature, Tensors, TensorSpec


def signature(batch: int | str) -> Signature:
    return Signature(
        (TensorSpec("x", DType.FP32, (batch, 2)), TensorSpec("t", DType.INT64, (batch,))),
        (TensorSpec("y", DType.FP32, (batch, 2)),),
    )


class Model:
    """y = x + t, and the sizes that it was asked."""

    def __init__(self, only: int | None = None) -> None:
        self.sizes: list[int] = []
        self.only = only

    def run(self, inputs: Tensors) -> dict[str, Array]:
        self.sizes.append(len(inputs["x"]))
        assert self.only in (None, len(inputs["x"]), len(inputs["t"]))
        return {"y": inputs["x"] + inputs["t"][:, None].astype(np.float32)}


def inputs(rows: int) -> dict[str, Array]:
    return {"x": np.arange(2 * rows, dtype=np.float32).reshape(rows, 2), "t": np.arange(rows)}


@pytest.mark.parametrize("rows", [1, 31, 32, 33, 70])
def test_a_free_batch_goes_in_pieces_of_bounded_size(rows: int) -> None:
    model = Model()
    given = inputs(rows)
    found = run_rows(model.run, signature("batch"), given)
    np.testing.assert_array_equal(found["y"], given["x"] + given["t"][:, None])
    assert max(model.sizes) <= 32
    assert sum(model.sizes) == rows


@pytest.mark.parametrize("rows", [1, 4, 5, 11])
def test_a_fixed_batch_is_always_full(rows: int) -> None:
    model = Model(only=4)
    given = inputs(rows)
    found = run_rows(model.run, signature(4), given)
    np.testing.assert_array_equal(found["y"], given["x"] + given["t"][:, None])
    assert set(model.sizes) == {4}


def test_large_rows_go_alone() -> None:
    big = Signature((TensorSpec("x", DType.FP32, ("batch", "n")),), ())
    sizes: list[int] = []

    def run(given: Tensors) -> dict[str, Array]:
        sizes.append(len(given["x"]))
        return {"y": given["x"][:, :1]}

    found = run_rows(run, big, {"x": np.zeros((3, 9 * 2**20), np.float32)})
    assert sizes == [1, 1, 1]
    assert found["y"].shape == (3, 1)


def test_a_case_whose_point_is_its_size_goes_in_one_piece() -> None:
    model = Model()
    run_cases(
        model.run, signature("batch"), {"batch-7": inputs(7), "batch-50": inputs(50), "real": inputs(50)}
    )
    assert model.sizes == [7, 50, 32, 18]


def test_answers_that_differ_in_form_join_to_nothing_that_passes() -> None:
    a, b = np.zeros((2, 3)), np.zeros((1, 4))
    joined = join_rows(
        [
            {"same": a, "other": a, "missing": a, "flat": np.zeros(())},
            {"same": a, "other": b, "flat": np.zeros(())},
        ]
    )
    assert {name: array.shape for name, array in joined.items()} == {
        "same": (4, 3),
        "other": (0,),
        "flat": (0,),
    }


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({"y": np.zeros((3, 2), np.float32), "more": np.zeros(1)}, None),
        ({}, "'y' is missing"),
        ({"y": np.zeros((3, 2))}, "another dtype"),
        ({"y": np.zeros((3, 5), np.float32)}, "axis 1 is 5, not 2"),
        ({"y": np.zeros((4, 2), np.float32)}, "3 rows that were asked"),
        ({"y": np.zeros((), np.float32)}, "0 dimensions"),
    ],
)
def test_what_is_wrong_with_an_answer(answer: dict[str, Array], says: str | None) -> None:
    found = explain_answer(answer, signature("batch"), rows=3)
    assert found is None if says is None else says in (found or "")


def test_requests_are_run_whole_one_by_one() -> None:
    asked: list[dict[str, tuple[int, ...]]] = []

    def run(given: Tensors) -> dict[str, Array]:
        asked.append({name: array.shape for name, array in given.items()})
        return {"y": given["x"] * given["t"], "m": np.asarray(given["x"].mean())}

    given = {"x": np.arange(12, dtype=np.float32).reshape(2, 3, 2), "t": np.float32([1, 2])}
    found = run_requests(run, given)
    assert asked == [{"x": (3, 2), "t": ()}] * 2
    np.testing.assert_array_equal(found["y"], given["x"] * given["t"][:, None, None])
    assert found["m"].tolist() == [2.5, 8.5]
    case = {"x": given["x"][0], "t": np.array(1, np.float32)}
    run_cases(run, signature("batch"), {"request-real-001": case})
    assert asked[-1] == {"x": (3, 2), "t": ()}


def test_an_answer_to_a_request_needs_no_rows() -> None:
    form = Signature((), (TensorSpec("m", DType.FP32, ()),))
    assert explain_answer({"m": np.zeros((), np.float32)}, form, rows=None) is None
    assert "1 dimensions" in (explain_answer({"m": np.zeros(1, np.float32)}, form, rows=None) or "")
