"""What is learned from the runs that were made."""

import pytest

from shipway.server.scheduling.run_times import RunTimes


class TestRunTimes:
    def test_a_slow_first_run_is_soon_forgotten(self):
        times = RunTimes(0.001)
        times.record(4, 0.015)
        assert times.inline_elements == 0
        for _ in range(12):
            times.record(4, 1e-5)
        assert times.inline_elements >= 4 * 16

    def test_one_hiccup_does_not_send_it_to_the_thread(self):
        times = RunTimes(0.001)
        for _ in range(20):
            times.record(4, 1e-5)
        times.record(4, 0.01)
        assert times.inline_elements >= 4

    def test_a_model_that_turned_slow_goes_there(self):
        times = RunTimes(0.001)
        times.record(4, 1e-5)
        for _ in range(3):
            times.record(4, 0.1)
        assert times.inline_elements < 4

    def test_larger_inputs_are_expected_to_cost_in_proportion(self):
        times = RunTimes(0.001)
        times.record(1000, 0.0002)
        assert times.expect((1000).bit_length() + 2) == pytest.approx(0.0008)
        assert 2000 <= times.inline_elements < 8000

    def test_a_queue_lasts_as_long_as_its_rows(self):
        times = RunTimes(0.001)
        assert times.expect_wait(100) == 0.0
        times.record(40, 0.2, rows=4)
        assert times.expect_wait(10) == pytest.approx(0.5)
