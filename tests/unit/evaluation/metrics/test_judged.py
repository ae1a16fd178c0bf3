"""The worst rows."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shipway.evaluation.metrics.judged import listed, worst_first


@given(st.lists(st.integers(0, 5), max_size=60))
def test_worst_rows_are_a_stable_sort(values):
    losses = np.array(values, dtype=np.float64)
    assert worst_first(losses) == np.argsort(-losses, kind="stable")[:20].tolist()
    among = losses > 2
    assert (
        worst_first(losses, among)
        == [row for row in np.argsort(-losses, kind="stable").tolist() if among[row]][:20]
    )


def test_long_lists_are_cut():
    assert listed(["a", "b"]) == "a, b"
    assert listed([str(index) for index in range(12)]).endswith("9, …")
