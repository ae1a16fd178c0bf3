"""What a model is measured for before it serves, on real sessions."""

import time

import numpy as np

from served import bundles, models
from shipway.runtimes.onnx_runtime import OnnxRuntime
from shipway.server.models.tuning import find_ceiling, is_short, take_rows


def opened(folder, made):
    path = folder / "model.onnx"
    path.write_bytes(made.SerializeToString())
    return OnnxRuntime().open(path, {"intra_op_threads": 1})


class Timed:
    """A session whose run takes a given time per call and per row."""

    def __init__(self, call_seconds, row_seconds):
        self.call_seconds, self.row_seconds, self.runs = call_seconds, row_seconds, []

    def run(self, inputs):
        rows = len(inputs["x"])
        self.runs.append(rows)
        ends = time.thread_time() + self.call_seconds + rows * self.row_seconds
        while time.thread_time() < ends:
            pass
        return {"y": inputs["x"]}


GOLDEN = bundles.golden_of(models.mlp(), {"x": bundles.rows(8, 4)})


def ceiling(session, *, budget=0.15):
    return find_ceiling(session, GOLDEN, 32, budget_seconds=budget)


def test_a_tiny_model_is_short_and_joins(tmp_path):
    session = opened(tmp_path, models.mlp())
    assert is_short(session, GOLDEN, session.signature)
    assert ceiling(session) >= 8


def test_a_model_that_computes_all_the_time_does_not_join():
    assert ceiling(Timed(0, 0.001)) == 1


def test_a_model_whose_calls_are_dear_joins():
    assert ceiling(Timed(0.0005, 0.00001)) == 32


def test_a_slow_model_is_judged_by_eight_rows():
    joins, does_not = Timed(0.06, 0.005), Timed(0.005, 0.06)
    assert (ceiling(joins), ceiling(does_not)) == (32, 1)
    assert set(joins.runs) == set(does_not.runs) == {1, 8}


def test_a_slower_one_is_not_tried_at_all():
    session = Timed(0.2, 0.01)
    assert ceiling(session) == 32
    assert session.runs == [1]


def test_the_budget_is_kept():
    session, started = Timed(0.004, 0.004), time.thread_time()
    ceiling(session, budget=0.1)
    assert time.thread_time() - started < 0.3


def test_rows_are_repeated_where_there_are_too_few():
    rows = take_rows({"x": np.arange(3)}, 5)["x"]
    assert rows.tolist() == [0, 1, 2, 0, 1]
