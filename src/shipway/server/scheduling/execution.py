"""Runs what the batcher decides: on the event loop when it is short, else in the session's own thread."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from time import perf_counter

import numpy as np

from shipway.errors import SessionRunError, ShipwayError
from shipway.runtimes.base import Session
from shipway.server.scheduling.batching import Batcher, Job, Outcome, Plan, Rows, Run
from shipway.types import Tensors

log = logging.getLogger("shipway.server")


class Execution:
    """One session, its queue and its thread. Belongs to one event loop; every method is called on it."""

    def __init__(self, session: Session, batcher: Batcher, loop: asyncio.AbstractEventLoop) -> None:
        self._session = session
        self._batcher = batcher
        self._loop = loop
        self._thread: ThreadPoolExecutor | None = None
        self._when_idle: list[asyncio.Future[None]] = []

    def submit(self, job: Job) -> None:
        """Queues a job; `job.done` is called on the loop, once, unless the job is dropped before it runs.

        Raises `OverloadedError`.
        """
        if self._batcher.arrive(job):
            self._loop.call_soon(self._end_turn)

    async def close(self) -> None:
        """Waits for what was submitted, then gives the session back."""
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
                outcomes, seconds = run_jobs(self._session, jobs)
                self._deliver(jobs, outcomes, seconds)
            self._go_on(self._batcher.finish_inline)
        else:
            self._start_thread(plan)

    def _start_thread(self, plan: Plan) -> None:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="shipway-session")
        jobs = plan.runs[0]

        def finish(future: asyncio.Future[tuple[Sequence[Outcome], float]]) -> None:
            outcomes, seconds = future.result()
            self._deliver(jobs, outcomes, seconds)
            self._go_on(self._batcher.finish_thread)

        self._loop.run_in_executor(self._thread, run_jobs, self._session, jobs).add_done_callback(finish)

    def _deliver(self, jobs: Sequence[Job], outcomes: Sequence[Outcome], seconds: float) -> None:
        self._batcher.times.record(sum([job.elements for job in jobs]), seconds)
        for job, outcome in zip(jobs, outcomes, strict=True):
            job.done(outcome)

    def _go_on(self, finish: Callable[[], bool]) -> None:
        if finish():
            self._loop.call_soon(self._end_turn)
        else:
            self._tell_idle()

    def _tell_idle(self) -> None:
        while self._when_idle:
            self._when_idle.pop().set_result(None)


def run_jobs(session: Session, jobs: Sequence[Job]) -> tuple[Sequence[Outcome], float]:
    """Each job's outcome, and the seconds of the run. Never raises: one job's failure is that job's outcome.

    Safe in a thread. Jobs whose batch fails run again one by one, so that a bad request fails alone.
    """
    started = perf_counter()
    try:
        outcomes = _run_together(session, jobs)
    except Exception:  # the request boundary: a bug in one run must not leave its clients without an answer
        log.exception("a run of %d requests failed unexpectedly", len(jobs))
        outcomes = [ShipwayError("The server failed on this request; its log has the reason.")] * len(jobs)
    return outcomes, perf_counter() - started


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
        if array.shape[:1] != (
            ends[-1],
        ):  # the model does not keep its rows apart: nothing here may be split
            return [_run_alone(session, job.inputs) for job in jobs]
    run = Run(outputs)
    return [Rows(run, start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def _run_alone(session: Session, inputs: Tensors) -> Outcome:
    try:
        return session.run(inputs)
    except SessionRunError as error:
        return error
