"""Answers kept by content, within a bound."""

import numpy as np
import pytest

from shipway.errors import SessionRunError
from shipway.server.scheduling.cache import AnswerCache, digest
from shipway.server.scheduling.jobs import Rows, Run

X = np.arange(4, dtype=np.float32).reshape(1, 4)


def fill(cache, model, inputs, outcome):
    kept, done = cache.look_up(model, inputs, lambda _: None)
    assert kept is None
    done(outcome)


def test_an_equal_request_is_answered_from_it_and_another_is_not():
    cache, seen = AnswerCache(10**6), []
    kept, done = cache.look_up("m", {"x": X}, seen.append)
    assert kept is None
    done({"y": X * 2})
    np.testing.assert_array_equal(seen[0]["y"], X * 2)
    kept, _ = cache.look_up("m", {"x": X.copy()}, seen.append)
    np.testing.assert_array_equal(kept["y"], X * 2)
    assert cache.look_up("m", {"x": X + 1}, seen.append)[0] is None
    assert cache.look_up("other", {"x": X}, seen.append)[0] is None


def test_a_failure_is_not_kept():
    cache = AnswerCache(10**6)
    fill(cache, "m", {"x": X}, SessionRunError("no"))
    assert cache.look_up("m", {"x": X}, lambda _: None)[0] is None


def test_a_kept_answer_does_not_hold_its_whole_batch():
    cache, batch = AnswerCache(10**6), np.zeros((1000, 4), np.float32)
    fill(cache, "m", {"x": X}, Rows(Run({"y": batch}), 3, 4))
    kept, _ = cache.look_up("m", {"x": X}, lambda _: None)
    assert kept["y"].base is None
    assert kept["y"].shape == (1, 4)


def test_it_stays_within_its_bytes_and_the_least_recently_used_go():
    cache = AnswerCache(3 * (500 + 400))
    inputs = [{"x": np.full((1, 4), index)} for index in range(4)]
    for index in range(3):
        fill(cache, "m", inputs[index], {"y": np.zeros(100, np.float32)})
    assert cache.look_up("m", inputs[0], lambda _: None)[0] is not None
    fill(cache, "m", inputs[3], {"y": np.zeros(100, np.float32)})
    assert cache.size_bytes <= 3 * 900
    assert [cache.look_up("m", one, lambda _: None)[0] is not None for one in inputs] == [
        True,
        False,
        True,
        True,
    ]


def test_an_answer_larger_than_all_is_not_kept():
    cache = AnswerCache(1000)
    fill(cache, "m", {"x": X}, {"y": np.zeros(1000)})
    assert cache.size_bytes == 0


def test_cleared_is_empty():
    cache = AnswerCache(10**6)
    fill(cache, "m", {"x": X}, {"y": X})
    cache.clear()
    assert (cache.size_bytes, cache.look_up("m", {"x": X}, lambda _: None)[0]) == (0, None)


def text(*items):
    return np.array(items, dtype=object)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"x": X}, {"x": X.reshape(4, 1)}),
        ({"x": X}, {"x": X.view(np.int32)}),
        ({"x": X}, {"z": X}),
        ({"x": np.float32([0.0])}, {"x": np.float32([-0.0])}),
        ({"x": text("ab", "c")}, {"x": text("a", "bc")}),
        ({"x": text("1:a")}, {"x": text("1", "a")}),
        ({"a": X, "b": X + 1}, {"a": X + 1, "b": X}),
    ],
)
def test_requests_that_differ_have_other_digests(one, other):
    assert digest(one) != digest(other)


def test_the_order_of_the_names_does_not_matter():
    assert digest({"a": X, "b": X + 1}) == digest({"b": X + 1, "a": X})
