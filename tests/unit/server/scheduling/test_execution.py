"""Runs on the loop and in the thread, and batches that fail."""

import asyncio
import threading
import time

import numpy as np
import pytest

from served import models
from shipway.errors import DeadlineExceededError, OverloadedError, SessionRunError, ShipwayError
from shipway.runtimes.onnx_runtime import OnnxRuntime
from shipway.server.scheduling.batching import Batcher
from shipway.server.scheduling.execution import Execution, run_jobs
from shipway.server.scheduling.jobs import Job


def open_model(folder, made):
    path = folder / "model.onnx"
    path.write_bytes(made.SerializeToString())
    return OnnxRuntime().open(path, {})


def job(array, done=lambda _: None):
    return Job({"x": array}, done, len(array), array.size, None)


def test_each_gets_its_own_rows(tmp_path):
    session = open_model(tmp_path, models.identity())
    parts = [np.full((rows, 2), rows, np.float32) for rows in (1, 3, 0, 2)]
    outcomes = run_jobs(session, [job(part) for part in parts])
    for part, outcome in zip(parts, outcomes, strict=True):
        np.testing.assert_array_equal(outcome["y"], part)


def test_a_bad_request_fails_alone(tmp_path):
    session = open_model(tmp_path, models.lookup())
    outcomes = run_jobs(session, [job(np.array([[value]])) for value in (1, 99, 3)])
    assert [outcomes[0]["y"], outcomes[2]["y"]] == [[[1.0]], [[3.0]]]
    assert isinstance(outcomes[1], SessionRunError)


def test_a_model_that_does_not_keep_rows_apart_is_not_split(tmp_path):
    """It promises as many rows as it gets and answers one: joined answers would be somebody else's."""
    made = models.model(
        [models.helper.make_node("ReduceSum", ["x"], ["y"], keepdims=1)],
        [("x", models.FLOAT, ["batch", 2])],
        [("y", models.FLOAT, ["batch", 1])],
    )
    session = open_model(tmp_path, made)
    outcomes = run_jobs(session, [job(np.full((1, 2), value, np.float32)) for value in (1, 10)])
    assert [float(outcome["y"][0, 0]) for outcome in outcomes] == [2.0, 20.0]


class Broken:
    """A session with a bug of ours: it raises what no session may raise."""

    signature = None

    def run(self, _inputs):
        raise ZeroDivisionError

    def close(self):
        pass


def test_a_bug_is_an_answer_too(caplog):
    outcomes = run_jobs(Broken(), [job(np.zeros((1, 2)))] * 2)
    assert [type(outcome) for outcome in outcomes] == [ShipwayError, ShipwayError]
    assert "ZeroDivisionError" in caplog.text


class Recording:
    """Tells in which thread and how large each run was; a gate makes a run last."""

    signature = None

    def __init__(self):
        self.runs = []
        self.gate = threading.Event()
        self.gate.set()
        self.is_closed = False

    def run(self, inputs):
        self.gate.wait(10)
        self.runs.append((len(inputs["x"]), threading.current_thread() is threading.main_thread()))
        return {"y": inputs["x"]}

    def close(self):
        self.is_closed = True


class Recorder:
    def __init__(self):
        self.runs, self.failures = [], []

    def record_run(self, jobs, started, ended, written, answered):
        assert started <= ended <= written
        assert answered <= len(jobs)
        self.runs.append(list(jobs))

    def count_failure(self, code):
        self.failures.append(code)


def execution(session, *, measured_seconds, can_batch=True):
    batcher = Batcher(
        can_batch=can_batch,
        max_batch_rows=32,
        max_queue_rows=1000,
        max_queue_bytes=10**9,
        inline_seconds=0.001,
    )
    for elements in (2, 64):
        batcher.times.record(elements, measured_seconds)
    return Execution(session, batcher, asyncio.get_running_loop(), Recorder())


async def ask(made, count):
    loop = asyncio.get_running_loop()
    futures = [loop.create_future() for _ in range(count)]
    for index, future in enumerate(futures):
        made.submit(job(np.full((1, 2), index, np.float32), future.set_result))
    return await asyncio.gather(*futures)


def test_a_short_run_stays_on_the_loop_in_one_batch():
    async def run():
        session = Recording()
        answers = await ask(execution(session, measured_seconds=1e-6), 5)
        assert session.runs == [(5, True)]
        assert [answer["y"][0, 0] for answer in answers] == [0, 1, 2, 3, 4]

    asyncio.run(run())


def test_while_a_long_run_is_busy_the_next_batch_collects():
    async def run():
        session = Recording()
        session.gate.clear()
        made = execution(session, measured_seconds=1.0)
        first = asyncio.ensure_future(ask(made, 1))
        while made._batcher.state.value != "busy":
            await asyncio.sleep(0)
        rest = asyncio.ensure_future(ask(made, 7))
        await asyncio.sleep(0)
        session.gate.set()
        await first
        answers = await rest
        assert session.runs == [(1, False), (7, False)]
        assert [answer["y"][0, 0] for answer in answers] == list(range(7))

    asyncio.run(run())


@pytest.mark.parametrize("seconds", [1e-6, 1.0])
def test_close_waits_for_what_was_submitted(seconds):
    async def run():
        session = Recording()
        made = execution(session, measured_seconds=seconds)
        asked = asyncio.ensure_future(ask(made, 3))
        await asyncio.sleep(0)
        await made.close()
        assert session.is_closed
        assert len(await asked) == 3

    asyncio.run(run())


def test_a_deadline_is_answered_while_the_run_goes_on():
    """What is not run yet is not run; what runs is answered all the same, and its late outcome goes nowhere."""

    async def run():
        session = Recording()
        session.gate.clear()
        made = execution(session, measured_seconds=0.0011, can_batch=False)
        outcomes = {"running": [], "waiting": [], "patient": []}
        for name, given in (("running", 0.05), ("waiting", 0.06), ("patient", None)):
            one = job(np.zeros((1, 2), np.float32), outcomes[name].append)
            one.queued_at = time.perf_counter()
            one.deadline = float("inf") if given is None else one.queued_at + given
            made.submit(one)
        await asyncio.sleep(0.2)
        assert [type(outcomes[name][0]) for name in ("running", "waiting")] == [DeadlineExceededError] * 2
        assert outcomes["patient"] == []
        session.gate.set()
        await made.close()
        assert [len(found) for found in outcomes.values()] == [1, 1, 1]
        assert len(session.runs) == 2
        assert made.recorder.failures == ["request.deadline", "request.deadline"]

    asyncio.run(run())


def test_the_place_that_is_taken_is_told_so():
    async def run():
        session = Recording()
        session.gate.clear()
        made = execution(session, measured_seconds=1.0, can_batch=False)
        made._batcher.queue._max_rows = 1
        outcomes = []
        made.submit(job(np.zeros((1, 2), np.float32), outcomes.append))
        await asyncio.sleep(0.01)
        made.submit(job(np.ones((1, 2), np.float32), outcomes.append))
        urgent = job(np.full((1, 2), 2, np.float32), outcomes.append)
        urgent.priority = 1
        made.submit(urgent)
        assert isinstance(outcomes[0], OverloadedError)
        session.gate.set()
        await made.close()
        assert [outcome["y"][0, 0] for outcome in outcomes[1:]] == [0, 2]

    asyncio.run(run())
