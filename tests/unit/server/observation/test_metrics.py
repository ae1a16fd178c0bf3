"""What one version counts: every request once, in every stage, however often it is folded."""

import json

import numpy as np
import pytest

from shipway.errors import MalformedRequestError, OverloadedError
from shipway.server.observation.metrics import STAGES, ModelMetrics
from shipway.server.scheduling.jobs import Job


def jobs(count, *, asked=10.0, queued=10.1, rows=1):
    made = [Job({}, lambda _: None, rows, rows, None) for _ in range(count)]
    for job in made:
        job.asked_at, job.queued_at = asked, queued
    return made


def metrics():
    return ModelMetrics(queue=lambda: (3, 700))


def test_the_stages_of_a_request_add_up_to_its_time():
    told = metrics()
    told.record_run(jobs(1), 10.3, 10.7, 10.8, 1)
    sums = {stage: told.snapshot()["stages"][stage]["sum"] for stage in STAGES}
    assert sums == pytest.approx({"input": 0.1, "queue": 0.2, "infer": 0.4, "output": 0.1, "total": 0.8})


def test_requests_of_one_run_share_its_time_of_writing_and_not_its_run():
    told = metrics()
    told.record_run(jobs(4), 10.3, 10.7, 10.8, 4)
    stages = told.snapshot()["stages"]
    assert stages["infer"]["sum"] == pytest.approx(4 * 0.4)
    assert stages["output"]["sum"] == pytest.approx(0.1)
    assert {sum(stage["counts"]) for stage in stages.values()} == {4}


def test_batches_are_counted_by_rows_and_by_requests():
    """BentoML#5637 asks for batch metrics."""
    told = metrics()
    for _ in range(3):
        told.record_run(jobs(2, rows=4), 10.3, 10.7, 10.8, 2)
    told.record_run(jobs(1), 10.3, 10.5, 10.6, 1)
    found = told.snapshot()
    assert (found["rows"], found["executions"], found["batch_rows"]["sum"]) == (25, 4, 25.0)
    assert found["batch_requests"]["sum"] == 7.0
    assert {rows: size["executions"] for rows, size in found["batch_sizes"].items()} == {"1": 1, "8": 3}
    assert found["batch_sizes"]["8"]["infer_seconds"] == pytest.approx(1.2)
    assert found["batch_sizes"]["8"]["input_seconds"] == pytest.approx(0.6)


def test_nothing_is_lost_between_folds():
    told = metrics()
    for _ in range(1500):
        told.record_run(jobs(7), 10.3, 10.7, 10.8, 6)
    found = told.snapshot()
    assert found["success"] == 9000
    assert {sum(stage["counts"]) for stage in found["stages"].values()} == {10500}
    assert found == {**told.snapshot(), "last_inference_ms": found["last_inference_ms"]}


def test_sizes_that_are_told_apart_are_bounded():
    told = metrics()
    for rows in range(1, 400):
        told.record_run(jobs(1, rows=rows), 10.3, 10.7, 10.8, 1)
    found = told.snapshot()
    assert len(found["batch_sizes"]) == 128
    assert sum(found["batch_rows"]["counts"]) == 399


def test_failures_are_counted_by_code_and_once():
    told = metrics()
    told.count_failure("session.run")
    told.count_refusal(MalformedRequestError("no JSON"))
    told.count_refusal(OverloadedError("the queue has counted it"))
    assert told.snapshot()["failures"] == {"session.run": 1, "request.malformed": 1}


def test_an_answer_that_cannot_be_written_is_no_success():
    told = metrics()
    told.count_unwritten("request.not-json")
    told.record_run(jobs(2), 10.3, 10.7, 10.8, 2)
    found = told.snapshot()
    assert (found["success"], found["failures"]) == (1, {"request.not-json": 1})


def test_an_answer_from_the_cache_is_a_success():
    told = metrics()
    told.count_cache_hit()
    told.count_cache_miss()
    found = told.snapshot()
    assert (found["success"], found["cache_hits"], found["cache_misses"]) == (1, 1, 1)


def test_a_snapshot_is_json_and_shows_the_queue():
    told = metrics()
    told.record_run(jobs(2), *np.array([10.3, 10.7, 10.8]).tolist(), 2)
    found = told.snapshot()
    assert (found["queue_rows"], found["queue_bytes"]) == (3, 700)
    assert json.loads(json.dumps(found)) == found


def test_the_proofs_own_requests_are_forgotten():
    told = metrics()
    told.record_run(jobs(2), 10.3, 10.7, 10.8, 2)
    told.count_failure("session.run")
    told.reset()
    assert told.snapshot() == metrics().snapshot()


def test_a_watcher_hears_of_every_run():
    heard = []
    told = metrics()
    told.on_run = lambda jobs, *times: heard.append((len(jobs), *times))
    told.record_run(jobs(2), 10.3, 10.7, 10.8, 2)
    assert heard == [(2, 10.3, 10.7, 10.8)]
