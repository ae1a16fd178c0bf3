"""What rows hold, also where values are missing."""

from __future__ import annotations

import numpy as np

from shipway.evaluation.parity.values import spread_of_data
from shipway.types import DType, TensorSpec

SPEC = TensorSpec("x", DType.FP32, ("batch", 3))


def test_missing_values_leave_the_spread_of_the_others():
    known = np.array([[1, 5, 0], [3, 5, 0], [2, 5, 0]], np.float32)
    rows = np.concatenate([known, [[np.nan, 5, np.nan], [2, np.nan, np.nan]]]).astype(np.float32)
    rows[:, 2] = np.nan
    spread = spread_of_data(rows, SPEC)
    assert spread.low.tolist() == [1, 5, 0]
    assert spread.high.tolist() == [3, 5, 0]
    assert spread.mean.tolist() == [2, 5, 0]
    made = spread.sample(100, np.random.default_rng(0))
    assert np.isfinite(made).all()
    assert made[:, 0].std() > 0.1
    assert np.isnan(rows[:, 2]).all()  # the caller's rows are as they were
