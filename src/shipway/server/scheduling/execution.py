"""Runs what the batcher decides: on the event loop when it is short, else in the session's own thread."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from math import inf
from time import perf_counter
from typing import Protocol

import numpy as np

from shipway.errors import DeadlineExceededError, SessionRunError, ShipwayError
from shipway.runtimes.base import Session
from shipway.server.scheduling.batching import Batcher, Plan
from shipway.server.scheduling.deadlines import Deadlines
from shipway.server.scheduling.giving_way import make_executor
from shipway.server.scheduling.jobs import Job, Outcome, Rows, Run
from shipway.types import Tensors

log = logging.getLogger("shipway.server")


class RunRecorder(Protocol):
    """What is told about every run: see `observation/metrics.py`."""

    def record_run(
        self, jobs: Sequence[Job], started: float, ended: float, written: float, answered: int
    ) -> None:
        """These jobs ran together, and of `answered` of them somebody got the outputs."""
        ...

    def count_failure(self, code: str) -> None:
        """A job got an error with this code instead of an answer."""
        ...


class Execution:
    """One session, its queue and its thread. Belongs to one event loop; every method is called on it."""

    def __init__(
        self, session: Session, batcher: Batcher, loop: asyncio.AbstractEventLoop, recorder: RunRecorder
    ) -> None:
        self._session = session
        self._batcher = batcher
        self._loop = loop
        self.recorder = recorder
        self._deadlines = Deadlines(loop, self._expire)
        self._thread: ThreadPoolExecutor | None = None
        self._hold: asyncio.TimerHandle | None = None
        """After a run in the thread, the end of the wait for those whom it has answered."""
        self._when_idle: list[asyncio.Future[None]] = []

    def submit(self, job: Job) -> None:
        """Queues a job; `job.done` is called on the loop, once, unless the job is over before it runs.

        Raises `OverloadedError`.
        """
        try:
            must_end_turn, displaced = self._batcher.arrive(job)
        except ShipwayError as error:
            self.recorder.count_failure(error.code)
            raise
        if must_end_turn:
            if self._hold is not None:
                self._hold.cancel()
                self._hold = None
            self._loop.call_soon(self._end_turn)
        if job.deadline != inf:
            self._deadlines.watch(job)
        if displaced is not None and not displaced.is_over:
            self._fail(displaced, self._batcher.displaced_error())

    async def close(self) -> None:
        """Waits for what was submitted, then gives the session back."""
        if self._hold is not None:
            self._hold.cancel()
            self._end_hold()
        if not self._batcher.is_idle:
            idle = self._loop.create_future()
            self._when_idle.append(idle)
            await idle
        if self._thread is not None:
            self._thread.shutdown(wait=False)
        self._session.close()

    def _end_turn(self) -> None:
        plan = self._batcher.end_turn()
        if plan is None:
            self._tell_idle()
        elif plan.is_inline:
            for jobs in plan.runs:
                started = perf_counter()
                outcomes = run_jobs(self._session, jobs)
                self._deliver(jobs, outcomes, started, perf_counter())
            if self._batcher.finish_inline():
                self._loop.call_soon(self._end_turn)
            else:
                self._tell_idle()
        else:
            self._start_thread(plan)

    def _start_thread(self, plan: Plan) -> None:
        if self._thread is None:
            self._thread = make_executor(1, "shipway-session")
        jobs = plan.runs[0]

        def finish(future: asyncio.Future[tuple[Sequence[Outcome], float, float]]) -> None:
            outcomes, started, ended = future.result()
            self._deliver(jobs, outcomes, started, ended)
            hold_seconds = self._batcher.finish_thread(ended - started)
            if hold_seconds and not self._when_idle:
                self._hold = self._loop.call_later(hold_seconds, self._end_hold)
            else:
                self._loop.call_soon(self._end_turn)

        self._loop.run_in_executor(self._thread, _run_timed, self._session, jobs).add_done_callback(finish)

    def _deliver(
        self, jobs: Sequence[Job], outcomes: Sequence[Outcome], started: float, ended: float
    ) -> None:
        rows = sum([job.rows for job in jobs])
        self._batcher.times.record(sum([job.elements for job in jobs]), ended - started, rows)
        answered = len(jobs)
        for job, outcome in zip(jobs, outcomes, strict=True):
            if job.is_over:
                answered -= 1
                continue
            job.is_over = True
            if isinstance(outcome, ShipwayError):
                answered -= 1
                self.recorder.count_failure(outcome.code)
            try:  # costs nothing here; one receiver's bug must not leave the others, and this session, waiting
                job.done(outcome)
            except Exception:
                log.exception("an outcome was not received")
        self.recorder.record_run(jobs, started, ended, perf_counter(), answered)

    def _fail(self, job: Job, error: ShipwayError) -> None:
        job.is_over = True
        self.recorder.count_failure(error.code)
        try:
            job.done(error)
        except Exception:  # what submits or waits here is another request: see `_deliver`
            log.exception("an error was not received")

    def _expire(self, job: Job) -> None:
        given = job.deadline - job.queued_at
        self._fail(job, DeadlineExceededError(f"No answer within the {given:.3g} s that the request gives."))

    def _end_hold(self) -> None:
        self._hold = None
        self._end_turn()

    def _tell_idle(self) -> None:
        while self._when_idle:
            self._when_idle.pop().set_result(None)


def _run_timed(session: Session, jobs: Sequence[Job]) -> tuple[Sequence[Outcome], float, float]:
    started = perf_counter()
    outcomes = run_jobs(session, jobs)
    return outcomes, started, perf_counter()


def run_jobs(session: Session, jobs: Sequence[Job]) -> Sequence[Outcome]:
    """Each job's outcome. Never raises: one job's failure is that job's outcome.

    Safe in a thread. Jobs whose batch fails run again one by one, so that a bad request fails alone.
    """
    try:
        return _run_together(session, jobs)
    except Exception:  # the request boundary: a bug in one run must not leave its clients without an answer
        log.exception("a run of %d requests failed unexpectedly", len(jobs))
        return [ShipwayError("The server failed on this request; its log has the reason.")] * len(jobs)


def _run_together(session: Session, jobs: Sequence[Job]) -> Sequence[Outcome]:
    if len(jobs) == 1:
        return [_run_alone(session, jobs[0].inputs)]
    inputs = {name: np.concatenate([job.inputs[name] for job in jobs]) for name in jobs[0].inputs}
    ends = list(accumulate([job.rows for job in jobs]))
    try:
        outputs = session.run(inputs)
    except SessionRunError:
        return [_run_alone(session, job.inputs) for job in jobs]
    for array in outputs.values():
        if array.shape[:1] != (ends[-1],):  # the model does not keep its rows apart: nothing may be split
            return [_run_alone(session, job.inputs) for job in jobs]
    run = Run(outputs)
    return [Rows(run, start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def _run_alone(session: Session, inputs: Tensors) -> Outcome:
    try:
        return session.run(inputs)
    except SessionRunError as error:
        return error
