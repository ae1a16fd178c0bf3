"""The floor is measured where it can be, assumed where it can't, and no wrong answer buys a large budget."""

import numpy as np
import pytest

from shipway.evaluation.parity.noise import measure_noise
from shipway.sources.base import Reference

EPS = float(np.finfo(np.float32).eps)
ROWS = np.random.default_rng(0).normal(size=(64, 5)).astype(np.float32)


def measure(outputs, **again):
    return measure_noise(Reference(signature=None, outputs=outputs, **again))


def test_the_floor_is_the_largest_error_against_float64():
    precise = ROWS.astype(np.float64)
    precise[9] += 1e-4 * np.abs(ROWS[9]).max()
    noise = measure({"real": {"y": ROWS}}, precise={"real": {"y": precise}})
    assert noise.outputs["y"].floor == pytest.approx(1e-4, rel=1e-3)
    assert noise.tolerance("y").budget == pytest.approx(16e-4, rel=1e-3)
    assert noise.tolerance("y").scale == pytest.approx(np.abs(ROWS).max())
    assert "float64, 64 rows" in noise.described


def test_the_first_rows_of_a_case_are_enough():
    precise = ROWS[:4].astype(np.float64) * (1 + 1e-4)
    noise = measure({"real": {"y": ROWS}}, precise={"real": {"y": precise}})
    assert noise.outputs["y"].floor == pytest.approx(1e-4, rel=0.01)


def test_an_exact_source_is_still_allowed_the_dtypes_rounding():
    noise = measure({"real": {"y": ROWS}}, precise={"real": {"y": ROWS.astype(np.float64)}})
    assert noise.tolerance("y").budget == 128 * EPS
    half = ROWS.astype(np.float16)
    noise = measure({"real": {"y": half}}, precise={"real": {"y": half.astype(np.float64)}})
    assert noise.outputs["y"].floor == 2 * float(np.finfo(np.float16).eps)


@pytest.mark.parametrize("again", [{}, {"repeated": {"real": {"y": ROWS[:8]}}}])
def test_without_float64_more_is_assumed_and_said(again):
    noise = measure({"real": {"y": ROWS}}, **again)
    assert noise.tolerance("y").budget == 512 * EPS
    assert ("no float64" if again else "assumed") in noise.described


def test_a_spread_between_runs_counts():
    again = ROWS[:8] * np.float32(1 + 1e-3)
    noise = measure({"real": {"y": ROWS}}, repeated={"real": {"y": again}})
    assert noise.outputs["y"].floor == pytest.approx(1e-3, rel=0.01)


def test_a_float64_output_shows_no_rounding_against_itself():
    wide = ROWS.astype(np.float64)
    noise = measure({"real": {"y": wide}}, precise={"real": {"y": wide}})
    assert noise.tolerance("y").budget == 512 * np.finfo(np.float64).eps


def test_a_wrong_float64_answer_buys_no_more_than_the_largest_budget():
    noise = measure({"real": {"y": ROWS}}, precise={"real": {"y": -ROWS.astype(np.float64)}})
    assert noise.tolerance("y").budget == 0.05


def test_second_answers_that_tell_nothing_are_left_out():
    broken = ROWS.astype(np.float64)
    broken[3] = np.nan
    noise = measure(
        {"real": {"y": ROWS}},
        precise={"real": {"y": broken}, "other": {"y": broken}},
        repeated={"real": {"y": ROWS[:, :2]}},
    )
    assert noise.tolerance("y").budget == 128 * EPS


def test_edge_rows_neither_raise_the_scale_nor_the_budget_of_real_ones():
    edge = np.float32([[1e6, 0, 0, 0, 0]])
    precise = {"real": {"y": ROWS.astype(np.float64)}, "edge": {"y": edge.astype(np.float64) * 1.001}}
    noise = measure({"real": {"y": ROWS}, "edge": {"y": edge}}, precise=precise).outputs["y"]
    assert noise.scale < 10
    assert noise.budget_of("real") == 128 * EPS
    assert noise.budget_of("edge") == pytest.approx(0.016, rel=0.01)


def test_edge_rows_that_were_not_measured_are_given_more():
    noise = measure({"real": {"y": ROWS}, "edge": {"y": ROWS}}, precise={"real": {"y": ROWS.astype(float)}})
    assert noise.outputs["y"].budget_of("edge") == 4 * noise.outputs["y"].budget_of("batch-1")


def test_edge_rows_are_given_more_also_where_the_source_is_exact_on_them():
    """ONNX Runtime's mean over a constant image lies 1.2e-5 from the true one, torch's 1e-7."""
    precise = {"real": {"y": ROWS.astype(float)}, "edge": {"y": ROWS.astype(float)}}
    noise = measure({"real": {"y": ROWS}, "edge": {"y": ROWS}}, precise=precise)
    assert noise.outputs["y"].budget_of("edge") == 4 * noise.outputs["y"].budget_of("batch-1")


def test_whole_numbers_have_no_budget():
    noise = measure({"real": {"label": np.arange(5)}})
    assert noise.tolerance("label").budget == 0


def test_scalar_answers_to_requests_are_measured_too():
    outputs = {f"request-real-00{n}": {"m": np.float32(n).reshape(())} for n in range(1, 9)}
    again = {case: {"m": found["m"] * np.float32(1 + 1e-3)} for case, found in list(outputs.items())[:3]}
    noise = measure(outputs, repeated=again)
    assert noise.outputs["m"].floor == pytest.approx(1e-3, rel=0.3)
    assert noise.outputs["m"].scale == 8
    assert "asked again, 3 requests" in noise.described
    precise = {"request-real-001": {"m": np.array(1.0)}}
    assert "float64, 1 request" in measure(outputs, precise=precise).described


def test_a_scalar_that_comes_out_otherwise_is_unsettled():
    outputs = {"request-real-001": {"k": np.array(3)}, "request-real-002": {"k": np.array(4)}}
    again = {"request-real-001": {"k": np.array(3)}, "request-real-002": {"k": np.array(5)}}
    found = measure(outputs, repeated=again).outputs["k"].unsettled
    assert {case: rows.tolist() for case, rows in found.items()} == {
        "request-real-001": [False], "request-real-002": [True]
    }  # fmt: skip
