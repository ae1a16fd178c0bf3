"""Counts outlive the workers that made them."""

from shipway.server.observation.merging import merge
from shipway.server.workers.departed import Departed


def told(success, *, queue_rows=0, accepted=1, resident=100):
    model = {
        "success": success,
        "queue_rows": queue_rows,
        "queue_bytes": queue_rows * 4,
        "stages": [success, 0],
    }
    return {
        "process": {"workers": 1, "resident_bytes": resident},
        "connections": {"open": 3, "accepted": accepted, "abandoned": 0},
        "refusals": {"429 request.overloaded": 2},
        "models": {"tiny": {"1": model}},
        "states": {"tiny": {"1": "ready"}},
    }


def test_a_sum_does_not_fall_when_a_worker_dies():
    departed = Departed()
    departed.note("a", told(5, queue_rows=7, accepted=4))
    departed.note("b", told(3))
    departed.lose("a")
    found = merge([told(3), departed.counted()])
    assert found["models"]["tiny"]["1"] == {"success": 8, "queue_rows": 0, "queue_bytes": 0, "stages": [8, 0]}
    assert found["connections"] == {"open": 3, "accepted": 5, "abandoned": 0}
    assert found["refusals"] == {"429 request.overloaded": 4}
    assert found["process"] == {"workers": 1, "resident_bytes": 100}


def test_what_it_told_last_is_what_counts_and_only_once():
    departed = Departed()
    departed.note("a", told(5))
    departed.note("a", told(9))
    departed.lose("a")
    departed.lose("a")
    departed.note("b", told(1))
    departed.lose("b")
    assert departed.counted()["models"]["tiny"]["1"]["success"] == 10


def test_nobody_was_asked_and_nothing_is_known():
    departed = Departed()
    departed.lose("a")
    assert departed.counted() == {}
