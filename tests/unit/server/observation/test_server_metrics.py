"""Counts of the process: real figures of the system, and refusals by status and code."""

import time

from shipway.server.observation.server_metrics import ServerMetrics


def test_the_process_is_this_one():
    told = ServerMetrics().snapshot(open_connections=3)
    process = told["process"]
    assert abs(process["start_time_seconds"] - time.time()) < 60
    assert process["resident_bytes"] > 10 * 2**20
    assert process["cpu_seconds"] > 0
    assert told["connections"] == {"open": 3, "accepted": 0, "abandoned": 0}


def test_refusals_are_told_apart_by_status_and_code():
    metrics = ServerMetrics()
    for _ in range(2):
        metrics.count_refusal(400, "request.malformed")
    metrics.count_refusal(400, "request.tensor-mismatch")
    assert metrics.snapshot(open_connections=0)["refusals"] == {
        "400 request.malformed": 2,
        "400 request.tensor-mismatch": 1,
    }
