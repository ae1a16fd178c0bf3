"""When workers are started again, and when a silent one counts as hung."""

import pytest

from shipway.server.workers.restarts import LONGEST_DELAY_SECONDS, STEADY_SECONDS, Liveness, Restarts

STEADY = STEADY_SECONDS + 1


@pytest.mark.parametrize(
    ("lives", "delays"),
    [
        ([STEADY], [0]),
        ([STEADY] * 5, [0] * 5),
        ([1], [0]),
        ([1, 1, 1, 1, 1], [0, 0.5, 1, 2, 4]),
        ([0] * 9, [0, 0.5, 1, 2, 4, 8, 16, 30, 30]),
        ([1, 1, 1, STEADY, 1], [0, 0.5, 1, 0, 0.5]),
        ([1, STEADY, STEADY], [0, 0, 0]),
    ],
)
def test_delays(lives, delays):
    restarts = Restarts()
    assert [restarts.delay_after(life) for life in lives] == delays


def test_the_longest_delay_stays_it_for_years():
    restarts = Restarts()
    assert [restarts.delay_after(0) for _ in range(5000)][-1] == LONGEST_DELAY_SECONDS


@pytest.mark.parametrize(
    ("events", "is_hung"),
    [
        ("look beat look look look", False),
        ("look look look look look look", True),
        ("look look look look look beat look", False),
        ("look look look look look excused", False),
        ("look look look look look excused look", False),
        ("look pause look look", False),  # nothing was heard because nobody listened
        ("look pause look look look look look look look", True),
    ],
)
def test_a_silent_worker(events, is_hung):
    now = 100.0
    liveness = Liveness(5.0, now)
    found = False
    for event in events.split():
        now += 3600 if event == "pause" else 1
        if event == "beat":
            liveness.beat(now)
        elif event != "pause":
            found = liveness.is_hung(now, is_excused=event == "excused")
    assert found is is_hung


def test_a_limit_below_the_heartbeat_means_two_of_them():
    liveness = Liveness(0.1, 0.0)
    assert not liveness.is_hung(1.5)
    assert liveness.is_hung(2.5)
