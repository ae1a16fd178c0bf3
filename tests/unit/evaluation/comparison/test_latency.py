"""The ratio on a clock of the test's own: each request takes what the test says."""

import pytest

from shipway.evaluation.comparison.latency import FEWEST_BLOCKS, MOST_BLOCKS, measure_ratio


class _Machine:
    """A clock that only requests move, and that slows down or speeds up as time goes by."""

    def __init__(self, drift=0.0):
        self.now = 0.0
        self.drift = drift
        self.asked = []

    def request(self, name, seconds):
        def ask():
            self.asked.append(name)
            self.now += seconds * (1 + self.drift * self.now)

        return ask

    def measure(self, a, b, **given):
        return measure_ratio(self.request("a", a), self.request("b", b), clock=lambda: self.now, **given)


def test_the_ratio_and_its_interval():
    found = _Machine().measure(0.001, 0.002)
    assert found.ratio == pytest.approx(2)
    assert (found.low, found.high) == pytest.approx((2, 2))
    assert (found.a_ms, found.b_ms) == pytest.approx((1, 2))
    assert found.blocks >= FEWEST_BLOCKS


def test_a_machine_that_slows_down_slows_both():
    """At the end it is four times slower than at the start."""
    found = _Machine(drift=1.0).measure(0.001, 0.001)
    assert found.ratio == pytest.approx(1, abs=0.05)


def test_blocks_take_turns():
    machine = _Machine()
    found = machine.measure(0.05, 0.05, seconds=1.0)
    assert machine.asked[6:14] == ["a", "b", "b", "a", "a", "b", "b", "a"]
    assert machine.asked.count("a") == machine.asked.count("b") == found.requests + 3


def test_slow_models_are_asked_a_few_times_and_have_no_interval():
    machine = _Machine()
    found = machine.measure(5.0, 10.0)
    assert (found.blocks, found.requests) == (2, 2)
    assert (found.ratio, found.low, found.high) == (2, None, None)


def test_quick_models_take_no_longer():
    machine = _Machine()
    found = machine.measure(1e-6, 1e-6, seconds=10.0)
    assert found.blocks == MOST_BLOCKS
    assert machine.now < 10


def test_a_clock_that_stands_still_divides_by_no_zero():
    found = _Machine().measure(0.0, 0.0, seconds=1e-9)
    assert (found.ratio, found.blocks) == (1, MOST_BLOCKS)
